//! The network between the hosts. This program forwards each packet, so it can drop and delay.
//!
//! One thread for each host reads what the host sends, and writes it to the interface of the
//! destination. A link has a direction, so cuts can be one-way. Needs nothing of the kernel but
//! TUN interfaces: netem is missing in many kernels.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use rand::{rngs::StdRng, RngExt, SeedableRng};

use crate::host::Host;

/// The largest packet, with room.
const PACKET: usize = 20_000;
/// A thread looks so often, in milliseconds, whether the network is gone.
const PATIENCE: u16 = 200;

/// What happens to packets from one host to another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Link {
    pub is_cut: bool,
    /// Of 100 packets, so many are lost.
    pub loss_percent: u32,
    pub delay: Duration,
}

/// All links. Hosts have numbers, in the order of their addition.
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    numbers: RwLock<HashMap<Ipv4Addr, usize>>,
    hosts: RwLock<Vec<Arc<Host>>>,
    /// Only links that differ from the default.
    links: RwLock<HashMap<(usize, usize), Link>>,
    delayed: Mutex<Delayed>,
    woken: Condvar,
    is_gone: AtomicBool,
}

#[derive(Default)]
struct Delayed {
    next: u64,
    packets: BinaryHeap<Reverse<Packet>>,
}

/// The order is by the time of delivery, then as sent.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    at: Instant,
    number: u64,
    from: usize,
    to: usize,
    bytes: Vec<u8>,
}

impl Network {
    pub fn new() -> Result<Network> {
        let shared = Arc::new(Shared {
            numbers: RwLock::default(),
            hosts: RwLock::default(),
            links: RwLock::default(),
            delayed: Mutex::default(),
            woken: Condvar::new(),
            is_gone: AtomicBool::new(false),
        });
        let delivering = Arc::clone(&shared);
        thread::Builder::new()
            .name("delayed packets".into())
            .spawn(move || delivering.deliver_delayed())
            .context("starting a thread")?;
        Ok(Network { shared })
    }

    /// Connects a host. Returns its number.
    pub fn add(&mut self, host: Arc<Host>) -> Result<usize> {
        let number = {
            let mut hosts = write(&self.shared.hosts);
            hosts.push(Arc::clone(&host));
            hosts.len() - 1
        };
        write(&self.shared.numbers).insert(host.address, number);
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name(format!("packets of {}", host.address))
            .spawn(move || shared.forward(number, &host))
            .context("starting a thread")?;
        Ok(number)
    }

    /// Changes the link in one direction.
    pub fn change(&self, from: usize, to: usize, change: impl FnOnce(&mut Link)) {
        let mut links = write(&self.shared.links);
        change(links.entry((from, to)).or_default());
    }

    /// Makes all links whole.
    pub fn heal(&self) {
        write(&self.shared.links).clear();
    }

    /// Drops what `from` has sent and is still on its way, as when a machine loses power.
    pub fn drop_in_flight(&self, from: usize) {
        lock(&self.shared.delayed)
            .packets
            .retain(|packet| packet.0.from != from);
    }
}

/// The threads end, and with them the hosts and their interfaces.
impl Drop for Network {
    fn drop(&mut self) {
        self.shared.is_gone.store(true, Ordering::Relaxed);
        self.shared.woken.notify_all();
        write(&self.shared.hosts).clear();
    }
}

impl Shared {
    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// Forwards what a host sends, until the network is gone.
    fn forward(&self, from: usize, host: &Host) {
        let mut buffer = vec![0; PACKET];
        let mut random = StdRng::seed_from_u64(from as u64);
        while !self.is_gone() {
            let mut waiting = [PollFd::new(host.device.as_fd(), PollFlags::POLLIN)];
            if !matches!(poll(&mut waiting, PollTimeout::from(PATIENCE)), Ok(ready) if ready > 0) {
                continue;
            }
            let Ok(length) = host.device.recv(&mut buffer) else {
                thread::sleep(Duration::from_millis(1));
                continue;
            };
            let Some(bytes) = buffer.get(..length) else {
                continue;
            };
            let Some(to) = destination(bytes).and_then(|at| read(&self.numbers).get(&at).copied())
            else {
                continue;
            };
            let link = read(&self.links)
                .get(&(from, to))
                .copied()
                .unwrap_or_default();
            if link.is_cut || random.random_range(0..100) < link.loss_percent {
                continue;
            }
            if link.delay.is_zero() {
                self.deliver(to, bytes);
            } else {
                self.delay(from, to, bytes, link.delay);
            }
        }
    }

    fn delay(&self, from: usize, to: usize, bytes: &[u8], delay: Duration) {
        let mut delayed = lock(&self.delayed);
        delayed.next = delayed.next.wrapping_add(1);
        let number = delayed.next;
        delayed.packets.push(Reverse(Packet {
            at: Instant::now() + delay,
            number,
            from,
            to,
            bytes: bytes.to_vec(),
        }));
        self.woken.notify_one();
    }

    /// Delivers delayed packets when their time has come, until the network is gone. A link
    /// that was cut in the meantime drops them.
    fn deliver_delayed(&self) {
        let mut delayed = lock(&self.delayed);
        while !self.is_gone() {
            let now = Instant::now();
            let Some(first) = delayed.packets.peek() else {
                delayed = self
                    .woken
                    .wait(delayed)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if first.0.at > now {
                let pause = first.0.at - now;
                let outcome = self.woken.wait_timeout(delayed, pause);
                delayed = outcome.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let Some(Reverse(packet)) = delayed.packets.pop() else {
                continue;
            };
            drop(delayed);
            let link = read(&self.links).get(&(packet.from, packet.to)).copied();
            if !link.unwrap_or_default().is_cut {
                self.deliver(packet.to, &packet.bytes);
            }
            delayed = lock(&self.delayed);
        }
    }

    /// A host whose queue is full loses packets, as in any network.
    fn deliver(&self, to: usize, bytes: &[u8]) {
        if let Some(host) = read(&self.hosts).get(to) {
            let _ = host.device.send(bytes);
        }
    }
}

/// The destination in the head of an IPv4 packet (RFC 791). `None` for other packets.
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let is_ipv4 = packet.first()? >> 4 == 4;
    let address: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    is_ipv4.then(|| Ipv4Addr::from(address))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_is_read_from_ipv4_packets_only() {
        let mut packet = [0; 40];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&[10, 0, 0, 7]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 0, 0, 7)));
        packet[0] = 0x60;
        assert_eq!(destination(&packet), None);
        assert_eq!(destination(&packet[..10]), None);
        assert_eq!(destination(&[]), None);
    }
}
