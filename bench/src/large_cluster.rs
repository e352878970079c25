//! One real node with the configuration of a cluster of a thousand shards.
//!
//! The other nodes exist only as lines in its nodes.conf. All of them share one cluster bus port on
//! loopback. A socket of this program listens there: the kernel accepts connections, and nothing is
//! ever sent.
//!
//! Without the socket, the node would try to connect to all other nodes ten times a second, and
//! that work would be measured too. With a long node timeout, the node takes the silence for a slow
//! network.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{ensure, Context, Result};
use socket2::{Domain, Socket, Type};
use testkit::Server;

pub const SHARDS: usize = 1000;
const SLOTS: usize = 16384;
/// The nodes that do not exist have client ports from here on: the node of shard 1 has this port
/// plus 1. Clients are given these ports, but nothing connects to them.
const FIRST_PORT: usize = 20001;
/// In milliseconds. Longer than any run, so the node marks no other node as failed.
const NODE_TIMEOUT_MS: &str = "86400000";

pub struct Node {
    // Dropped before the socket. Otherwise it would lose a thousand links and log that.
    pub server: Server,
    _silent: Socket,
}

pub fn start() -> Result<Node> {
    let (silent, bus) = silent_port().context("a port for nodes that do not exist")?;
    let server = Server::builder()
        .name("one of a thousand shards")
        .cluster(true)
        .config("cluster-node-timeout", NODE_TIMEOUT_MS)
        .start();
    let own_bus = server
        .bus_port()
        .context("a node in cluster mode has a bus port")?;
    server.shutdown();
    let text = nodes_conf(server.port(), own_bus, bus);
    fs::write(server.dir().join("nodes.conf"), text).context("writing nodes.conf")?;
    server.restart();
    let slots: Vec<testkit::redis::Value> = server.run(&["CLUSTER", "SLOTS"]);
    ensure!(
        slots.len() == SHARDS,
        "the node knows {} shards",
        slots.len()
    );
    Ok(Node {
        server,
        _silent: silent,
    })
}

/// A listening socket whose queue has room for all connections. They are never taken from it.
fn silent_port() -> Result<(Socket, u16)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into())?;
    socket.listen(2 * SHARDS as i32)?;
    let address = socket.local_addr()?;
    let address = address
        .as_socket_ipv4()
        .context("an IPv4 socket has an IPv4 address")?;
    Ok((socket, address.port()))
}

/// The nodes.conf that a member of that cluster would write. Each shard has one range of slots.
fn nodes_conf(own_port: u16, own_bus: u16, bus: u16) -> String {
    let mut text = String::new();
    for shard in 0..SHARDS {
        let (first, last) = (shard * SLOTS / SHARDS, (shard + 1) * SLOTS / SHARDS - 1);
        let (port, bus, flags) = if shard == 0 {
            (usize::from(own_port), own_bus, "myself,master")
        } else {
            (FIRST_PORT + shard, bus, "master")
        };
        let epoch = shard + 1;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:040x} 127.0.0.1:{port}@{bus} {flags} - 0 0 {epoch} connected {first}-{last}",
            // Different for each shard, and spread like real node ids, which are random.
            (shard as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        );
    }
    let _ = writeln!(text, "vars currentEpoch {SHARDS} lastVoteEpoch 0");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_slot_has_one_owner_and_every_node_its_own_id() -> Result<()> {
        let text = nodes_conf(7000, 17000, 30000);
        let mut next = 0;
        let mut ids = HashSet::new();
        for line in text.lines().take(SHARDS) {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[0].len(), 40);
            assert!(ids.insert(words[0]));
            let (first, last) = words[8].split_once('-').context("a range")?;
            assert_eq!(first.parse::<usize>()?, next);
            next = last.parse::<usize>()? + 1;
        }
        assert_eq!((next, ids.len()), (SLOTS, SHARDS));
        Ok(())
    }
}
