//! `--once` and `--json`.

use std::fs;
use std::thread;

use testkit::{eventually, eventually_some, FakeReplica, Replicated, Server, Tls};

use crate::program::{argument, json, look, parse, run};

/// Two replicas of which the second is frozen and behind, and a tool that announces no port.
fn with_a_frozen_replica_and_a_tool() -> (Replicated, FakeReplica) {
    let servers = Replicated::builder().replicas(2).start();
    let tool = FakeReplica::builder()
        .without_listening_port()
        .start(&servers.primary);
    servers.replicas[1].pause();
    servers
        .primary
        .run::<()>(&["DURABLE.SET", "key", &"x".repeat(5000)]);
    (servers, tool)
}

#[test]
fn json_has_each_link_with_its_lag_and_why_it_does_not_count() {
    let (servers, _tool) = with_a_frozen_replica_and_a_tool();
    let seen = json(&servers.primary);
    assert_eq!(seen["connected"], true);
    assert_eq!(seen["role"], "primary");
    assert_eq!(seen["info"]["durable_acked_total"], 1);
    let links = seen["links"].as_array().expect("links are an array");
    assert_eq!(links.len(), 3, "{seen}");
    let link = |port: u16| {
        let found = links.iter().find(|link| link["port"] == port);
        found.unwrap_or_else(|| panic!("no link with port {port} in {seen}"))
    };
    let alive = link(servers.replicas[0].port());
    assert_eq!(
        (&alive["counts"], &alive["lag_bytes"]),
        (&true.into(), &0.into())
    );
    let frozen = link(servers.replicas[1].port());
    assert_eq!(frozen["counts"], true);
    assert!(frozen["lag_bytes"].as_i64() >= Some(5000), "{frozen}");
    let tool = link(0);
    assert_eq!(tool["counts"], false);
    assert_eq!(tool["reason"], "no listening port");
}

#[test]
fn text_has_the_same() {
    let (servers, _tool) = with_a_frozen_replica_and_a_tool();
    let text = look(&servers.primary, &["--once"]);
    let line = |start: &str| {
        let found = text.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line {start:?} in\n{text}"))
    };
    assert!(
        line("requirement").ends_with("met: 1 required, 2 count"),
        "{text}"
    );
    assert!(
        line("total").contains(" 1 acknowledged, 0 given up,"),
        "{text}"
    );
    assert!(line("replicas").ends_with("3 links, 2 count"), "{text}");
    assert!(
        line("127.0.0.1:0 ").ends_with("no listening port"),
        "{text}"
    );
    let frozen = line(&servers.replicas[1].addr());
    assert!(
        frozen.contains(" yes ") && frozen.contains(" kB "),
        "{text}"
    );
}

#[test]
fn a_requirement_that_is_not_met_is_told() {
    let server = Server::builder().start();
    let text = look(&server, &["--once"]);
    assert!(text.contains("NOT MET: 1 required, 0 count"), "{text}");
}

#[test]
fn a_replica_names_its_primary() {
    let servers = Replicated::start(1);
    let text = look(&servers.replicas[0], &["--once"]);
    let wanted = format!(
        "this is a replica of {}, its link is up",
        servers.primary.addr()
    );
    assert!(text.contains(&wanted), "{text}");
    assert_eq!(json(&servers.replicas[0])["role"], "replica");
}

#[test]
fn a_server_without_the_module_says_so_and_gets_no_unknown_command() {
    let server = Server::builder().module(false).start();
    let text = look(&server, &["--once"]);
    assert!(text.contains("redis-durable is not loaded"), "{text}");
    // The redis crate itself sends commands that old servers do not know, so not through it.
    let stats = server.raw().call_text(&["INFO", "stats"]);
    assert!(stats.contains("total_error_replies:0\r\n"), "{stats}");
}

