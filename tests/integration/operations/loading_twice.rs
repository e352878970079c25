//! A second load of the module, from a configuration file or at run time, is refused. The log says
//! why, and the first module continues.

use testkit::{module_path, Server};

use crate::support::{info, replicated, say, send, unload_and_load_again, wait_for_waiters};

const WHY: &str = "durable is not loaded a second time: a module of that name is already loaded";
const WAY_OUT: &str = "remove one of the two lines";

#[test]
fn a_second_load_at_run_time_is_refused_and_the_first_module_goes_on() {
    let group = replicated(1);
    let primary = &group.primary;
    let own = module_path().display().to_string();
    let directory = tempfile::tempdir().expect("cannot create a directory");
    // From another path the server loads another library, with variables of its own.
    let copy = directory.path().join("copy.so");
    std::fs::copy(module_path(), &copy).expect("cannot copy the module");
    let copy = copy.display().to_string();

    group.replicas[0].pause();
    let (mut waiting, mut watching) = (primary.raw(), primary.raw());
    send(&mut waiting, "DURABLE.INCR n");
    send(&mut watching, "DURABLE.WAIT TIMEOUT 600000");
    wait_for_waiters(primary, 2);
    let mut operator = primary.raw();
    let loads = [
        format!("MODULE LOAD {own}"),
        format!("MODULE LOAD {own} timeout-ms 1"),
        format!("MODULE LOADEX {own} CONFIG durable.timeout-ms 1 ARGS replicas 0"),
        format!("MODULE LOAD {copy}"),
        format!("MODULE LOADEX {copy} CONFIG durable.timeout-ms 1"),
        format!("MODULE LOAD {own}"),
    ];
    for (number, load) in (1..).zip(&loads) {
        let refused = say(&mut operator, load);
        assert!(refused.starts_with("-ERR "), "{load}: {refused}");
        let log = primary.log();
        let lines = log.lines().filter(|line| line.contains(WHY));
        let lines: Vec<&str> = lines.filter(|line| line.contains(WAY_OUT)).collect();
        assert_eq!(lines.len(), number, "{load}: {log}");
        assert_eq!(info(primary, "waiters"), 2, "{load}");
    }
    let settings: Vec<String> = primary.run(&["CONFIG", "GET", "durable.timeout-ms"]);
    assert_eq!(settings[1], "0");
    // The first module still times out and releases waits.
    let given_up = say(&mut operator, "DURABLE.SET k v TIMEOUT 20");
    assert!(given_up.starts_with("-UNACKED 0 of 1 "), "{given_up}");
    group.replicas[0].resume();
    assert_eq!(waiting.read_reply_bytes(), b":1\r\n");
    assert_eq!(watching.read_reply_bytes(), b":1\r\n");
    assert_eq!(say(&mut operator, "DURABLE.SET k v"), "+OK\r\n");
    unload_and_load_again(primary);
}

/// Sentinel runs CONFIG REWRITE at each failover. The server then writes a `loadmodule` line for a
/// module that an included file has loaded.
#[test]
fn a_configuration_that_loads_it_twice_says_so_before_the_server_gives_up() {
    let mut included = tempfile::NamedTempFile::new().expect("cannot create a temporary file");
    let line = format!("loadmodule {}", module_path().display());
    std::io::Write::write_all(&mut included, line.as_bytes())
        .expect("cannot write the temporary file");
    let include = included.path().to_str().expect("a path that is not UTF-8");
    let server = Server::builder()
        .module(false)
        .config("include", include)
        .start();
    let file = server.dir().join("redis.conf");
    let read = || std::fs::read_to_string(&file).expect("cannot read redis.conf");
    assert!(!read().contains(&line));
    assert_eq!(say(&mut server.raw(), "CONFIG REWRITE"), "+OK\r\n");
    let rewritten = read();
    assert!(
        rewritten.contains(&line) && rewritten.contains(include),
        "{rewritten}"
    );

    let Err(log) = Server::builder().config("include", include).try_start() else {
        panic!("a server started with two lines");
    };
    let lines = log.lines().find(|line| line.contains(WHY));
    assert!(lines.is_some_and(|line| line.contains(WAY_OUT)), "{log}");
}
