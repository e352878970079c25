//! How long a command is tried, and what does not count as trying.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use redis_durable_client::{Client, Command, Error};
use testkit::{eventually, Cluster, Server};

use crate::fake::Fake;
use crate::support::{assert_own_values, hang_up, keys, keys_of, set_to_themselves};

/// A client that does not request hints and tries for so long.
fn client(node: &Server, retry_for: Duration) -> Client {
    Client::builder([format!("redis://{}", node.addr())])
        .unwrap()
        .hint_batches(false)
        .retry_for(retry_for)
        .build()
}

#[test]
fn redirections_are_followed_without_any_time_for_retries() {
    let cluster = Cluster::start(2, 0);
    let client = client(&cluster.nodes[0], Duration::ZERO);
    let key = keys_of(&cluster, &cluster.nodes[1], 1).remove(0);
    client.session().run(&Command::set(&key, "v")).unwrap();
    assert_eq!(client.stats().moved, 1);
}

#[test]
fn the_time_begins_with_the_first_refusal_and_not_with_the_batch() {
    let cluster = Cluster::start(3, 0);
    let client = client(&cluster.nodes[0], Duration::from_millis(100));
    let own = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
    let other = keys_of(&cluster, &cluster.nodes[1], 1).remove(0);
    let mut session = client.session();
    session.run(&Command::set(&own, "v")).unwrap();
    // The redirection arrives after 300 ms, when the time would be over if the batch had begun it.
    let slow = Command::new("DEBUG")
        .arg("SLEEP")
        .arg("0.3")
        .routed_by(&own);
    for result in session.batch(&[slow, Command::set(&other, "v")]) {
        result.unwrap();
    }
    assert_eq!(client.stats().moved, 1);
    // The error of a connection that breaks also arrives that late.
    let slow = Command::new("DEBUG")
        .arg("SLEEP")
        .arg("0.3")
        .routed_by(&own);
    let results = session.batch(&[slow, hang_up(&other), Command::get(&other)]);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(client.stats().retries, 1);
}

#[test]
fn redirections_in_a_circle_end() {
    let cluster = Cluster::builder(2, 0)
        .node(|_, builder| builder.config("cluster-require-full-coverage", "no"))
        .start();
    let (one, other) = (&cluster.nodes[0], &cluster.nodes[1]);
    let key = keys_of(&cluster, one, 1).remove(0);
    let slot = cluster.slot_of(&key).to_string();
    // Each of the two believes that the other has the slot.
    one.run::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", cluster.id_of(other)]);
    let client = client(one, Duration::from_millis(200));
    let error = client.session().run(&Command::set(&key, "v")).unwrap_err();
    assert!(
        matches!(error, Error::GaveUp { sent: false, .. }),
        "{error}"
    );
    assert!(!error.may_have_been_executed());
}

#[test]
fn two_nodes_are_asked_for_a_hint_before_a_batch_and_not_longer_than_commands_are_tried() {
    // These nodes accept connections and never answer.
    let silent: Vec<TcpListener> = (0..8)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let url = |listener: &TcpListener| format!("redis://{}", listener.local_addr().unwrap());
    let client = Client::builder(silent.iter().map(url))
        .unwrap()
        .connect_timeout(Duration::from_millis(500))
        .retry_for(Duration::from_millis(50))
        .build();
    let commands = [Command::set("a", 1), Command::set("b", 2)];
    for result in client.session().batch(&commands) {
        let error = result.unwrap_err();
        assert!(
            matches!(error, Error::GaveUp { sent: false, .. }),
            "{error}"
        );
    }
    // One or two for the hint, the first attempt, and the next one, which may follow at once.
    let failures = client.stats().connection_failures;
    assert!(failures <= 4, "{failures} connections were tried");
}

