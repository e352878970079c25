//! The lab itself: it reports nothing where nothing happens, it finds the losses that must be
//! there, it catches modules that make mistakes, and it leaves nothing behind.
//!
//! `make chaos-check` runs these tests. `DURABLE_TEST_MODULE` is the module,
//! `DURABLE_TEST_MISTAKES` a build with the feature `mistakes`, and `DURABLE_TEST_SERVER` the
//! server's binary, if it is not the one on PATH.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::eventually;

/// In the environment of everything that a lab of these tests starts.
const MARK: &str = "DURABLE_CHAOS_TEST";

struct Lab {
    report: TempDir,
    command: Command,
}

fn module(variable: &str) -> PathBuf {
    let file = env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set"));
    Path::new(&file)
        .canonicalize()
        .expect("the module is there")
}

/// A lab with the seed 1.
fn lab(module_variable: &str, scenarios: &str, rounds: u32) -> Lab {
    let report = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_durable-chaos"));
    command
        .args(["--seed", "1", "--rounds", &rounds.to_string()])
        .args(["--scenario", scenarios])
        .arg("--module")
        .arg(module(module_variable))
        .arg("--report")
        .arg(report.path())
        .stdin(Stdio::null());
    if let Some(server) = env::var_os("DURABLE_TEST_SERVER") {
        command.arg("--server").arg(server);
    }
    Lab { report, command }
}

impl Lab {
    /// Runs it to its end: the exit code and the record.
    fn run(mut self) -> (i32, Value) {
        let output = self.command.output().expect("the lab runs");
        println!("{}", String::from_utf8_lossy(&output.stdout));
        println!("{}", String::from_utf8_lossy(&output.stderr));
        let page = fs::read_to_string(self.report.path().join("index.html"));
        assert!(page.expect("a report").contains("</html>"));
        let record = fs::read(self.report.path().join("run.json")).expect("a record");
        let record = serde_json::from_slice(&record).expect("JSON");
        (output.status.code().expect("an exit code"), record)
    }
}

/// The contender of that name in the first round.
fn contender<'a>(record: &'a Value, name: &str) -> &'a Value {
    let contenders = record["rounds"][0]["contenders"]
        .as_array()
        .expect("contenders");
    let found = contenders.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {}", record["rounds"][0]))
}

fn number(contender: &Value, field: &str) -> u64 {
    contender[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field} is no number"))
}

#[test]
fn a_schedule_without_faults_reports_nothing() {
    let (code, record) = lab("DURABLE_TEST_MODULE", "calm", 1).run();
    assert_eq!(code, 0);
    for contender in record["rounds"][0]["contenders"]
        .as_array()
        .expect("contenders")
    {
        assert!(number(contender, "acked") > 0, "{contender}");
        assert!(number(contender, "histories") > 0, "{contender}");
        for field in [
            "lost",
            "reads_lost",
            "increments_lost",
            "once_twice",
            "histories_illegal",
        ] {
            assert_eq!(number(contender, field), 0, "{field} of {contender}");
        }
    }
}

#[test]
fn a_partition_costs_every_contender_acknowledged_writes_but_the_one_that_asks_all_replicas() {
    let (code, record) = lab("DURABLE_TEST_MODULE", "partition", 1).run();
    assert_eq!(code, 0);
    for name in ["SET", "SET + WAIT 1", "REPLICAS 1", "REPLICAS MAJORITY"] {
        let contender = contender(&record, name);
        assert!(number(contender, "lost") > 0, "{name}");
        assert!(number(contender, "histories_illegal") > 0, "{name}");
    }
    let all = contender(&record, "REPLICAS ALL");
    assert!(number(all, "acked") > 0);
    assert!(
        number(all, "histories_of_several") > 0,
        "no history spans the failover"
    );
    assert_eq!(number(all, "lost") + number(all, "histories_illegal"), 0);
}

#[test]
fn a_primary_that_restarts_empty_costs_every_contender_everything() {
    let (code, record) = lab("DURABLE_TEST_MODULE", "restart-empty", 1).run();
    assert_eq!(code, 0, "nothing is promised");
    assert!(number(contender(&record, "REPLICAS ALL"), "lost") > 0);
}

fn is_caught(mistake: &str, scenario: &str) {
    is_caught_with(mistake, scenario, &["--limit", "1"]);
}

