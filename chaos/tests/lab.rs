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
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// In the environment of everything that a lab of these tests starts.
const MARK: &str = "DURABLE_CHAOS_TEST";
/// Only a broken lab needs longer.
const PATIENCE: Duration = Duration::from_secs(300);

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
    assert_eq!(number(all, "lost") + number(all, "histories_illegal"), 0);
}

#[test]
fn a_primary_that_restarts_empty_costs_every_contender_everything() {
    let (code, record) = lab("DURABLE_TEST_MODULE", "restart-empty", 1).run();
    assert_eq!(code, 0, "nothing is promised");
    assert!(number(contender(&record, "REPLICAS ALL"), "lost") > 0);
}

/// The exit code tells that a promise was broken. The lab says where.
fn is_caught(mistake: &str, scenario: &str) {
    let mut lab = lab("DURABLE_TEST_MISTAKES", scenario, 3);
    lab.command.args(["--mistake", mistake]);
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
fn a_seed_repeats_the_schedule() {
    let plan = || {
        let (_, record) = lab("DURABLE_TEST_MODULE", "rolling-restart,reshard", 2).run();
        let rounds = record["rounds"].as_array().expect("rounds").clone();
        let seeds: Vec<u64> = rounds.iter().map(|round| number(round, "seed")).collect();
        seeds
    };
    assert_eq!(plan(), plan());
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

/// How many processes are in a namespace.
fn inhabitants(namespace: &Path) -> usize {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let links = processes.filter_map(|process| fs::read_link(process.path().join("ns/pid")).ok());
    links.filter(|link| link == namespace).count()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A lab whose servers run, and their namespace.
fn running(mark: &str) -> (Child, TempDir, PathBuf) {
    let mut lab = lab("DURABLE_TEST_MODULE", "calm", 500);
    let output = fs::File::create(lab.report.path().join("output")).expect("a file");
    lab.command.env(MARK, mark).stdout(output).process_group(0);
    let child = lab.command.spawn().expect("the lab starts");
    wait_for("the lab to be inside", || namespace(mark).is_some());
    let namespace = namespace(mark).expect("it was there");
    // The lab itself and five nodes.
    wait_for("the servers to run", || inhabitants(&namespace) >= 6);
    (child, lab.report, namespace)
}

#[test]
fn a_lab_that_is_killed_leaves_no_process_behind() {
    let (mut child, _report, namespace) = running("killed");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    wait_for("all processes of the lab to end", || {
        inhabitants(&namespace) == 0
    });
}

#[test]
fn an_interrupted_lab_still_writes_its_report_and_leaves_no_process_behind() {
    let (mut child, report, namespace) = running("interrupted");
    // There is something to report.
    wait_for("the first round to end", || {
        fs::metadata(report.path().join("output")).is_ok_and(|file| file.len() > 0)
    });
    // As Ctrl-C in a terminal: the whole group of processes gets it.
    let group = format!("-{}", child.id());
    let status = Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(status.expect("kill runs").success());
    let ended = child.wait().expect("it ends");
    assert_ne!(ended.code(), Some(130), "it ended at once");
    assert!(report.path().join("index.html").exists());
    wait_for("all processes of the lab to end", || {
        inhabitants(&namespace) == 0
    });
}
