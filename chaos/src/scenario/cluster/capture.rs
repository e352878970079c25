//! A tool that captures changes: it connects to a server as a replica does, and its link flaps.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::node::PORT;

const PATIENCE: Duration = Duration::from_millis(300);
const HELLO: &[u8] =
    b"REPLCONF listening-port 7001\r\nREPLCONF capa eof capa psync2\r\nPSYNC ? -1\r\n";

/// Connects to each in turn, reads for some tenths of a second, and goes away without a word.
pub fn come_and_go(addresses: &[Ipv4Addr], stop: &AtomicBool) {
    let runs = || !stop.load(Ordering::Relaxed);
    for address in addresses.iter().cycle() {
        if !runs() {
            return;
        }
        // A server that is down or refuses is left alone.
        let _ = capture(*address, &runs);
        thread::sleep(Duration::from_millis(30));
    }
}

fn capture(address: Ipv4Addr, runs: &dyn Fn() -> bool) -> std::io::Result<()> {
    let address = SocketAddr::from((address, PORT));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    stream.write_all(HELLO)?;
    let mut buffer = [0; 65_536];
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until && runs() {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}
