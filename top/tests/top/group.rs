//! The failover group, on a server that only plays one: the command `DURABLE.FAILOVER` has the
//! shape that `STATUS` answers with, whatever is in it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use testkit::reply_length;

use crate::program::{parse, run};

/// What the played server answers to a word of a command, in RESP3. The first match counts.
const ANSWERS: [(&str, &str); 7] = [
    ("HELLO", "%1\r\n$5\r\nproto\r\n:3\r\n"),
    ("server", "$21\r\nredis_version:8.0.6\r\n\r\n"),
    ("replication", "$13\r\nrole:master\r\n\r\n"),
    ("$7\r\ndurable\r\n", "$23\r\ndurable_version:0.1.0\r\n\r\n"),
    // COMMAND INFO: of each command its name, and nil for one that does not exist.
    (
        "COMMAND",
        "*2\r\n*1\r\n$16\r\ndurable.replicas\r\n*1\r\n$16\r\ndurable.failover\r\n",
    ),
    ("durable.replicas", "*0\r\n"),
    (
        "STATUS",
        "%3\r\n$5\r\nstate\r\n$6\r\nclosed\r\n$4\r\nterm\r\n:17\r\n$7\r\nmembers\r\n*1\r\n\
         %2\r\n$2\r\nid\r\n$4\r\n3f2a\r\n$5\r\nnovel\r\n#t\r\n",
    ),
];

#[test]
fn its_status_is_shown_with_fields_that_are_not_known() {
    let port = play().to_string();
    let text = run(&["-p", &port, "--once"], None);
    assert_eq!(text.code, Some(0), "{}", text.err);
    let wanted =
        "failover group\nstate        closed\nterm         17\n\nid    novel\n3f2a  true\n";
    assert!(text.out.ends_with(wanted), "{}", text.out);

    let json = parse(&run(&["-p", &port, "--once", "--json"], None).out);
    let wanted = serde_json::json!({
        "state": "closed", "term": 17, "members": [{"id": "3f2a", "novel": true}],
    });
    assert_eq!(json["failover"], wanted);
}

/// Starts the played server and returns its port.
fn play() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("the port has a number").port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // The program closes the connection when it ends.
            thread::spawn(move || answer(connection));
        }
    });
    port
}

fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    let mut unread = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let length = connection.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&bytes[..length]);
        // A command has the form of a reply.
        while let Some(end) = reply_length(&unread).expect("it sends commands") {
            let command: Vec<u8> = unread.drain(..end).collect();
            let command = String::from_utf8_lossy(&command);
            let known = ANSWERS.iter().find(|(word, _)| command.contains(word));
            let reply = known.map_or("$0\r\n\r\n", |(_, reply)| reply);
            connection.write_all(reply.as_bytes())?;
        }
    }
}
