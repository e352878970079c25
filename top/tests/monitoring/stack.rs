//! A primary with a replica, redis_exporter, `durable-top --prometheus` behind HTTP, and a
//! Prometheus that scrapes both.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::{eventually, eventually_some, Replicated, ReservedPort};

use crate::files::{path, promtool, read, try_promtool};

/// The job of `monitoring/prometheus.yaml`.
pub const EXPORTER_JOB: &str = "redis";
pub const TOP_JOB: &str = "durable-top";
const EXPORTERS: [&str; 2] = ["prometheus-redis-exporter", "redis_exporter"];

pub struct Stack {
    servers: Replicated,
    prometheus: ReservedPort,
    _exporter: ReservedPort,
    _programs: [Ended; 2],
    _directory: TempDir,
}

/// Kills the program when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stack {
    pub fn start() -> Stack {
        let servers = Replicated::start(1);
        servers.primary.run::<()>(&["DURABLE.SET", "key", "value"]);
        let directory = tempfile::tempdir().expect("a directory for Prometheus");
        let (exporter, prometheus) = (ReservedPort::any(), ReservedPort::any());
        let top = serve_durable_top(servers.primary.port());
        let configuration = configuration(&servers, exporter.number(), top);
        let place = |name: &str| directory.path().join(name);
        fs::write(place("prometheus.yaml"), configuration).expect("the configuration is written");
        fs::copy(path("alerts.yaml"), place("alerts.yaml")).expect("the alerts are copied");
        let listen =
            |port: &ReservedPort| format!("--web.listen-address=127.0.0.1:{}", port.number());
        let exporter_program = start(
            &exporter_name(),
            &["-script", &path("durable.lua"), &listen(&exporter)],
            &place("exporter.log"),
        );
        let prometheus_program = start(
            "prometheus",
            &[
                &format!("--config.file={}", place("prometheus.yaml").display()),
                &format!("--storage.tsdb.path={}", place("data").display()),
                &listen(&prometheus),
            ],
            &place("prometheus.log"),
        );
        let stack = Stack {
            servers,
            prometheus,
            _exporter: exporter,
            _programs: [exporter_program, prometheus_program],
            _directory: directory,
        };
        eventually("Prometheus to answer", || stack.get("/-/ready").is_some());
        stack
    }

    /// The address of the primary.
    pub fn server(&self) -> String {
        self.servers.primary.addr()
    }

    /// Waits until Prometheus answers this expression with something.
    #[track_caller]
    pub fn wait_for(&self, expression: &str) {
        let url = format!("http://127.0.0.1:{}", self.prometheus.number());
        let what = format!("Prometheus to have {expression}");
        eventually(&what, || {
            let output = try_promtool(&["query", "instant", &url, expression]);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{expression}: {error}");
            // Of nothing it prints an empty line.
            !output.stdout.trim_ascii().is_empty()
        });
    }

    /// The names of all metrics of the module from one job.
    pub fn metrics_of(&self, job: &str) -> Vec<String> {
        let url = format!("http://127.0.0.1:{}", self.prometheus.number());
        let series = promtool(&[
            "query",
            "instant",
            &url,
            &format!("count by (__name__) ({{__name__=~\"durable_.*\",job=\"{job}\"}})"),
        ]);
        // Each line is `{__name__="durable_links"} => 1 @[…]`, or `durable_links{} => 1 @[…]`.
        let mut names: Vec<String> = series
            .lines()
            .flat_map(crate::expressions::metrics)
            .collect();
        names.sort();
        names
    }

    /// The expressions of the alerts as Prometheus has read them.
    pub fn queries_of_the_alerts(&self) -> Vec<String> {
        let rules = eventually_some("Prometheus to have the alerts", || {
            let body = self.get("/api/v1/rules")?;
            let reply: Value = serde_json::from_str(&body).ok()?;
            let groups = reply["data"]["groups"].as_array()?.clone();
            let rules: Vec<Value> = groups
                .iter()
                .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
                .collect();
            (!rules.is_empty()).then_some(rules)
        });
        let query = |rule: &Value| {
            rule["query"]
                .as_str()
                .expect("a rule has a query")
                .to_owned()
        };
        assert_eq!(
            rules.len(),
            read("alerts.yaml").matches("- alert: ").count()
        );
        rules.iter().map(query).collect()
    }

    /// The body of a page, if Prometheus answers with 200.
    fn get(&self, page: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.prometheus.number())).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .ok()?;
        // With HTTP/1.0 the body ends with the connection and is not in chunks.
        let request = format!("GET {page} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        let (head, body) = reply.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }
}

/// `monitoring/prometheus.yaml` with the addresses of this test, a second job, and no long waits.
fn configuration(servers: &Replicated, exporter: u16, top: u16) -> String {
    let primary = format!("redis://{}", servers.primary.addr());
    let replica = format!("redis://{}", servers.replicas[0].addr());
    let mut text = read("prometheus.yaml");
    for (example, real) in [
        ("redis://10.0.0.1:6379", primary.as_str()),
        ("redis://10.0.0.2:6379", &replica),
        ("127.0.0.1:9121", &format!("127.0.0.1:{exporter}")),
        ("interval: 15s", "interval: 1s"),
    ] {
        assert!(
            text.contains(example),
            "{example} is no longer in prometheus.yaml"
        );
        text = text.replace(example, real);
    }
    let job = format!(
        "  - job_name: {TOP_JOB}\n    static_configs:\n      - targets: [\"127.0.0.1:{top}\"]\n"
    );
    text + &job
}

/// Answers each HTTP request with the output of `durable-top --prometheus`. Returns the port.
fn serve_durable_top(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port for durable-top");
    let port = listener.local_addr().expect("the port has a number").port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Prometheus asks again after an error.
            let _ = answer(connection, server);
        }
    });
    port
}

fn answer(mut connection: TcpStream, server: u16) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = connection.read(&mut request)?;
    let output = Command::new(env!("CARGO_BIN_EXE_durable-top"))
        .args(["--prometheus", "-p", &server.to_string()])
        .output()?;
    connection.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n")?;
    connection.write_all(&output.stdout)
}

fn exporter_name() -> String {
    if let Ok(named) = env::var("DURABLE_TEST_EXPORTER") {
        return named;
    }
    let on_path = |name: &&str| {
        let places = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&places).any(|place| place.join(name).is_file())
    };
    let found = EXPORTERS.iter().find(|name| on_path(name));
    found.map(|name| name.to_string()).unwrap_or_else(|| {
        panic!("none of {EXPORTERS:?} is on PATH: run make monitoring-check, which installs one")
    })
}

/// The program ends with the thread that started it, so also when the test is killed.
fn start(program: &str, arguments: &[&str], log: &Path) -> Ended {
    let log = File::create(log).expect("a log can be written");
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", program])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log can be shared"))
        .stderr(log)
        .spawn();
    Ended(child.unwrap_or_else(|error| panic!("setpriv does not run: {error}")))
}
