//! The memory of one waiting client, against clients that are idle or blocked by the server itself.
//!
//! Each kind of client has a server of its own. Its memory is read when all clients have begun to
//! wait, and again when it does not fall any more: the server's cron makes the query buffer of a
//! client smaller after two seconds without a command, and its reply buffer after five.

use std::time::Duration;

use anyhow::Result;

use crate::crowd::{servers, Crowd};
use crate::observer::Memory;

/// Longer than the server takes to make the buffers of idle clients smaller.
const QUIET: Duration = Duration::from_secs(8);

struct Kind {
    name: &'static str,
    /// Has a reply at once.
    first: &'static [&'static str],
    /// Blocks the client.
    blocks: Option<&'static [&'static str]>,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "idle, after PING",
        first: &["PING"],
        blocks: None,
    },
    Kind {
        name: "BLPOP list 0",
        first: &["PING"],
        blocks: Some(&["BLPOP", "list", "0"]),
    },
    Kind {
        name: "SET, then WAIT 1 0",
        first: &["SET", "k", "v"],
        blocks: Some(&["WAIT", "1", "0"]),
    },
    Kind {
        name: "DURABLE.SET … TIMEOUT 0",
        first: &["PING"],
        blocks: Some(&["DURABLE.SET", "k", "v", "REPLICAS", "1", "TIMEOUT", "0"]),
    },
    Kind {
        name: "DURABLE.WAIT TIMEOUT 0",
        first: &["SET", "k", "v"],
        blocks: Some(&["DURABLE.WAIT", "REPLICAS", "1", "TIMEOUT", "0"]),
    },
];

/// Prints a table.
pub fn measure(clients: usize) -> Result<()> {
    let mut lines = Vec::new();
    let mut version = String::new();
    for kind in &KINDS {
        let servers = servers(clients, "10");
        let primary = &servers.primary;
        version = primary.version().to_string();
        let mut observer = crate::observer::Observer::of(primary);
        let base = observer.settled(Duration::from_secs(2));
        servers.replicas[0].pause();
        let mut crowd = Crowd::open(primary, clients);
        crowd.call(kind.first);
        if let Some(command) = kind.blocks {
            crowd.send(command);
            observer.wait_for("clients", "blocked_clients", clients);
        }
        let early = observer.memory();
        let late = observer.settled(QUIET);
        let each = |memory: Memory| {
            let each = |now: i64, before: i64| (now - before) / clients as i64;
            let (used, resident) = (
                each(memory.used, base.used),
                each(memory.resident, base.resident),
            );
            format!("{used:>13}{resident:>10}")
        };
        lines.push(format!("{:<26}{}{}", kind.name, each(early), each(late)));
        servers.replicas[0].resume();
        crowd.leave();
    }
    println!("{version}, bytes for each of {clients} clients\n");
    let (early, late) = ("just begun", "settled");
    println!("{:26}{early:>23}{late:>23}", "");
    let columns = format!("{:>13}{:>10}", "used_memory", "RSS");
    println!("{:26}{columns}{columns}", "");
    for line in lines {
        println!("{line}");
    }
    println!();
    Ok(())
}
