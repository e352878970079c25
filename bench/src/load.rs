//! Generates the load: a closed loop over many connections, the same for every contender.
//!
//! Each connection sends a packet, waits for all its replies, and then sends the next packet. One
//! thread serves many connections, as in the server. This saves thread switches on few cores.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure, Context, Result};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};
use testkit::reply_length;

use crate::interrupt;
use crate::workload::{Cycle, Workload};

/// After this time without a reply the run fails.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);
const LONGEST_LATENCY_NS: u64 = 60_000_000_000;

pub struct Plan {
    pub connections: usize,
    pub threads: usize,
    /// Driven, but not counted.
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What was completed within the measured time.
pub struct Outcome {
    pub cycles: u64,
    pub window: Duration,
    /// Nanoseconds for each cycle.
    pub latency: Histogram<u64>,
    pub reply_bytes: u64,
    /// Includes the cycles of the warm-up and of the end. The server's own counters include them
    /// too.
    pub all_cycles: u64,
}

/// Drives the server at `address` as planned, and returns when every reply has arrived.
pub fn drive(address: &str, workload: &Workload, plan: &Plan) -> Result<Outcome> {
    let address: SocketAddr = address.parse().context("the server's address")?;
    let threads = plan.threads.clamp(1, plan.connections);
    let mut shares: Vec<Vec<Connection>> = (0..threads).map(|_| Vec::new()).collect();
    for number in 0..plan.connections {
        let connection = Connection::open(address, workload.cycles(number), &workload.greeting)?;
        shares[number % threads].push(connection);
    }
    let begin = Instant::now() + plan.warm_up;
    let end = begin + plan.measured;
    let parts: Vec<Result<Outcome>> = thread::scope(|scope| {
        let workers: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(move || drive_share(share, begin, end)))
            .collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Result<Outcome>>| {
            worker
                .join()
                .unwrap_or_else(|_| Err(anyhow!("a thread of the load panicked")))
        };
        workers.into_iter().map(join).collect()
    });
    let mut whole = Outcome::new(plan.measured)?;
    for part in parts {
        let part = part?;
        whole.cycles += part.cycles;
        whole.all_cycles += part.all_cycles;
        whole.reply_bytes += part.reply_bytes;
        whole
            .latency
            .add(&part.latency)
            .context("adding latencies")?;
    }
    ensure!(
        whole.cycles > 0,
        "nothing was completed in {:?}: measure for longer",
        plan.measured
    );
    Ok(whole)
}

impl Outcome {
    fn new(window: Duration) -> Result<Outcome> {
        Ok(Outcome {
            cycles: 0,
            window,
            latency: Histogram::new_with_bounds(1, LONGEST_LATENCY_NS, 3)?,
            reply_bytes: 0,
            all_cycles: 0,
        })
    }
}

/// Drives connections until `end`, and then until every connection has its replies. A client that
/// leaves while it waits would disturb the next measurement.
fn drive_share(mut share: Vec<Connection>, begin: Instant, end: Instant) -> Result<Outcome> {
    let mut outcome = Outcome::new(end - begin)?;
    let mut poll = Poll::new().context("polling")?;
    let mut events = Events::with_capacity(1024);
    for (number, connection) in share.iter_mut().enumerate() {
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut connection.stream, Token(number), interest)?;
        connection.begin_cycle()?;
    }
    let mut busy = share.len();
    let mut chunk = vec![0; 256 * 1024];
    let mut last_event = Instant::now();
    while busy > 0 {
        interrupt::check()?;
        match poll.poll(&mut events, Some(Duration::from_millis(200))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.context("polling")?,
        }
        if events.is_empty() {
            ensure!(
                last_event.elapsed() < SILENCE_LIMIT,
                "no reply in {SILENCE_LIMIT:?}"
            );
            continue;
        }
        last_event = Instant::now();
        for event in &events {
            let connection = &mut share[event.token().0];
            connection.write()?;
            let mut more = true;
            while more {
                more = connection.read(&mut chunk)?;
                let Some(bytes) = connection.take_cycle()? else {
                    continue;
                };
                let now = Instant::now();
                outcome.all_cycles += 1;
                if now >= begin && now < end {
                    let took = now - connection.begun;
                    outcome.cycles += 1;
                    outcome.reply_bytes += bytes;
                    let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                    outcome.latency.saturating_record(nanoseconds.max(1));
                }
                if now < end {
                    connection.begin_cycle()?;
                } else {
                    connection.idle = true;
                    busy -= 1;
                }
            }
        }
    }
    Ok(outcome)
}

