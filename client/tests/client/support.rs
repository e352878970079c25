//! What the tests share: keys that their values name, and traffic that checks every answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

use redis_durable_client::{Client, Command, Error, Session};
use testkit::{Cluster, Server};

/// A client that is told of one node only.
pub fn client_of(server: &Server) -> Client {
    Client::open([format!("redis://{}", server.addr())]).expect("a client")
}

/// Keys all over the slots, the same ones in each run.
pub fn keys(count: usize) -> Vec<String> {
    let mut random = fastrand_like(7);
    (0..count).map(|_| format!("key:{:x}", random())).collect()
}

/// `count` keys that belong to the slots of `owner`.
pub fn keys_of(cluster: &Cluster, owner: &Server, count: usize) -> Vec<String> {
    let client = client_of(owner);
    client.session().prefill_all().expect("a map");
    let port = format!(":{}", owner.port());
    let own = |key: &String| {
        client
            .node_of(key)
            .is_some_and(|node| node.to_string().ends_with(&port))
    };
    assert!(cluster
        .primaries()
        .iter()
        .any(|node| node.port() == owner.port()));
    keys(count * 10)
        .into_iter()
        .filter(own)
        .take(count)
        .collect()
}

/// Sets each key to its own name.
#[track_caller]
pub fn set_to_themselves(session: &mut Session, keys: &[String]) {
    for (key, result) in keys
        .iter()
        .zip(session.set_many(keys.iter().map(|key| (key, key))))
    {
        result.unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}

/// Every key has its own name as its value, with anything after a `#`.
#[track_caller]
pub fn assert_own_values(session: &mut Session, keys: &[String]) {
    for (key, result) in keys.iter().zip(session.get_many(keys)) {
        let value = result.unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_own(key, value.as_deref());
    }
}

#[track_caller]
pub fn assert_own(key: &str, value: Option<&[u8]>) {
    let value = value.map(String::from_utf8_lossy);
    let name = value.as_deref().and_then(|value| value.split('#').next());
    assert_eq!(name, Some(key), "the value of {key}");
}

/// Reads and writes from one thread until it is told to stop.
pub struct Traffic {
    stop: AtomicBool,
    rounds: AtomicU64,
}

impl Traffic {
    pub fn new() -> Traffic {
        Traffic {
            stop: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
        }
    }

    /// Each value read has to be the key's own. A write may end with an unknown outcome, but with no other error.
    pub fn start<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        client: Client,
        keys: &'s [String],
    ) -> ScopedJoinHandle<'s, ()> {
        scope.spawn(move || {
            let _end = EndOnPanic(self);
            let mut session = client.session();
            while !self.stop.load(Ordering::Relaxed) {
                let round = self.rounds.load(Ordering::Relaxed);
                for chunk in keys.chunks(50) {
                    assert_own_values(&mut session, chunk);
                    let set = |key: &String| Command::set(key, format!("{key}#{round}"));
                    let sets: Vec<Command> = chunk.iter().map(set).collect();
                    for result in session.batch(&sets) {
                        match result {
                            Ok(_) | Err(Error::OutcomeUnknown { .. }) => {}
                            Err(error) => panic!("a write ended with: {error}"),
                        }
                    }
                }
                self.rounds.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// So many times all keys were read and written.
    pub fn rounds(&self) -> u64 {
        assert!(!self.stop.load(Ordering::Relaxed), "the traffic has ended");
        self.rounds.load(Ordering::Relaxed)
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// So that whoever waits for more traffic does not wait in vain.
struct EndOnPanic<'t>(&'t Traffic);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A small generator of its own: the tests need no randomness, only spread.
fn fastrand_like(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 16
    }
}
