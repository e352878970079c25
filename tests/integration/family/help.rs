//! DURABLE.HELP has the form of the server's own HELP, and names every command and option.

use std::collections::BTreeSet;

use testkit::Server;

use crate::support::say;

#[test]
fn help_is_lines_as_the_servers_own_help_prints_them() {
    let server = Server::builder().start();
    for protocol in [2, 3] {
        let mut conn = server.raw();
        if protocol == 3 {
            conn.hello3();
        }
        let own = say(&mut conn, "XINFO HELP");
        let ours = say(&mut conn, "DURABLE.HELP");
        for text in [&own, &ours] {
            assert!(text.starts_with('*'), "{text}");
            assert!(
                text.lines().skip(1).all(|line| line.starts_with('+')),
                "{text}"
            );
        }
        // It names every command and every option.
        let names: BTreeSet<String> =
            server.run(&["COMMAND", "LIST", "FILTERBY", "MODULE", "durable"]);
        for name in names.iter().filter(|name| name.starts_with("durable.")) {
            let name = name.trim_start_matches("durable.").to_uppercase();
            let mut words = ours.split(|byte: char| !byte.is_ascii_alphanumeric());
            assert!(
                words.any(|word| word == name),
                "DURABLE.HELP does not name {name}: {ours}"
            );
        }
        for word in [
            "REPLICAS",
            "MAJORITY",
            "ALL",
            "FSYNC",
            "TIMEOUT",
            "NOREPLICAS",
            "UNACKED",
            "OVERLOADED",
        ] {
            assert!(
                ours.contains(word),
                "DURABLE.HELP does not name {word}: {ours}"
            );
        }
    }
    let wrong = "-ERR wrong number of arguments for 'durable.help' command\r\n";
    assert_eq!(say(&mut server.raw(), "durable.help x"), wrong);
}