#[test]
fn a_sentinel_says_that_it_is_one() {
    let server = Server::builder()
        .module(false)
        .inside(&["bash", "-c", r#"exec "$0" "$1" --sentinel"#])
        .config("sentinel", "monitor mymaster 127.0.0.1 6379 1")
        .start();
    let text = look(&server, &["--once"]);
    assert!(text.contains("this is a Sentinel"), "{text}");
    assert!(!text.contains("not loaded"), "{text}");
    assert_eq!(json(&server)["mode"], "sentinel");
}

#[test]
fn a_server_that_is_loading_says_how_far_it_is() {
    let server = Server::builder()
        // Microseconds for each key, and a look at clients after each kilobyte.
        .config("key-load-delay", "20000")
        .config("loading-process-events-interval-bytes", "1024")
        .start();
    server.run::<()>(&["DEBUG", "POPULATE", "1000"]);
    server.run::<()>(&["SAVE"]);
    // SIGTERM would not save again, and nothing else is lost.
    thread::scope(|scope| {
        let restart = scope.spawn(|| server.restart());
        let port = server.port().to_string();
        let loading = eventually_some("a look while the server loads", || {
            let printed = run(&["-p", &port, "--once", "--json"], None);
            let seen = (printed.code == Some(0)).then(|| parse(&printed.out))?;
            (!seen["loading"].is_null()).then_some(seen)
        });
        assert!(loading["loading"]["percent"].is_number(), "{loading}");
        // The rest of the load need not be waited for.
        server.run::<()>(&["CONFIG", "SET", "key-load-delay", "0"]);
        restart.join().expect("the server starts again");
    });
    assert!(json(&server)["loading"].is_null());
}

#[test]
fn tls_and_a_password_are_given_as_to_redis_cli() {
    let tls = Tls::for_servers(1);
    let _server = tls
        .configure(0, Server::builder().config("requirepass", "secret"))
        .start();
    let files = tempfile::tempdir().expect("a directory for the certificate");
    let authority = files.path().join("ca.pem");
    fs::write(&authority, tls.certificate().pem()).expect("the certificate is written");
    let port = tls.port(0).to_string();
    let start = ["-h", "localhost", "-p", &port, "--once", "--json", "--tls"];
    let trusting = [&start[..], &["--cacert", argument(&authority)]].concat();

    let seen = run(&trusting, Some("secret"));
    assert_eq!(seen.code, Some(0), "{}", seen.err);
    assert_eq!(parse(&seen.out)["connected"], true);
    let with_a = run(&[&trusting[..], &["-a", "secret"]].concat(), Some("other"));
    assert_eq!(with_a.code, Some(0), "{}", with_a.err);

    let wrong = run(&trusting, Some("wrong"));
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("WRONGPASS"), "{}", wrong.err);
    assert!(!wrong.err.contains("wrong"), "{}", wrong.err);

    let distrusting = run(&start, Some("secret"));
    assert_eq!(distrusting.code, Some(1));
    assert!(
        distrusting.err.to_lowercase().contains("certificate"),
        "{}",
        distrusting.err
    );
    let careless = run(&[&start[..], &["--insecure"]].concat(), Some("secret"));
    assert_eq!(careless.code, Some(0), "{}", careless.err);

    let url = format!("rediss://:secret@localhost:{port}");
    let by_url = run(
        &["--url", &url, "--cacert", argument(&authority), "--once"],
        None,
    );
    assert_eq!(by_url.code, Some(0), "{}", by_url.err);
    assert!(
        by_url.out.contains(&format!("localhost:{port}")),
        "{}",
        by_url.out
    );
    assert!(!by_url.out.contains("secret"), "{}", by_url.out);
}

#[test]
fn a_server_that_is_away_is_an_error_with_its_address() {
    let server = Server::builder().start();
    server.kill();
    let port = server.port().to_string();
    let text = run(&["-p", &port, "--once"], None);
    assert_eq!((text.code, text.out.as_str()), (Some(1), ""));
    assert!(text.err.contains(&server.addr()), "{}", text.err);
    let line = run(&["-p", &port, "--once", "--json"], None);
    assert_eq!(line.code, Some(1));
    assert_eq!(parse(&line.out)["connected"], false);
    let metrics = run(&["-p", &port, "--prometheus"], None);
    assert_eq!(metrics.code, Some(1));
    let wanted = format!("durable_up{{server=\"{}\"}} 0\n", server.addr());
    assert!(metrics.out.ends_with(&wanted), "{}", metrics.out);
}

#[test]
fn every_number_of_info_is_a_metric_with_help() {
    let server = Server::builder().start();
    let metrics = look(&server, &["--prometheus"]);
    let numbers = server
        .info("durable")
        .into_iter()
        .filter(|(_, value)| value.parse::<i64>().is_ok());
    for (name, _) in numbers {
        // A hash, which makes no curve.
        if name != "durable_slothint_token" {
            let value = format!("\n{name}{{server=\"{}\"}} ", server.addr());
            assert!(metrics.contains(&value), "no {name} in\n{metrics}");
            let help = format!("# HELP {name} ");
            assert!(
                metrics.contains(&help),
                "{name} has no help in top/src/prometheus.rs"
            );
        }
    }
}

#[test]
fn without_a_terminal_the_screen_is_refused_with_what_works() {
    let refused = run(&[], None);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("--once, --json or --prometheus"),
        "{}",
        refused.err
    );
}

#[test]
fn a_module_that_is_loaded_later_is_seen_over_the_same_connection() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let server = Server::builder().module(false).start();
    let mut program = Command::new(crate::program::PROGRAM)
        .args([
            "-p",
            &server.port().to_string(),
            "--json",
            "--interval",
            "0.1",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(program.stdout.take().expect("a pipe")).lines();
    let mut next = move || parse(&lines.next().expect("it goes on").expect("it prints text"));
    assert!(next()["words"].get("durable_version").is_none());
    let module = testkit::module_path();
    server.run::<()>(&["MODULE", "LOAD", argument(module)]);
    eventually("links of the module that was loaded", || {
        next()["links"].is_array()
    });
    // With the reader gone it ends by itself.
    drop(next);
    eventually("the program to end without a reader", || {
        program.try_wait().expect("its state").is_some()
    });
}
