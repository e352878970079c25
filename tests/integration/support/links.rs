//! Replication links as the module shows them: DURABLE.REPLICAS and NOREPLICAS.

use std::collections::HashMap;

use testkit::Server;

/// The NOREPLICAS error, with `connected` links that count and `others` that do not.
pub fn refusal(connected: u32, required: u32, others: u32) -> String {
    let others = match others {
        0 => String::new(),
        _ => format!(", {others} more links do not count (see DURABLE.REPLICAS)"),
    };
    format!(
        "-NOREPLICAS {connected} of {required} required replicas are connected{others}; \
         nothing was executed\r\n"
    )
}

/// For each link of DURABLE.REPLICAS, in its order: whether it counts (1 or 0), and why not.
#[track_caller]
pub fn verdicts(server: &Server) -> Vec<(u64, String)> {
    let links: Vec<HashMap<String, String>> = server.run(&["DURABLE.REPLICAS"]);
    let verdict = |link: &HashMap<String, String>| {
        let counts = link["counts"].parse().expect("counts is not a number");
        (counts, link["reason"].clone())
    };
    links.iter().map(verdict).collect()
}

/// `fsynced-offset` of each link of DURABLE.REPLICAS, in its order. -1 is unknown.
#[track_caller]
pub fn fsynced_offsets(primary: &Server) -> Vec<i64> {
    let links: Vec<HashMap<String, String>> = primary.run(&["DURABLE.REPLICAS"]);
    let fsynced = |link: &HashMap<String, String>| {
        link["fsynced-offset"]
            .parse()
            .expect("fsynced-offset is not a number")
    };
    links.iter().map(fsynced).collect()
}
