//! COMMAND DOCS, which clients show to their users: the arguments of the plain command, then the
//! requirement options of commands that take them.

use testkit::redis::Value;
use testkit::Server;

use crate::support::family;

/// A field of a map. In RESP2 a map is an array of names and values: `[name, value, name, value]`.
fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Array(parts) = map else {
        panic!("{map:?} instead of a map");
    };
    let mut pairs = parts.chunks(2);
    pairs
        .find(|pair| text(&pair[0]) == name)
        .map(|pair| &pair[1])
}

fn text(value: &Value) -> String {
    testkit::redis::from_redis_value_ref(value)
        .unwrap_or_else(|_| panic!("{value:?} instead of a text"))
}

fn elements(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(elements)) => elements,
        _ => &[],
    }
}

fn docs(server: &Server, name: &str) -> Value {
    let mut reply: Vec<Value> = server.run(&["COMMAND", "DOCS", name]);
    assert_eq!(reply.len(), 2, "{name}: {reply:?}");
    reply.remove(1)
}

/// An argument in one line, without the parts that only the server's own commands have: history and
/// display text.
fn shown(argument: &Value) -> String {
    let part = |name: &str| field(argument, name).map(text).unwrap_or_default();
    let mut flags: Vec<String> = elements(field(argument, "flags"))
        .iter()
        .map(text)
        .collect();
    flags.sort();
    let parts: Vec<String> = elements(field(argument, "arguments"))
        .iter()
        .map(shown)
        .collect();
    format!(
        "{} {} key={} token={} {flags:?} [{}]",
        part("name"),
        part("type"),
        field(argument, "key_spec_index")
            .map(|index| format!("{index:?}"))
            .unwrap_or_default(),
        part("token"),
        parts.join(", ")
    )
}

fn arguments(docs: &Value) -> Vec<String> {
    elements(field(docs, "arguments"))
        .iter()
        .map(shown)
        .collect()
}

const REQUIREMENT: [&str; 3] = [
    r#"replicas oneof key= token=REPLICAS ["optional"] [n integer key= token= [] [], majority pure-token key= token=MAJORITY [] [], all pure-token key= token=ALL [] []]"#,
    r#"n integer key= token=FSYNC ["optional"] []"#,
    r#"milliseconds integer key= token=TIMEOUT ["optional"] []"#,
];

#[test]
fn each_of_the_family_has_the_arguments_of_the_plain_command_and_the_options_where_it_takes_them() {
    let server = Server::builder().start();
    for sample in family(&server) {
        let mut expected = arguments(&docs(&server, sample.name));
        assert!(!expected.is_empty(), "{}", sample.name);
        if sample.takes_options {
            expected.extend(REQUIREMENT.map(str::to_owned));
        }
        let ours = arguments(&docs(&server, &format!("durable.{}", sample.name)));
        assert_eq!(ours, expected, "{}", sample.name);
    }
}

#[test]
fn a_call_and_a_fence_have_the_options_first() {
    let server = Server::builder().start();
    let expected = REQUIREMENT.map(str::to_owned);
    assert_eq!(arguments(&docs(&server, "durable.wait")), expected);
    let call = arguments(&docs(&server, "durable.call"));
    assert_eq!(call[..3], expected);
    assert_eq!(call[3], "command string key= token= [] []");
    assert_eq!(
        call[4],
        r#"arg string key= token= ["multiple", "optional"] []"#
    );
    assert_eq!(call.len(), 5);
    for name in ["durable.replicas", "durable.help"] {
        assert!(arguments(&docs(&server, name)).is_empty(), "{name}");
    }
}

#[test]
fn slot_hints_have_their_arguments() {
    let server = Server::builder().start();
    let keys = r#"key string key= token= ["multiple", "optional"] []"#;
    let one = "key string key= token= [] []";
    let timeout = "timeout-ms integer key= token= [] []";
    let token = "token integer key= token= [] []";
    for (name, expected) in [
        ("slothint", &[one, keys][..]),
        (
            "slothint.map",
            &[r#"token integer key= token= ["optional"] []"#],
        ),
        ("slothint.slots", &[keys]),
        ("slothint.watch", &[token, timeout]),
    ] {
        assert_eq!(arguments(&docs(&server, name)), expected, "{name}");
    }
}

#[test]
fn every_command_has_a_summary_and_a_complexity() {
    let server = Server::builder().start();
    let family = family(&server)
        .into_iter()
        .map(|sample| format!("durable.{}", sample.name.to_lowercase()));
    let others = [
        "durable.call",
        "durable.wait",
        "durable.replicas",
        "durable.help",
        "slothint",
        "slothint.map",
        "slothint.slots",
        "slothint.watch",
    ];
    for name in family.chain(others.map(str::to_owned)) {
        let docs = docs(&server, &name);
        for part in ["summary", "complexity", "since", "module"] {
            let text = field(&docs, part).map(text).unwrap_or_default();
            assert!(!text.is_empty(), "{name} has no {part}");
        }
        assert_eq!(field(&docs, "module").map(text).as_deref(), Some("durable"));
    }
}