/// The exit code tells that a promise was broken. The lab says where.
fn is_caught_with(mistake: &str, scenario: &str, options: &[&str]) {
    let mut lab = lab("DURABLE_TEST_MISTAKES", scenario, 3);
    lab.command
        .args(["--mistake", mistake, "--until-broken"])
        .args(options);
    let (code, record) = lab.run();
    assert_eq!(code, 1, "{mistake} is not caught");
    let rounds = record["rounds"].as_array().expect("rounds");
    let shown = rounds.iter().any(|round| {
        let contenders = round["contenders"].as_array().expect("contenders");
        let mut promised = contenders.iter().filter(|one| one["promised"] == true);
        promised.any(|one| !one["violations"].as_array().expect("violations").is_empty())
    });
    assert!(shown, "no operation shows it");
}

#[test]
fn a_module_that_releases_waits_a_turn_early_is_caught() {
    is_caught("early-release", "partition");
}

#[test]
fn a_module_that_counts_a_loading_replica_is_caught() {
    is_caught("counts-loading", "full-sync");
}

#[test]
fn a_module_that_keeps_acknowledgements_over_a_change_of_role_is_caught() {
    is_caught("keeps-acknowledgements", "there-and-back");
}

#[test]
fn a_module_that_counts_a_link_that_is_gone_is_caught() {
    is_caught("counts-gone-links", "old-replica");
}

#[test]
fn a_module_that_counts_a_replica_too_many_is_caught() {
    is_caught("counts-one-more", "far-replicas");
}

/// Nobody has to have a write then, so a failover of a group loses it.
#[test]
fn a_mistake_is_caught_in_a_failover_group_too() {
    let options = ["--failover", "--limit", "3"];
    is_caught_with("counts-one-more", "crash", &options);
}

#[test]
fn several_servers_play_the_same_rounds() {
    let mut lab = lab("DURABLE_TEST_MODULE", "calm", 2);
    // One is named already, if the tests are for another than that on PATH.
    let more = match env::var("DURABLE_TEST_SERVER") {
        Ok(server) => server,
        Err(_) => "redis-server,redis-server".to_owned(),
    };
    lab.command.args(["--server", &more]);
    let (code, record) = lab.run();
    assert_eq!(code, 0);
    let rounds = record["rounds"].as_array().expect("rounds");
    let drawn: Vec<_> = rounds.iter().map(|round| &round["seed"]).collect();
    assert_eq!(drawn.len(), 4);
    assert_eq!((drawn[0], drawn[1]), (drawn[2], drawn[3]));
}

/// By its rules a group that is healed becomes ready. One in which a member is frozen from outside
/// does not.
#[test]
fn a_group_that_does_not_become_whole_is_a_failure() {
    let mut lab = running_with("stuck", &["--failover"]);
    eventually("the first round to end", || {
        lab.output().lines().count() >= 2
    });
    let servers = || {
        let all = processes(&lab.namespace).into_iter();
        all.filter(|id| is_server(id)).collect::<Vec<_>>()
    };
    let begin = Instant::now();
    while !lab.output().contains("STUCK") {
        // The lab thaws everything at the end of a round. The first is a member of the group.
        if let Some(server) = servers()
            .iter()
            .min_by_key(|id| id.parse().unwrap_or(u64::MAX))
        {
            let _ = Command::new("kill").args(["-STOP", server]).status();
        }
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "{}",
            lab.output()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    interrupt(&lab.child, "INT");
    let ended = lab.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(1));
}

/// Otherwise the scenarios themselves would be what is caught.
#[test]
fn the_same_build_without_a_mistake_is_not_caught() {
    let scenarios = "partition,full-sync,there-and-back,old-replica,far-replicas";
    let (code, _) = lab("DURABLE_TEST_MISTAKES", scenarios, 5).run();
    assert_eq!(code, 0);
}

#[test]
fn a_seed_repeats_the_faults() {
    let faults = || {
        let (_, record) = lab("DURABLE_TEST_MODULE", "mixed", 1).run();
        let events = record["rounds"][0]["events"]
            .as_array()
            .expect("events")
            .clone();
        let faults = events.into_iter().filter(|event| event["kind"] == "fault");
        faults
            .map(|fault| fault["what"].clone())
            .collect::<Vec<_>>()
    };
    let first = faults();
    assert!(first.len() > 1, "{first:?}");
    assert_eq!(first, faults());
}