#[test]
fn commands_behind_one_that_is_given_up_are_given_up_with_it() {
    let cluster = Cluster::start(3, 0);
    let key = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
    let client = client(&cluster.nodes[1], Duration::from_millis(100));
    let mut session = client.session();
    session.prefill_all().unwrap();
    cluster.nodes[0].kill();
    let sets = vec![Command::set(&key, "v"); 3000];
    for result in session.batch(&sets) {
        let error = result.unwrap_err();
        assert!(
            matches!(error, Error::GaveUp { sent: false, .. }),
            "{error}"
        );
    }
    let failures = client.stats().connection_failures;
    assert!(failures < 100, "{failures} connections were tried");
}

/// Forwards connections to a server. The first one is held back until every gate of the barrier has
/// one.
fn gate(server: &Server, all: Arc<Barrier>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, target) = (listener.local_addr().unwrap().port(), server.addr());
    thread::spawn(move || {
        let mut first = true;
        while let Ok((near, _)) = listener.accept() {
            if std::mem::take(&mut first) {
                all.wait();
            }
            let far = TcpStream::connect(&target).unwrap();
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far, near),
            ] {
                thread::spawn(move || io::copy(&mut from, &mut to));
            }
        }
    });
    port
}

#[test]
fn nodes_are_connected_to_at_the_same_time() {
    let cluster = Cluster::start(4, 0);
    let all = Arc::new(Barrier::new(3));
    let gates: Vec<(u16, u16)> = cluster.nodes[1..]
        .iter()
        .map(|node| (node.port(), gate(node, all.clone())))
        .collect();
    let through = move |host: &str, port: u16| {
        let gate = gates.iter().find(|gate| gate.0 == port);
        (host.to_string(), gate.map_or(port, |gate| gate.1))
    };
    let client = Client::builder([format!("redis://{}", cluster.nodes[0].addr())])
        .unwrap()
        .address_map(through)
        // Made one after the other they would wait for ever.
        .connect_timeout(Duration::from_secs(60))
        .build();
    let mut session = client.session();
    let keys = keys(100);
    set_to_themselves(&mut session, &keys);
    assert_own_values(&mut session, &keys);
    let stats = client.stats();
    assert_eq!((stats.connections, stats.connection_failures), (4, 0));
}

#[test]
fn an_idle_connection_to_a_paused_node_is_tried_out_within_the_connect_timeout() {
    let cluster = Cluster::start(2, 0);
    let key = keys_of(&cluster, &cluster.nodes[0], 1).remove(0);
    let client = Client::builder([format!("redis://{}", cluster.nodes[0].addr())])
        .unwrap()
        .check_idle(Duration::ZERO)
        .connect_timeout(Duration::from_millis(200))
        .response_timeout(None)
        .build();
    let mut session = client.session();
    session.run(&Command::set(&key, "v")).unwrap();
    cluster.nodes[0].pause();
    thread::scope(|scope| {
        let read = scope.spawn(|| session.run(&Command::get(&key)));
        eventually("the node to be given up", || {
            client.stats().connection_failures > 0
        });
        cluster.nodes[0].resume();
        read.join().expect("a result").unwrap();
    });
}

#[test]
fn one_slow_read_does_not_make_those_behind_it_fail() {
    let fake = Fake::start(|words, caller| match words[0].as_str() {
        // Neither this command nor those behind it on the connection get a reply.
        "SLOW" => caller.wait_until_gone(),
        // After the failure the client requests the map.
        "SLOTHINT.MAP" => caller.say("-ERR unknown command\r\n"),
        _ => caller.say(format!("${}\r\n{}\r\n", words[1].len(), words[1])),
    });
    let client = fake
        .client()
        .hint_batches(false)
        .response_timeout(Some(Duration::from_secs(1)))
        .retry_for(Duration::from_secs(4))
        .build();
    let keys = keys(50);
    let mut commands = vec![Command::new("SLOW").key("slow").repeatable()];
    commands.extend(keys.iter().map(Command::get));
    let mut results = client.session().batch(&commands).into_iter();
    let slow = results.next().unwrap().unwrap_err();
    assert!(matches!(slow, Error::GaveUp { .. }), "{slow}");
    for (key, result) in keys.iter().zip(results) {
        let value = result.unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(value, redis::Value::BulkString(key.clone().into_bytes()));
    }
}
