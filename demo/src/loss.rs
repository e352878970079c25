//! Shows that a failover loses a plain write that was answered OK, and what a durable write answers
//! instead.
//!
//! First the network between the primary and its replicas fails, then the primary dies. A frozen
//! replica would not lose the write. Its kernel goes on receiving, and the process reads the write
//! when it resumes, even after the primary's death. What a failed network drops is lost.

use anyhow::Result;
use testkit::{Cut, Replicated, Server};

use crate::screen::Screen;
use crate::session::Session;

/// Fields drop in this order: the servers first, then the network between them.
struct Group {
    servers: Replicated,
    network: Cut,
}

pub fn show(screen: &Screen) -> Result<()> {
    screen.heading("4. What a failover loses")?;
    let group = screen.with_spinner(
        "Starting another group, over a network that can fail",
        || {
            let group = Group::start();
            Session::open(screen, &group.servers.primary).wait_for_stream(2)?;
            anyhow::Ok(group)
        },
    )?;
    let Replicated { primary, replicas } = &group.servers;
    screen.explain(&format!(
        "Another primary at {} with two replicas. One write while the network works,\n\
         and two after it failed. No server has noticed the failure yet.",
        primary.addr()
    ))?;
    let mut client = Session::open(screen, primary);
    client.run("DURABLE.SET payment:1 100 REPLICAS 2", "OK")?;
    group.network.freeze();
    screen.event("the proxy that simulates the network to the replicas stops forwarding")?;
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
        "payment:1: DURABLE.SET answered OK, and the write is there.\n\
         payment:2: SET answered OK, and the write is lost. Its client does not know.\n\
         payment:3: the write is lost, but its client got UNACKED and knows that it is not safe.",
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