#[test]
fn a_server_that_ends_by_itself_is_reported() {
    let mut lab = running("crashed");
    eventually("the first round to end", || {
        lab.output().lines().count() >= 2
    });
    let server = processes(&lab.namespace)
        .into_iter()
        .find(|id| is_server(id));
    let server = server.expect("a server runs");
    let status = Command::new("kill").args(["-SEGV", &server]).status();
    assert!(status.expect("kill runs").success());
    eventually("the crash to be reported", || {
        lab.output().contains("a crash")
    });
    interrupt(&lab.child, "INT");
    let ended = lab.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(1));
}

/// Whether the process with this id is a server.
fn is_server(id: &str) -> bool {
    let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    ["redis-server", "valkey-server", "ld-linux"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// The namespace of processes that the marked lab has made. Servers overwrite their environment, so
/// only the lab itself can be found by its mark.
fn namespace(mark: &str) -> Option<PathBuf> {
    let sought = format!("{MARK}={mark}");
    let own = fs::read_link("/proc/self/ns/pid").ok();
    let mut processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes.find_map(|process| {
        let environment = fs::read(process.path().join("environ")).ok()?;
        let mut variables = environment.split(|&byte| byte == 0);
        let found = variables.any(|one| one == sought.as_bytes());
        let namespace = fs::read_link(process.path().join("ns/pid")).ok();
        namespace
            .filter(|_| found)
            .filter(|one| Some(one) != own.as_ref())
    })
}

/// The processes in a namespace.
fn processes(namespace: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let inside = processes.filter(|process| {
        fs::read_link(process.path().join("ns/pid")).is_ok_and(|link| link == namespace)
    });
    inside
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}

/// As Ctrl-C in a terminal, or as `timeout`: the whole group of processes gets the signal.
fn interrupt(child: &Child, signal: &str) {
    let group = format!("-{}", child.id());
    let status = Command::new("kill")
        .args(["-s", signal, "--", &group])
        .status();
    assert!(status.expect("kill runs").success());
}

/// A lab that is killed when the test ends, however it ends.
struct Running {
    child: Child,
    report: TempDir,
    namespace: PathBuf,
}

impl Running {
    /// What it has printed: the seed, then a line for each round.
    fn output(&self) -> String {
        fs::read_to_string(self.report.path().join("output")).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A lab whose servers run.
fn running(mark: &str) -> Running {
    running_with(mark, &[])
}

fn running_with(mark: &str, options: &[&str]) -> Running {
    let mut lab = lab("DURABLE_TEST_MODULE", "calm", 500);
    lab.command.args(options);
    let output = fs::File::create(lab.report.path().join("output")).expect("a file");
    lab.command.env(MARK, mark).stdout(output).process_group(0);
    let mut running = Running {
        child: lab.command.spawn().expect("the lab starts"),
        report: lab.report,
        namespace: PathBuf::new(),
    };
    // First the lab tries, in other namespaces, whether this machine allows them.
    eventually("the servers to run", || {
        // The lab itself and five nodes.
        namespace(mark).is_some_and(|namespace| processes(&namespace).len() >= 6)
    });
    running.namespace = namespace(mark).expect("it was there");
    running
}

#[test]
fn a_lab_that_is_killed_leaves_no_process_behind() {
    let mut lab = running("killed");
    lab.child.kill().expect("it runs");
    lab.child.wait().expect("it ends");
    eventually("all processes of the lab to end", || {
        processes(&lab.namespace).is_empty()
    });
}

#[test]
fn an_interrupted_lab_still_writes_its_report_and_leaves_no_process_behind() {
    for signal in ["INT", "TERM"] {
        let mut lab = running(signal);
        // There is something to report. The first line has the seed.
        eventually("the first round to end", || {
            lab.output().lines().count() >= 2
        });
        interrupt(&lab.child, signal);
        let ended = lab.child.wait().expect("it ends");
        assert_eq!(ended.code(), Some(2), "not all rounds were played");
        assert!(lab.report.path().join("index.html").exists());
        eventually("all processes of the lab to end", || {
            processes(&lab.namespace).is_empty()
        });
    }
}

#[test]
fn mistakes_on_the_command_line_are_told_and_nothing_is_run() {
    for (words, told) in [
        (["--scenario", "nonsense"], "there is no scenario nonsense"),
        (["--server", "/nonexistent"], "there is no /nonexistent"),
        (
            ["--module", "/nonexistent.so"],
            "there is no /nonexistent.so",
        ),
        (["--rounds", "0"], "0 is not in"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_durable-chaos"));
        if words[0] != "--module" {
            command.arg("--module").arg(module("DURABLE_TEST_MODULE"));
        }
        let output = command.args(words).output().expect("the lab runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(told), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
}
