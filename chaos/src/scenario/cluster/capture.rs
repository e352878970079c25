//! A tool that captures changes: it connects to a server as a replica does, and its link flaps.
//!
//! It asks for the stream from where it was, and claims to have everything. A group must not count
//! it: it is no member.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::node::PORT;

const PATIENCE: Duration = Duration::from_millis(300);
/// More than any stream of a round has.
const EVERYTHING: u64 = 1 << 40;

/// Connects to each in turn, reads for some tenths of a second, and goes away without a word.
/// Returns how often it was served.
pub fn come_and_go(addresses: &[Ipv4Addr], stop: &AtomicBool) -> usize {
    let runs = || !stop.load(Ordering::Relaxed);
    let mut served = 0;
    let mut place = "? -1".to_owned();
    for address in addresses.iter().cycle() {
        if !runs() {
            break;
        }
        // A server that is down or refuses is left alone.
        if let Ok(Some(new)) = capture(*address, &place, &runs) {
            served += 1;
            place = new;
        }
        thread::sleep(Duration::from_millis(30));
    }
    served
}

/// Returns where to go on, if it was served.
fn capture(
    address: Ipv4Addr,
    place: &str,
    runs: &dyn Fn() -> bool,
) -> std::io::Result<Option<String>> {
    let address = SocketAddr::from((address, PORT));
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut link = BufReader::new(stream);
    say(&mut link, "REPLCONF listening-port 7001")?;
    say(&mut link, "REPLCONF capa eof capa psync2")?;
    let reply = say(&mut link, &format!("PSYNC {place}"))?;
    let words: Vec<&str> = reply.split_whitespace().collect();
    let next = match words.as_slice() {
        ["+FULLRESYNC", stream, offset] => {
            let offset: u64 = offset.parse().unwrap_or(0);
            format!("{stream} {}", offset.saturating_add(1))
        }
        ["+CONTINUE", ..] => place.to_owned(),
        _ => return Ok(None),
    };
    let mut buffer = [0; 65_536];
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until && runs() {
        let claim = format!("REPLCONF ACK {EVERYTHING}\r\n");
        link.get_mut().write_all(claim.as_bytes())?;
        link.get_ref()
            .set_read_timeout(Some(Duration::from_millis(50)))?;
        match link.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            _ => {}
        }
    }
    Ok(Some(next))
}

/// One command and the line of its reply. While a snapshot is made, empty lines come before it.
fn say(link: &mut BufReader<TcpStream>, command: &str) -> std::io::Result<String> {
    link.get_mut()
        .write_all(format!("{command}\r\n").as_bytes())?;
    loop {
        let mut line = String::new();
        if link.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if !line.trim().is_empty() {
            return Ok(line.trim().to_owned());
        }
    }
}
