//! Two nodes that both accept writes for a slot, as on the two sides of a partition: a fence does
//! not go to the node that has not executed the write before it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use redis_durable_client::{Client, Command, Error};

/// Which node has executed what.
type Journal = Arc<Mutex<Vec<(&'static str, Vec<String>)>>>;

/// A server that gives these answers, or none. Returns its port.
fn server(answer: impl Fn(&[String]) -> Option<String> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(words) = read_command(&mut reader) {
                    let reply = answer(&words).unwrap_or_default();
                    if stream.write_all(reply.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

fn read_command(reader: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let count = read_number(reader)?;
    let words = (0..count).map(|_| {
        let mut word = vec![0; read_number(reader)? + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        String::from_utf8(word).ok()
    });
    words.collect()
}

/// The number in a line such as `$3`.
fn read_number(reader: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.get(1..)?.trim().parse().ok()
}

/// A map in which `primary` has all slots and `replica` is its replica.
fn map(primary: u16, replica: u16) -> String {
    let node = |port, name| format!("*3\r\n$9\r\n127.0.0.1\r\n:{port}\r\n$1\r\n{name}\r\n");
    let shard = format!("*4\r\n{}*1\r\n", &node(primary, "a")[4..]);
    let slots = "*1\r\n*3\r\n:0\r\n:16383\r\n:0\r\n";
    format!("*3\r\n:1\r\n*1\r\n{shard}{}{slots}", node(replica, "b"))
}

fn note(journal: &Journal, who: &'static str, words: &[String]) {
    journal.lock().unwrap().push((who, words.to_vec()));
}

#[test]
fn a_fence_is_not_answered_by_another_node_than_the_write_before_it_in_the_batch() {
    let journal = Journal::default();
    let noted = journal.clone();
    let replica = server(move |words| {
        note(&noted, "replica", words);
        Some(match words[0].as_str() {
            "DURABLE.WAIT" => ":1\r\n".into(),
            _ => "+OK\r\n".into(),
        })
    });
    let own = Arc::new(OnceLock::new());
    let (noted, port) = (journal.clone(), own.clone());
    let primary = server(move |words| {
        note(&noted, "primary", words);
        match words[0].as_str() {
            "SLOTHINT.MAP" => Some(map(*port.get()?, replica)),
            "GET" => None,
            "DURABLE.WAIT" => Some(":1\r\n".into()),
            _ => Some("+OK\r\n".into()),
        }
    });
    own.set(primary).unwrap();
    let client = Client::builder([format!("redis://127.0.0.1:{primary}")])
        .unwrap()
        .response_timeout(Some(Duration::from_millis(200)))
        .retry_for(Duration::ZERO)
        .build();
    let mut session = client.session();
    session.prefill_all().unwrap();
    session.run(&Command::set("k", "0")).unwrap();
    // Another session finds that the primary is silent.
    client.session().run(&Command::get("k")).unwrap_err();
    let fence = Command::new("DURABLE.WAIT").routed_by("k");
    let mut results = session.batch(&[Command::set("k", "1"), fence]);
    let fence = results.pop().unwrap();
    assert!(results[0].is_ok(), "{results:?}");

    let journal = journal.lock().unwrap();
    let places = |what: &[&str]| -> Vec<&str> {
        let those = journal.iter().filter(|(_, words)| words == what);
        those.map(|(who, _)| *who).collect()
    };
    let writes = places(&["SET", "k", "1"]);
    assert_eq!(writes.len(), 1, "{journal:?}");
    match fence {
        Ok(_) => assert_eq!(places(&["DURABLE.WAIT"]), writes, "{journal:?}"),
        Err(error) => assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}"),
    }
}
