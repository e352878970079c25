//! DURABLE.ONCE under faults, with clients in Python that retry: each increment is executed once.
//!
//! Twenty clients with redis-py increment one counter, while the replica freezes, its link is cut,
//! the primary freezes, and the primary is killed and the replica promoted. The clients send an
//! increment again until they get a reply. The same run without DURABLE.ONCE counts too much, which
//! shows that the run has what DURABLE.ONCE is for.

use testkit::{eventually, eventually_some};

use clients::{Clients, Reports};
use python::python;
use servers::{Fault, Pair};

mod clients;
#[path = "../python/mod.rs"]
mod python;
mod servers;

/// How a run ended, by the clients and by the servers.
#[derive(Debug)]
struct Outcome {
    reports: Reports,
    /// The counter: the increments that were executed and that no promotion has lost.
    counter: u64,
    /// All keys other than the counter.
    records: u64,
}

impl Outcome {
    /// The increments in the counter whose reply no client got. Each reply is the counter after an
    /// increment. A promotion may lose plain increments that clients have a reply to, so counting
    /// the replies does not do: two of them may be the same.
    fn executed_in_vain(&self) -> u64 {
        self.counter.saturating_sub(self.reports.distinct)
    }
}

/// Lets the clients make about `increments` increments in all, during `rounds` of each fault.
/// Returns `None` if there is no Python for it.
fn run(command: &[&str], increments: u64, rounds: u64) -> Option<Outcome> {
    let Some(python) = python() else {
        eprintln!("no python3 with redis-py, and none can be made: nothing tested");
        return None;
    };
    let mut pair = Pair::start();
    let clients = Clients::start(&python, pair.ports(), command);
    let faults = (0..rounds).flat_map(|_| Fault::ALL);
    let between = increments / (rounds * Fault::ALL.len() as u64 + 1);
    for (number, fault) in (1..).zip(faults) {
        clients.wait_for_replies(number * between);
        pair.inject(fault, &clients);
    }
    clients.wait_for_replies(increments);

    // The clients stop during a last fault, so that some of them never get a reply.
    let reports = pair.stop_while_frozen(clients);
    // A server notices a closed connection after it has executed what had arrived on it.
    eventually("the connections of the clients to be gone", || {
        let list: String = pair.primary().run(&["CLIENT", "LIST", "TYPE", "normal"]);
        list.lines().count() == 1
    });
    pair.wait_until_in_step();
    let (counter, keys) = eventually_some("the replica to have the same counter and keys", || {
        let of_primary = Pair::contents(pair.primary());
        let of_replica = Pair::contents(pair.replica());
        (of_primary == of_replica).then_some(of_primary)
    });
    let outcome = Outcome {
        reports,
        counter,
        records: keys - 1,
    };
    println!("{command:?}: {outcome:?}");
    Some(outcome)
}

#[test]
fn clients_that_retry_through_faults_increment_once_with_durable_once() {
    let command = [
        "DURABLE.ONCE",
        "{id}",
        "TIMEOUT",
        "{timeout}",
        "INCR",
        "counter",
    ];
    let Some(outcome) = run(&command, 100_000, 4) else {
        return;
    };
    let Reports {
        reported,
        unreported,
        distinct,
    } = outcome.reports;
    assert!(reported >= 100_000, "{outcome:?}");
    assert!(outcome.counter >= reported, "{outcome:?}");
    assert!(outcome.counter <= reported + unreported, "{outcome:?}");
    assert_eq!(distinct, reported, "two ids got the same reply");
    assert_eq!(outcome.records, outcome.counter, "one record per increment");
}

#[test]
fn the_same_faults_make_retries_of_plain_incr_count_too_much() {
    if let Some(outcome) = run(&["INCR", "counter"], 5_000, 1) {
        let in_vain = outcome.executed_in_vain();
        assert!(in_vain > outcome.reports.unreported, "{outcome:?}");
    }
}

#[test]
fn the_same_faults_make_retries_of_durable_incr_count_too_much() {
    let command = ["DURABLE.INCR", "counter", "TIMEOUT", "{timeout}"];
    if let Some(outcome) = run(&command, 5_000, 1) {
        let sent = outcome.reports.reported + outcome.reports.unreported;
        assert!(outcome.counter > sent, "{outcome:?}");
    }
}
