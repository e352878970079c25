//! The clients that have an example, and how to run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use testkit::{eventually, Server};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// A client, by its folder in `examples/` and its page in `docs/clients/`.
pub struct Client {
    pub name: &'static str,
    /// The example in the folder.
    file: &'static str,
    /// The language of its code blocks on the page.
    language: &'static str,
    how: How,
}

enum How {
    /// The words before the file's path.
    Interpreted(&'static [&'static str]),
    /// Compiled once in each run of the tests.
    Compiled(fn(&Path, &Path) -> Command, OnceLock<PathBuf>),
}

pub static CLIENTS: [Client; 6] = [
    Client::interpreted("node-redis", "durable.js", "js", &["node"]),
    Client::compiled("go-redis", "durable.go", "go", go),
    Client::interpreted("php-redis", "durable.php", "php", &["php"]),
    Client::interpreted("ruby-redis", "durable.rb", "ruby", &["ruby", "-w"]),
    Client::compiled("hiredis", "durable.c", "c", c),
    Client::interpreted("redis-cli", "durable.sh", "bash", &["bash"]),
];

fn go(source: &Path, program: &Path) -> Command {
    let mut command = Command::new("go");
    command.args(["build", "-o"]).arg(program).arg(source);
    // Debian's packages are sources in this path.
    command.env("GO111MODULE", "off");
    command.env("GOPATH", "/usr/share/gocode");
    command.env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"));
    command
}

fn c(source: &Path, program: &Path) -> Command {
    let mut command = Command::new("cc");
    command.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o"]);
    command.arg(program).arg(source).arg("-lhiredis");
    command
}

impl Client {
    const fn interpreted(
        name: &'static str,
        file: &'static str,
        language: &'static str,
        words: &'static [&'static str],
    ) -> Client {
        let how = How::Interpreted(words);
        Client {
            name,
            file,
            language,
            how,
        }
    }

    const fn compiled(
        name: &'static str,
        file: &'static str,
        language: &'static str,
        compiler: fn(&Path, &Path) -> Command,
    ) -> Client {
        let how = How::Compiled(compiler, OnceLock::new());
        Client {
            name,
            file,
            language,
            how,
        }
    }

    pub fn named(name: &str) -> &'static Client {
        let found = CLIENTS.iter().find(|client| client.name == name);
        found.unwrap_or_else(|| panic!("there is no client {name}"))
    }

    fn source(&self) -> PathBuf {
        Path::new(REPOSITORY)
            .join("examples")
            .join(self.name)
            .join(self.file)
    }

    /// Starts a part of the example, such as `write`, on this server.
    pub fn start(&self, part: &str, server: &Server) -> Run {
        // The kernel kills the example when the test's thread ends, however it ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        match &self.how {
            How::Interpreted(words) => command.args(*words).arg(self.source()),
            How::Compiled(compiler, program) => command.arg(program.get_or_init(|| {
                let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
                let output = output(&mut compiler(&self.source(), &program));
                assert!(output.status.success(), "{}: {output:?}", self.name);
                program
            })),
        };
        let port = server.port().to_string();
        if self.name == "go-redis" {
            command.args([part, &server.addr()]);
        } else {
            command.args([part, "127.0.0.1", &port]);
        }
        // Only the node of Debian looks there by itself.
        command.env("NODE_PATH", "/usr/share/nodejs");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("setpriv: {error}"));
        Run {
            client: self.name,
            child,
        }
    }

    /// Runs a part of the example, and returns what it printed.
    pub fn run(&self, part: &str, server: &Server) -> String {
        self.start(part, server).text()
    }

    /// The code blocks of the page that are not in the example.
    pub fn blocks_that_differ(&self) -> Vec<String> {
        let page = Path::new(REPOSITORY).join(format!("docs/clients/{}.md", self.name));
        let page = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        let code = fs::read_to_string(self.source()).expect("the example can be read");
        let begin = format!("```{}\n", self.language);
        let blocks: Vec<&str> = page
            .split(&begin)
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap_or_default())
            .collect();
        assert!(blocks.len() >= 4, "{}: {} blocks", self.name, blocks.len());
        let differ = blocks.into_iter().filter(|block| !code.contains(*block));
        differ.map(str::to_owned).collect()
    }
}

/// A running example.
pub struct Run {
    client: &'static str,
    child: Child,
}

impl Run {
    /// Waits until it has ended with 0, and returns what it printed.
    pub fn text(mut self) -> String {
        eventually(&format!("the example of {} to end", self.client), || {
            self.child.try_wait().is_ok_and(|status| status.is_some())
        });
        let output = self
            .child
            .wait_with_output()
            .expect("the output of an example");
        assert!(output.status.success(), "{}: {output:?}", self.client);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn output(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}; make test-host installs it"))
}
