//! A machine of the lab: a network namespace with one address.
//!
//! The network namespace belongs to a thread, and a child process gets that of the thread which
//! starts it. So work for a host is done on a short-lived thread that has entered the namespace.

use std::fs::File;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;

use anyhow::{anyhow, Context, Result};
use nix::sched::{setns, unshare, CloneFlags};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::sandbox::run;

/// Larger than Ethernet's: fewer packets for this program to forward.
const MTU: u16 = 16_000;
/// The longest pause of TCP before it sends lost data again, in milliseconds. The default of two
/// minutes would delay each round after a cut. Kernels before 6.15 do not have this setting.
const RETRANSMISSION: &str = "1000";

pub struct Host {
    pub address: Ipv4Addr,
    namespace: File,
    /// Its network interface: what the host sends is read here.
    pub device: Arc<SyncDevice>,
}

impl Host {
    /// A new machine.
    pub fn new(address: Ipv4Addr) -> Result<Host> {
        on_thread(move || {
            unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")?;
            Self::here(address)
        })
    }

    /// This program's own namespace, for the clients.
    pub fn own(address: Ipv4Addr) -> Result<Host> {
        on_thread(move || Self::here(address))
    }

    fn here(address: Ipv4Addr) -> Result<Host> {
        run("ip", &["link", "set", "lo", "up"])?;
        // Without it a closed connection to a cut host is retried for minutes.
        let _ = std::fs::write("/proc/sys/net/ipv4/tcp_rto_max_ms", RETRANSMISSION);
        let device = DeviceBuilder::new()
            // Unique: the interface of an earlier system disappears a little later than the system.
            .name(format!("lab{}", address.octets()[2]))
            .ipv4(address, 24, None)
            .mtu(MTU)
            .build_sync()
            .context("making a network interface with /dev/net/tun")?;
        let namespace = File::open("/proc/thread-self/ns/net").context("opening the namespace")?;
        Ok(Host {
            address,
            namespace,
            device: Arc::new(device),
        })
    }

    /// Does `work` inside this host's network: what it starts is on this host.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_thread(|| {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET).context("entering a namespace")?;
            work()
        })
    }
}

fn on_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let outcome = scope.spawn(work).join();
        outcome.map_err(|_| anyhow!("a thread of the lab panicked"))?
    })
}
