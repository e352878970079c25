//! How an acknowledged plain write is lost in a failover, and what a durable one says instead.
//!
//! The network between the primary and its replicas fails, and then the primary. A frozen replica
//! would not show it: its kernel goes on receiving, and the process finds the write there when it
//! goes on, even after the primary's death. What the network swallows is gone for good.

use anyhow::Result;
use testkit::{Cut, Replicated, Server};

use crate::screen::Screen;
use crate::session::Session;

/// The fields in the order they are to be dropped: the replicas first, then what they connect to.
struct Group {
    servers: Replicated,
    network: Cut,
}

pub fn show(screen: &Screen) -> Result<()> {
    screen.heading("4. What a failover loses")?;
    let group = screen.waiting(
        "Starting another group, over a network that can fail",
        || {
            let group = Group::start();
            Session::open(screen, &group.servers.primary).wait_for_stream(2)?;
            anyhow::Ok(group)
        },
    )?;
    let Replicated { primary, replicas } = &group.servers;
    screen.explain(&format!(
        "Another primary at {} with two replicas. One write while all is well,\n\
         and two after the network between them has failed, which nobody has noticed yet.",
        primary.addr()
    ))?;
    let mut client = Session::open(screen, primary);
    client.run("DURABLE.SET payment:1 100 REPLICAS 2", "OK")?;
    group.network.freeze();
    screen.event("the proxy that stands for the network to the replicas passes nothing on")?;
    client.run("SET payment:2 100", "OK")?;
    client.run(
        "DURABLE.SET payment:3 100 REPLICAS 2 TIMEOUT 500",
        "(error) UNACKED 0 of 2 replicas acknowledged within 500 ms; \
         applied on the primary, may still reach the replicas",
    )?;

    screen.explain("Now the primary dies, and a replica takes its place.")?;
    drop(client);
    primary.kill();
    screen.event(&format!("kill -9 the primary at {}", primary.addr()))?;
    let mut client = Session::open(screen, &replicas[0]);
    client.run("REPLICAOF NO ONE", "OK")?;
    client.run("GET payment:1", "\"100\"")?;
    client.run("GET payment:2", "(nil)")?;
    client.run("GET payment:3", "(nil)")?;
    screen.explain(
        "payment:1 was answered OK by DURABLE.SET, and is there.\n\
         payment:2 was answered OK by SET, and is lost: its client will never know.\n\
         payment:3 is not there either, but nobody was told that it is safe: its client got UNACKED.",
    )?;
    Ok(())
}

impl Group {
    fn start() -> Group {
        let primary = Server::builder().name("primary").start();
        let network = Cut::to(&primary);
        let replicas = (0..2)
            .map(|number| {
                Server::builder()
                    .name(&format!("replica {number}"))
                    .config("replicaof", &format!("127.0.0.1 {}", network.port()))
                    .start()
            })
            .collect();
        let servers = Replicated { replicas, primary };
        servers.wait_until_in_step(2);
        Group { servers, network }
    }
}
