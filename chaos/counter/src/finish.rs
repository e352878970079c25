//! Reads the counters at the end, and clears them away.

use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{cmd, Value};
use uuid::Uuid;

use crate::caller::Caller;
use crate::failure::Failure;
use crate::increments::Increments;
use crate::options::Form;
use crate::system::System;

const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// The counters, as soon as their primaries answer. One that is gone counts as 0.
pub fn read(
    system: &System,
    increments: &Increments,
    settle: Duration,
) -> Result<Vec<i64>, String> {
    let mut caller = Caller::new(system);
    let begun = Instant::now();
    let mut values = Vec::new();
    while values.len() < increments.keys().len() {
        let counter = values.len();
        match read_one(&mut caller, increments, counter) {
            Ok(value) => values.push(value),
            Err(failure) if begun.elapsed() >= settle => return Err(failure.text().to_string()),
            Err(_) => sleep(BETWEEN_TRIES),
        }
    }
    Ok(values)
}

fn read_one(
    caller: &mut Caller<'_>,
    increments: &Increments,
    counter: usize,
) -> Result<i64, Failure> {
    // An id of its own each time: the answer to an earlier try may be an older value.
    let value = caller.call(counter, &increments.read(counter, &Uuid::new_v4()))?;
    if increments.form() == Form::Plain {
        // A replica may accept INCRBY (`replica-read-only no`). The module's commands it refuses.
        let role: Result<Vec<Value>, _> = caller.call(counter, &cmd("ROLE"));
        let replica = Value::BulkString(b"slave".to_vec());
        if role.is_ok_and(|role| role.first() == Some(&replica)) {
            caller.forget(counter);
            return Err(Failure::Refused("this is a replica".into()));
        }
    }
    Ok(value)
}

/// Removes the counters, or keeps them for a day. Whether it succeeded does not matter: they have
/// an expiry from their creation.
pub fn clear(system: &System, increments: &Increments, keep: bool) {
    let mut caller = Caller::new(system);
    for counter in 0..increments.keys().len() {
        let command = match keep {
            true => increments.expire(counter),
            false => increments.remove(counter),
        };
        let _: Result<i64, _> = caller.call(counter, &command);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use testkit::{Replicated, ReservedPort, Server};

    use super::*;
    use crate::door::Door;
    use crate::options::Options;

    /// A test that asks these servers in this order.
    fn prepared(servers: [&Server; 2], more: &[&str]) -> (System, Increments) {
        let addresses = servers.map(Server::addr);
        let words = ["durable-counter-test", &addresses[0], &addresses[1]];
        let options = Options::try_parse_from(words.iter().chain(more)).unwrap();
        let (door, sentinels) = Door::both(&options).unwrap();
        let system = System::new(&options, door, sentinels);
        (system, Increments::new(&options))
    }

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn a_former_primary_that_still_answers_is_not_believed() {
        let (former, current) = (Replicated::start(1), Replicated::start(1));
        let servers = [&former.primary, &current.primary];
        let tests = ["once", "durable"]
            .map(|form| prepared(servers, &["--replicas", "1", "--command", form]));
        for (_, increments) in &tests {
            for (server, value) in [(&former.primary, "5"), (&current.primary, "9")] {
                let key = &increments.keys()[0];
                server.run::<()>(&["DURABLE.SET", key, value, "REPLICAS", "1"]);
            }
        }
        // It is cut off and has not noticed yet, so it still answers a read.
        former.replicas[0].pause();
        for (_, increments) in &tests {
            let read = ["DURABLE.GET", &increments.keys()[0], "REPLICAS", "1"];
            assert_eq!(former.primary.run::<i64>(&read), 5);
        }
        for (system, increments) in &tests {
            assert_eq!(read(system, increments, LIMIT), Ok(vec![9]));
        }
    }

    #[test]
    fn a_replica_that_accepts_writes_is_not_believed() {
        let servers = Replicated::start(1);
        let replica = &servers.replicas[0];
        replica.run::<()>(&["CONFIG", "SET", "replica-read-only", "no"]);
        // The link stays down, so the replica keeps a value of its own.
        let nowhere = ReservedPort::any().number().to_string();
        replica.run::<()>(&["REPLICAOF", "127.0.0.1", &nowhere]);
        let (system, increments) = prepared([replica, &servers.primary], &["--command", "plain"]);
        replica.run::<()>(&["SET", &increments.keys()[0], "5"]);
        servers
            .primary
            .run::<()>(&["SET", &increments.keys()[0], "9"]);
        assert_eq!(read(&system, &increments, LIMIT), Ok(vec![9]));
    }
}
