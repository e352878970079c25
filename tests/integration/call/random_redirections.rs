//! Random arguments for DURABLE.CALL in a cluster, the same in every run: a call is redirected
//! exactly when the plain command is, whatever words are at the positions of keys.

use testkit::{Cluster, RawConn, Server};

use crate::support::{family, random_command, say, Chance};

/// Commands outside the family with keys in many different places. Not XREAD and PFMERGE: in some
/// of their shorter forms Redis 8.6 finds other keys than those it gives a module.
const OTHERS: &[&str] = &[
    "ZUNIONSTORE",
    "ZINTER",
    "ZDIFFSTORE k 2",
    "SINTERCARD",
    "LMPOP 1",
    "ZMPOP 2",
    "XGROUP CREATE",
    "XINFO STREAM",
    "OBJECT ENCODING",
    "MEMORY USAGE",
    "BITOP AND",
    "SORT",
    "SORT k STORE",
    "GEORADIUS",
    "COPY",
    "MGET",
    "EXISTS",
    "BLPOP",
    "DBSIZE",
    "NOSUCH",
    "TIMEOUT",
];

/// Spellings of the words before the inner command.
const CALLS: &[&str] = &[
    "DURABLE.CALL REPLICAS 0",
    "durable.call replicas 0 timeout 5 fsync 0",
    "DURABLE.CALL timeout 0 REPLICAS 0",
];

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

fn heads(server: &Server) -> Vec<Vec<Vec<u8>>> {
    let family = family(server);
    let family = family.iter().map(|sample| words(sample.name));
    family
        .chain(OTHERS.iter().map(|line| words(line)))
        .collect()
}

/// The redirection or cluster error in a reply. `None` if this node took the command.
fn redirection(reply: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(reply).into_owned();
    let codes = [
        "-MOVED ",
        "-ASK ",
        "-CROSSSLOT ",
        "-TRYAGAIN ",
        "-CLUSTERDOWN ",
    ];
    codes
        .iter()
        .any(|code| text.starts_with(code))
        .then_some(text)
}

fn answer(conn: &mut RawConn, words: &[Vec<u8>]) -> Vec<u8> {
    conn.send(words);
    conn.read_reply_bytes()
}

fn queued(conn: &mut RawConn, words: &[Vec<u8>]) -> Vec<u8> {
    assert_eq!(say(conn, "MULTI"), "+OK\r\n");
    let reply = answer(conn, words);
    assert_eq!(say(conn, "DISCARD"), "+OK\r\n");
    reply
}

/// Sends each random command to a node, plain and through DURABLE.CALL, and compares the
/// redirections.
fn compare(
    cluster: &Cluster,
    node: usize,
    seed: u64,
    send: fn(&mut RawConn, &[Vec<u8>]) -> Vec<u8>,
) {
    let heads = heads(&cluster.nodes[node]);
    let mut chance = Chance::new(seed);
    let mut conn = cluster.nodes[node].raw();
    let mut redirected = 0;
    for number in 0..1500 {
        let inner = random_command(&mut chance, &heads);
        let call = CALLS[chance.below(CALLS.len())];
        let durable = [words(call), inner.clone()].concat();
        let redirected_to = redirection(&send(&mut conn, &durable));
        let expected = redirection(&send(&mut conn, &inner));
        let shown = || {
            let words: Vec<String> = durable
                .iter()
                .map(|w| w.escape_ascii().to_string())
                .collect();
            format!(
                "vector {number} of seed {seed} at node {node}: {}",
                words.join(" ")
            )
        };
        assert_eq!(redirected_to, expected, "{}", shown());
        redirected += u32::from(redirected_to.is_some());
    }
    assert!(
        (200..1300).contains(&redirected),
        "{redirected} of 1500 commands were redirected"
    );
}

fn cluster() -> Cluster {
    Cluster::start(2, 1)
}

#[test]
fn a_call_is_redirected_where_the_plain_command_is() {
    compare(&cluster(), 0, 11, answer);
}

#[test]
fn a_call_in_a_transaction_is_redirected_where_the_plain_command_is() {
    let cluster = cluster();
    compare(&cluster, 1, 12, queued);
    // A replica of the other primary.
    compare(&cluster, 2, 13, queued);
}

#[test]
fn calls_from_scripts_are_answered_and_end_nothing() {
    let cluster = cluster();
    let heads = heads(&cluster.nodes[0]);
    let mut chance = Chance::new(14);
    let mut conn = cluster.nodes[0].raw();
    for number in 0..1500 {
        let call = CALLS[chance.below(CALLS.len())];
        let durable = [words(call), random_command(&mut chance, &heads)].concat();
        let script = [
            words("EVAL"),
            vec![b"return redis.pcall(unpack(ARGV))".to_vec()],
            words("0"),
        ];
        answer(&mut conn, &[script.concat(), durable].concat());
        if number % 100 == 0 {
            let waited = say(&mut conn, "DURABLE.WAIT");
            assert!(waited.starts_with(":"), "{waited}");
        }
    }
    assert!(cluster.nodes.iter().all(|node| node.is_alive()));
}