/// Sends the command and waits for the reply OK.
fn greet(stream: &mut TcpStream, greeting: &[u8]) -> Result<()> {
    const OK: &[u8] = b"+OK\r\n";
    stream.set_read_timeout(Some(SILENCE_LIMIT))?;
    stream.write_all(greeting)?;
    let mut reply = [0; OK.len()];
    stream.read_exact(&mut reply)?;
    ensure!(reply == OK, "the server answered {}…", reply.escape_ascii());
    Ok(())
}

/// The number of the next packet, of all connections and rounds.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

struct Connection {
    stream: mio::net::TcpStream,
    cycles: Vec<Cycle>,
    cycle: usize,
    step: usize,
    /// How many bytes of the step's packet are sent.
    written: usize,
    replies_left: usize,
    begun: Instant,
    /// Bytes that were read but are not a complete reply yet.
    buffer: Vec<u8>,
    cycle_bytes: u64,
    /// The measured time is over, and all replies have arrived.
    idle: bool,
}

impl Connection {
    fn open(address: SocketAddr, cycles: Vec<Cycle>, greeting: &[u8]) -> Result<Connection> {
        let mut stream =
            TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        if !greeting.is_empty() {
            greet(&mut stream, greeting).context("the first command of a connection")?;
        }
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream: mio::net::TcpStream::from_std(stream),
            // `begin_cycle` moves to the next one, which is the first.
            cycle: cycles.len() - 1,
            cycles,
            step: 0,
            written: 0,
            replies_left: 0,
            begun: Instant::now(),
            buffer: Vec::new(),
            cycle_bytes: 0,
            idle: false,
        })
    }

    fn begin_cycle(&mut self) -> Result<()> {
        self.cycle = (self.cycle + 1) % self.cycles.len();
        self.cycle_bytes = 0;
        self.begun = Instant::now();
        self.begin_step(0)
    }

    fn begin_step(&mut self, step: usize) -> Result<()> {
        self.step = step;
        self.written = 0;
        let packet = &mut self.cycles[self.cycle][step];
        packet.renumber(NEXT_NUMBER.fetch_add(1, Ordering::Relaxed));
        self.replies_left = packet.replies;
        self.write()
    }

    /// Writes as much of the packet as the socket takes. The rest follows when it is writable
    /// again.
    fn write(&mut self) -> Result<()> {
        let packet = &self.cycles[self.cycle][self.step].bytes;
        while self.written < packet.len() {
            match self.stream.write(&packet[self.written..]) {
                Ok(0) => bail!("the server no longer accepts data"),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("sending to the server"),
            }
        }
        Ok(())
    }

    /// Returns whether more may be readable. The poll reports a socket once, so it must be read
    /// until it is empty. A read that does not fill the chunk has emptied it. The poll reports
    /// later data.
    fn read(&mut self, chunk: &mut [u8]) -> Result<bool> {
        loop {
            match self.stream.read(chunk) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return Ok(count == chunk.len());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("reading from the server"),
            }
        }
    }

    /// Takes complete replies. After the last reply of a step it sends the next step. Returns the
    /// length of all replies when the cycle is complete. Fails on an error reply, because refusing
    /// is faster than the measured work.
    fn take_cycle(&mut self) -> Result<Option<u64>> {
        let mut position = 0;
        while self.replies_left > 0 {
            let rest = &self.buffer[position..];
            let Some(length) =
                reply_length(rest).map_err(|reason| anyhow!("not a reply: {reason}"))?
            else {
                break;
            };
            if rest[0] == b'-' {
                bail!("the server answered {}", rest[..length].escape_ascii());
            }
            position += length;
            self.replies_left -= 1;
        }
        self.buffer.drain(..position);
        self.cycle_bytes += position as u64;
        if self.idle || self.replies_left > 0 {
            return Ok(None);
        }
        ensure!(
            self.buffer.is_empty(),
            "the server sent an unexpected reply"
        );
        if self.step + 1 < self.cycles[self.cycle].len() {
            self.begin_step(self.step + 1)?;
            return Ok(None);
        }
        Ok(Some(self.cycle_bytes))
    }
}
