//! A client that writes to a shard all the time, and remembers what was acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis::{Client, Connection, RedisResult};
use testkit::{eventually, Server};

use super::group::Group;

/// The client. It sets a key of its own for each number, and increments one counter.
pub struct Writer {
    tag: String,
    shared: Arc<Shared>,
    thread: JoinHandle<Vec<u64>>,
}

#[derive(Default)]
struct Shared {
    ends: AtomicBool,
    acknowledged: AtomicUsize,
}

impl Writer {
    /// Starts to write to the primary of the shard, whoever that is.
    pub fn start(group: &Group) -> Writer {
        let tag = group.key();
        let members = group.shard().map(Server::addr);
        let shared = Arc::new(Shared::default());
        let thread = {
            let (tag, shared) = (tag.clone(), Arc::clone(&shared));
            thread::spawn(move || write(&tag, &members, &shared))
        };
        Writer {
            tag,
            shared,
            thread,
        }
    }

    /// Waits until some more writes are acknowledged.
    #[track_caller]
    pub fn wait_for_more(&self) {
        let acknowledged = || self.shared.acknowledged.load(Ordering::Relaxed);
        let before = acknowledged();
        eventually("more writes to be acknowledged", || {
            acknowledged() >= before + 20
        });
    }

    /// Ends it, and checks that this server has everything that was acknowledged.
    #[track_caller]
    pub fn check(self, primary: &Server) {
        self.shared.ends.store(true, Ordering::Relaxed);
        let acknowledged = self.thread.join().expect("the writer's thread");
        for number in &acknowledged {
            let value: Option<u64> = primary.run(&["GET", &key(&self.tag, *number)]);
            assert_eq!(value, Some(*number));
        }
        let count: usize = primary.run(&["GET", &counter(&self.tag)]);
        assert!(count >= acknowledged.len(), "{count}");
    }
}

fn key(tag: &str, number: u64) -> String {
    format!("{{{tag}}}:{number}")
}

fn counter(tag: &str) -> String {
    format!("{{{tag}}}:count")
}

/// Returns the numbers for which both commands were acknowledged.
fn write(tag: &str, members: &[String], shared: &Shared) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    let mut members = members.iter().cycle();
    let mut connection = None;
    for number in 0.. {
        if shared.ends.load(Ordering::Relaxed) {
            break;
        }
        if connection.is_none() {
            let member = members.next().map_or("", String::as_str);
            connection = connect(member).ok();
        }
        let written = connection
            .as_mut()
            .is_some_and(|connection| write_one(connection, tag, number).is_ok());
        if written {
            acknowledged.push(number);
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        } else {
            connection = None;
        }
        // Leaves the processor to the servers.
        thread::sleep(Duration::from_millis(2));
    }
    acknowledged
}

fn connect(address: &str) -> RedisResult<Connection> {
    let client = Client::open(format!("redis://{address}/"))?;
    client.get_connection_with_timeout(Duration::from_secs(20))
}

fn write_one(connection: &mut Connection, tag: &str, number: u64) -> RedisResult<()> {
    let set = redis::cmd("DURABLE.SET")
        .arg(key(tag, number))
        .arg(number)
        .to_owned();
    set.query::<()>(connection)?;
    redis::cmd("DURABLE.INCR")
        .arg(counter(tag))
        .query::<()>(connection)
}
