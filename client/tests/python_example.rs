//! The examples in Python: the cache, `examples/python/slothint_cache.py`, on a real cluster, the
//! retry loop of `docs/once.md`, and the parser of `docs/clients.md`.

use std::path::Path;
use std::process::{Command, Output};

use testkit::{eventually, Cluster, Replicated, Server};

use python::python;

mod python;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/python/slothint_cache.py"
);

/// The modes of redis-py: bytes and text.
const MODES: [&[&str]; 2] = [&[], &["--decode-responses"]];

fn run(python: &Path, node: &Server, mode: &[&str]) -> Output {
    let port = node.port().to_string();
    let script = Command::new(python)
        .args([SCRIPT, "127.0.0.1", &port])
        .args(mode)
        .output();
    script.expect("python starts")
}

/// The redirections with `SLOTHINT` first, and with `MOVED` alone.
#[track_caller]
fn redirections(output: &Output) -> (u32, u32) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let count = line.and_then(|rest| rest.split(' ').next()?.parse().ok());
        count.unwrap_or_else(|| panic!("no count of {name:?} in {text:?}"))
    };
    (count("SLOTHINT first: "), count("MOVED alone: "))
}

#[test]
fn a_cache_in_python_needs_no_redirection_after_a_hint_and_follows_moved_and_ask() {
    let Some(python) = python() else {
        eprintln!("no python3 with redis-py, and none can be made: nothing tested");
        return;
    };
    for endpoint in ["ip", "unknown-endpoint"] {
        let cluster = Cluster::builder(3, 0)
            .node(move |_, builder| builder.config("cluster-preferred-endpoint-type", endpoint))
            .start();
        for mode in MODES {
            let (hinted, moved) = redirections(&run(&python, &cluster.nodes[0], mode));
            assert_eq!(hinted, 0);
            assert!(
                moved > 500,
                "two thirds of the slots are not at the first node"
            );
        }

        // A slot that is being moved: commands of keys that are not at its node yet go to the
        // other.
        let flush = || {
            for node in &cluster.nodes {
                node.run::<()>(&["FLUSHALL"]);
            }
        };
        flush();
        let slot = cluster.slot_of("key:7");
        let from = cluster.owner_of_slot(slot);
        let to = cluster.nodes.iter().find(|node| node.port() != from.port());
        let to = to.expect("another node");
        cluster.begin_to_move(slot, from, to);
        for mode in MODES {
            flush();
            let (hinted, _) = redirections(&run(&python, &cluster.nodes[0], mode));
            assert!(
                hinted >= 2,
                "SET and GET of key:7 are each redirected by ASK"
            );
        }
        let value: String = {
            let mut conn = to.conn();
            let mut pipe = redis::pipe();
            pipe.cmd("ASKING").ignore().cmd("GET").arg("key:7");
            let (value,): (String,) = pipe.query(&mut conn).expect("the key at its new node");
            value
        };
        assert_eq!(value, "key:7");
    }
}

/// The function as the page has it, in both protocols. redis-py reads the reply as it reads CLUSTER
/// SLOTS.
#[test]
fn the_parser_of_redis_py_reads_the_rows_of_slothint_slots() {
    let Some(python) = python() else {
        eprintln!("no python3 with redis-py, and none can be made: nothing tested");
        return;
    };
    let page = include_str!("../../docs/clients.md");
    let (_, section) = page
        .split_once("## The slot map as CLUSTER SLOTS\n")
        .expect("the section");
    let (_, code) = section.split_once("```python\n").expect("an example");
    let (code, _) = code.split_once("```").expect("an end of the example");
    for endpoint in ["ip", "hostname", "unknown-endpoint"] {
        let cluster = Cluster::builder(3, 1)
            .node(move |_, builder| {
                builder
                    .module_args(&["slothint-max-age-ms", "0"])
                    .config("cluster-announce-hostname", "localhost")
                    .config("cluster-preferred-endpoint-type", endpoint)
            })
            .start();
        let port = cluster.nodes[4].port();
        // bar is in slot 5061, foo in 12182.
        let use_it = format!(
            "import redis\n\
             for protocol in (2, 3):\n\
             \x20   client = redis.Redis('127.0.0.1', {port}, protocol=protocol)\n\
             \x20   slots = client.execute_command('CLUSTER SLOTS')\n\
             \x20   slots = parse_cluster_slots(slots, current_host='127.0.0.1')\n\
             \x20   assert owners(client, '127.0.0.1') == slots\n\
             \x20   of = lambda slot: next(slots[row] for row in slots if row[0] <= slot <= row[1])\n\
             \x20   expected = {{(slot, slot): of(slot) for slot in (5061, 12182)}}\n\
             \x20   assert owners(client, '127.0.0.1', 'foo', 'bar', 'foo') == expected\n\
             \x20   print(len(slots), len(expected))\n"
        );
        let output = Command::new(&python)
            .args(["-c", &format!("{code}\n{use_it}")])
            .output()
            .expect("python starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "3 2\n3 2\n",
            "{endpoint}: {errors}"
        );
    }
}

/// The loop as the page has it, and two increments. The first one is given up by the server until
/// the replica comes back.
#[test]
fn the_retry_loop_of_the_page_about_once_increments_once() {
    let Some(python) = python() else {
        eprintln!("no python3 with redis-py, and none can be made: nothing tested");
        return;
    };
    let page = include_str!("../../docs/once.md");
    let (_, code) = page.split_once("```python\n").expect("an example");
    let (code, _) = code.split_once("```").expect("an end of the example");
    let group = Replicated::builder()
        .replicas(1)
        .primary(|builder| builder.module_args(&["timeout-ms", "50"]))
        .start();
    let use_it = format!(
        "client = redis.Redis('127.0.0.1', {})\nprint(once(client, 'INCR', 'n'))\n\
         print(once(client, 'INCR', 'n'))\nclient.set('text', 'x')\n\
         try:\n    once(client, 'INCR', 'text')\nexcept redis.ResponseError as error:\n    print(error)\n",
        group.primary.port()
    );
    group.replicas[0].pause();
    let program = Command::new(python)
        .args(["-c", &format!("{code}\n{use_it}")])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python starts");
    eventually("the increment to be sent again", || {
        group
            .primary
            .info_number("durable", "durable_once_repeated_total")
            > 1
    });
    group.replicas[0].resume();
    let output = program.wait_with_output().expect("python ends");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "1\n2\nvalue is not an integer or out of range\n"
    );
    let n: i64 = group.primary.run(&["GET", "n"]);
    assert_eq!(n, 2);
}
