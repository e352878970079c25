//! Describes a server before it starts: its configuration file, its directory, its ports.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::environment::{least_module_path, module_path, server_version};
use crate::port::ReservedPort;
use crate::server::Server;

/// The description of one server. [`Server::builder`] makes one.
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    name: String,
    module: bool,
    module_args: Vec<String>,
    /// Lines of redis.conf, in order. Of several lines for one setting the server takes the last.
    lines: Vec<String>,
    host: Ipv4Addr,
    port: Option<u16>,
    cluster: bool,
    wrapper: Vec<String>,
}

impl ServerBuilder {
    pub(crate) fn new() -> ServerBuilder {
        ServerBuilder {
            name: "server".into(),
            module: true,
            module_args: Vec::new(),
            lines: Vec::new(),
            host: Ipv4Addr::LOCALHOST,
            port: None,
            cluster: false,
            wrapper: Vec::new(),
        }
    }

    /// Whether the server loads the module. Default: yes.
    pub fn module(mut self, load: bool) -> Self {
        self.module = load;
        self
    }

    /// Loads the least possible module (`bench/least/`) instead of the module.
    pub fn least_module(self) -> Self {
        let path = least_module_path().display();
        self.module(false)
            .config("loadmodule", &format!("\"{path}\""))
    }

    /// Arguments after the module's path on the `loadmodule` line.
    pub fn module_args(mut self, arguments: &[&str]) -> Self {
        self.module_args = arguments
            .iter()
            .map(|argument| argument.to_string())
            .collect();
        self
    }

    /// Adds a line to redis.conf. The value is written as it is, so it may be several words or
    /// quoted. The line overrides what the kit sets, and comes after the `loadmodule` line.
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.lines.push(format!("{name} {value}"));
        self
    }

    /// Listens on another loopback address than 127.0.0.1. Servers on different addresses may share
    /// a port.
    pub fn host(mut self, host: Ipv4Addr) -> Self {
        self.host = host;
        self
    }

    /// Listens on this port instead of any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Cluster mode, with a cluster bus on a port of its own. [`crate::Cluster`] forms a cluster.
    pub fn cluster(mut self, enabled: bool) -> Self {
        self.cluster = enabled;
        self
    }

    /// The name of the server in the messages of a failed test.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Runs the server inside another program, such as a profiler: these words go before the
    /// server's own. The program has to replace itself by the server or to be one process with it.
    pub fn inside(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|word| word.to_string()).collect();
        self
    }

    /// Starts the server and returns when it answers. Panics with the log if it does not.
    #[track_caller]
    pub fn start(self) -> Server {
        match self.try_start() {
            Ok(server) => server,
            Err(log) => panic!("the server ended instead of starting; its log:\n{log}"),
        }
    }

    /// Like `start`, for servers that may refuse their configuration. If the process ends before it
    /// answers, the error is its whole log.
    pub fn try_start(self) -> Result<Server, String> {
        let directory = tempfile::Builder::new()
            .prefix("testkit-")
            .tempdir()
            .unwrap_or_else(|error| {
                panic!("cannot create a temporary directory for a server: {error}")
            });
        let port = match self.port {
            Some(port) => ReservedPort::exactly(self.host, port),
            None => ReservedPort::any_at(self.host),
        };
        let bus = self.cluster.then(ReservedPort::any);
        let text = self.configuration(&directory, &port, bus.as_ref());
        fs::write(directory.path().join("redis.conf"), text)
            .unwrap_or_else(|error| panic!("cannot write a server's configuration: {error}"));
        Server::start(
            self.name,
            self.wrapper,
            directory,
            port,
            bus,
            server_version(),
        )
    }

    fn configuration(
        &self,
        directory: &TempDir,
        port: &ReservedPort,
        bus: Option<&ReservedPort>,
    ) -> String {
        let mut text = String::new();
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            writeln!(text, "{arguments}").expect("writing to a string does not fail");
        };
        line(format_args!("bind {}", self.host));
        line(format_args!("port {}", port.number()));
        line(format_args!("dir \"{}\"", directory.path().display()));
        line(format_args!("logfile server.log"));
        line(format_args!("save \"\""));
        line(format_args!("enable-debug-command yes"));
        line(format_args!("enable-module-command yes"));
        // By default a primary waits five seconds for further replicas before a full sync.
        line(format_args!("repl-diskless-sync-delay 0"));
        if let Some(bus) = bus {
            line(format_args!("cluster-enabled yes"));
            line(format_args!("cluster-config-file nodes.conf"));
            line(format_args!("cluster-port {}", bus.number()));
            // While this setting is on, a server whose cluster bus has no TLS does not start.
            const BUS_PROTECTION: &str = "cluster-bus-port-protected-mode";
            static HAS_BUS_PROTECTION: OnceLock<bool> = OnceLock::new();
            if *HAS_BUS_PROTECTION.get_or_init(|| server_has_setting(BUS_PROTECTION)) {
                line(format_args!("{BUS_PROTECTION} no"));
            }
        }
        if self.module {
            let arguments = self
                .module_args
                .iter()
                .map(|argument| format!(" {argument}"));
            let path = module_path().display();
            line(format_args!(
                "loadmodule \"{path}\"{}",
                arguments.collect::<String>()
            ));
        }
        for own in &self.lines {
            line(format_args!("{own}"));
        }
        text
    }
}

/// Whether the server under test knows a setting. A server does not start with an unknown one.
/// Patch releases add settings, so the version does not decide. The answer is from CONFIG GET.
pub fn server_has_setting(name: &str) -> bool {
    let server = ServerBuilder::new()
        .module(false)
        .name("probe of settings")
        .start();
    let found: Vec<String> = server.run(&["CONFIG", "GET", name]);
    !found.is_empty()
}
