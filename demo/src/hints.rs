//! Slot hints: one reply gives the nodes of a batch of keys, instead of a MOVED for each wrong
//! guess.

use std::collections::BTreeSet;

use anyhow::{ensure, Context, Result};
use testkit::redis::Value;
use testkit::Cluster;

use crate::screen::Screen;
use crate::session::Session;

/// Spread over all three nodes. Two keys share a slot through their hash tag.
const KEYS: [&str; 5] = [
    "user:1",
    "order:1",
    "cart:1",
    "{user:7}:cart",
    "{user:7}:name",
];

/// Host (`None`: the address of this connection), port, node id, replicas.
type Node = (Option<String>, u16, String, Vec<Value>);

struct Hint {
    nodes: Vec<Node>,
    /// Slot and index into `nodes`, in the order of the keys.
    keys: Vec<(u16, usize)>,
}

pub fn show(screen: &Screen) -> Result<()> {
    screen.heading("5. Slot hints")?;
    let cluster = screen.with_spinner("Forming a cluster of three primaries", || {
        Cluster::start(3, 0)
    });
    screen.explain(
        "A cluster of three primaries. One command to any node returns the owners of all these keys,\n\
         whatever their slots.",
    )?;
    let asked = &cluster.nodes[0];
    let mut session = Session::open(screen, asked);
    let hint = ask(&mut session)?;
    hint.check(&cluster)?;
    hint.explain(screen)?;

    // A key that the connected node does not own.
    let elsewhere = (0..KEYS.len()).find(|&key| hint.port_of(key) != asked.port());
    let elsewhere = elsewhere.context("no key is on another node than the first")?;
    let (key, slot, address) = (
        KEYS[elsewhere],
        hint.keys[elsewhere].0,
        hint.address_of(elsewhere),
    );
    screen.explain(
        "Without the hint, a client asks a wrong node and learns the owner of one key at a time:",
    )?;
    let moved = format!("(error) MOVED {slot} {address}");
    session.run(&format!("SET {key} x"), &moved)?;
    screen.explain("With it, every key goes to its own node at once:")?;
    for (number, key) in KEYS.iter().enumerate() {
        let node = cluster.node_by_port(hint.port_of(number));
        Session::open(screen, node).run(&format!("SET {key} x"), "OK")?;
    }
    Ok(())
}

fn ask(session: &mut Session) -> Result<Hint> {
    let command = format!("SLOTHINT {}", KEYS.join(" "));
    let (token, nodes, keys): (i64, Vec<Node>, Vec<(u16, i64)>) = session.ask(&command)?;
    ensure!(token > 0, "the token is {token}, but must be positive");
    ensure!(
        keys.len() == KEYS.len(),
        "SLOTHINT gave {} hints for {} keys",
        keys.len(),
        KEYS.len()
    );
    let index_of = |(key, (slot, index)): (&&str, (u16, i64))| {
        let index = usize::try_from(index).ok();
        let index = index.filter(|&index| index < nodes.len());
        index
            .map(|index| (slot, index))
            .with_context(|| format!("the hint for {key} does not point to a node of the reply"))
    };
    let keys = KEYS.iter().zip(keys).map(index_of).collect::<Result<_>>()?;
    Ok(Hint { nodes, keys })
}

impl Hint {
    /// Compares the hint with the cluster's own commands.
    fn check(&self, cluster: &Cluster) -> Result<()> {
        for (number, key) in KEYS.iter().enumerate() {
            let (slot, owner) = (cluster.slot_of(key), cluster.owner_of_key(key));
            ensure!(
                self.keys[number].0 == slot,
                "the hint says slot {} for {key}, but CLUSTER KEYSLOT says {slot}",
                self.keys[number].0
            );
            let (_, port, id, replicas) = &self.nodes[self.keys[number].1];
            ensure!(
                *port == owner.port() && id == cluster.id_of(owner) && replicas.is_empty(),
                "the hint names {id} at port {port} for {key}, but CLUSTER SLOTS names {} at port {}",
                cluster.id_of(owner),
                owner.port()
            );
        }
        let owners: BTreeSet<usize> = self.keys.iter().map(|(_, index)| *index).collect();
        ensure!(
            owners.len() == self.nodes.len(),
            "the reply has {} nodes, but the hints use {} of them",
            self.nodes.len(),
            owners.len()
        );
        Ok(())
    }

    /// Prints the legend for the reply above.
    fn explain(&self, screen: &Screen) -> Result<()> {
        screen.explain("How to read this reply:")?;
        screen.legend("1)", "token: changes when the slot map changes")?;
        screen.legend(
            "2)",
            "nodes: the owners of these keys, each once, by node id",
        )?;
        screen.legend("2) n) 1)", "host; nil = the address you are connected to")?;
        screen.legend("2) n) 2)", "port")?;
        screen.legend("2) n) 3)", "node id")?;
        screen.legend("2) n) 4)", "its replicas, each with host, port, node id")?;
        screen.legend(
            "3)",
            "hints, in the order of the keys: slot, and index into 2), counted from 0",
        )?;
        for (number, key) in KEYS.iter().enumerate() {
            let (slot, index) = self.keys[number];
            let place = format!("3) {})", number + 1);
            let address = self.address_of(number);
            screen.legend(
                &place,
                &format!("{key:<13} → slot {slot:>5} → node {index} → {address}"),
            )?;
        }
        Ok(())
    }

    fn port_of(&self, key: usize) -> u16 {
        self.nodes[self.keys[key].1].1
    }

    fn address_of(&self, key: usize) -> String {
        let (host, port, ..) = &self.nodes[self.keys[key].1];
        format!("{}:{port}", host.as_deref().unwrap_or("127.0.0.1"))
    }
}
