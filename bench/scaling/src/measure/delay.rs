//! A TCP proxy that delays every byte, in both directions, as a long cable would.
//!
//! A kernel can do the same (`tc qdisc … netem`), but not every kernel has it. The proxy reads at
//! once and writes later, so it limits the delay and not the rate.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub struct Delay {
    port: u16,
    closed: Arc<AtomicBool>,
}

impl Delay {
    /// Forwards connections to `target`. Each direction takes `one_way`.
    pub fn to(target: SocketAddr, one_way: Duration) -> Result<Delay> {
        let listener = TcpListener::bind("127.0.0.1:0").context("a port for the proxy")?;
        let port = listener.local_addr()?.port();
        let closed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&closed);
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                if seen.load(Ordering::Relaxed) {
                    return;
                }
                // A refused connection closes the near side too.
                let _ = TcpStream::connect(target).and_then(|far| forward(near, far, one_way));
            }
        });
        Ok(Delay { port, closed })
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Ends the accept() of the other thread.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn forward(near: TcpStream, far: TcpStream, one_way: Duration) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    copy(near.try_clone()?, far.try_clone()?, one_way);
    copy(far, near, one_way);
    Ok(())
}

/// Two threads: one reads and notes when, the other writes that much later.
fn copy(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let count = from.read(&mut chunk).unwrap_or(0);
            let due = Instant::now() + one_way;
            let sent = sender.send((due, chunk[..count].to_vec()));
            if count == 0 || sent.is_err() {
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if bytes.is_empty() || to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_in_order_and_not_before_their_time() -> Result<()> {
        let echo = TcpListener::bind("127.0.0.1:0")?;
        let address = echo.local_addr()?;
        thread::spawn(move || {
            let (mut stream, _) = echo.accept()?;
            let mut back = stream.try_clone()?;
            std::io::copy(&mut stream, &mut back)
        });
        let one_way = Duration::from_millis(20);
        let delay = Delay::to(address, one_way)?;
        let mut client = TcpStream::connect(("127.0.0.1", delay.port()))?;
        let sent = Instant::now();
        for word in [&b"first "[..], b"second"] {
            client.write_all(word)?;
        }
        let mut reply = [0; 12];
        client.read_exact(&mut reply)?;
        assert_eq!(&reply, b"first second");
        assert!(sent.elapsed() >= 2 * one_way);
        Ok(())
    }
}
