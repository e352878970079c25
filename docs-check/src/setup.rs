//! The servers that examples run on.
//!
//! | words after `console` | servers, as the page names them |
//! |---|---|
//! | (none) | `primary` (port 6379), `replica1` (6380), `replica2` (6381) |
//! | `alone` | `primary` without replicas |
//! | `cluster` | `node1` to `node3` (7001 to 7003) are primaries, `node4` to `node6` their replicas |
//! | `fsync` | as without words; all have an append-only file with `appendfsync always` |
//! | `sentinel` | as without words, and three Sentinels: `sentinel` (26379) and two more |
//!
//! `durable.expected-replicas` is the number of replicas, and `durable.timeout-ms` a minute: a busy
//! machine must not change a reply. The servers have free ports. In commands
//! and replies they are exchanged for those of the table, and node ids for `<id of node1>`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};
use tempfile::TempDir;
use testkit::differences::REPORTS_FSYNCS;
use testkit::{eventually, Cluster, Replicated, Server, ServerBuilder};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Replicated,
    Fsync,
    Alone,
    Cluster,
    Sentinel,
}

/// What the words after `console` ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub kind: Kind,
    pub resp3: bool,
}

impl Wanted {
    pub fn parse(words: &[String]) -> Result<Wanted> {
        let mut wanted = Wanted {
            kind: Kind::Replicated,
            resp3: false,
        };
        for word in words {
            match word.as_str() {
                "alone" => wanted.kind = Kind::Alone,
                "cluster" => wanted.kind = Kind::Cluster,
                "sentinel" => wanted.kind = Kind::Sentinel,
                "resp3" => wanted.resp3 = true,
                "fsync" => wanted.kind = Kind::Fsync,
                other => bail!("no servers are called {other}"),
            }
        }
        Ok(wanted)
    }
}

enum Servers {
    Replicated(Replicated),
    Sentinel(Vec<Server>, Replicated),
    Cluster(Cluster),
}

/// Running servers, and a directory with a link to the log of each and a file with its pid.
pub struct Setup {
    pub kind: Kind,
    servers: Servers,
    directory: TempDir,
    /// Text in pages, and the text of the running servers.
    names: Vec<(String, String)>,
}

const SENTINEL_LIMIT_MS: &str = "2000";
const TIMEOUT_MS: &str = "60000";

impl Setup {
    pub fn start(kind: Kind) -> Result<Setup> {
        let servers = match kind {
            Kind::Replicated => Servers::Replicated(replicated(2, false)),
            Kind::Fsync => Servers::Replicated(replicated(2, true)),
            Kind::Alone => Servers::Replicated(replicated(0, false)),
            Kind::Sentinel => {
                let replicated = replicated(2, false);
                Servers::Sentinel(sentinels(&replicated), replicated)
            }
            Kind::Cluster => Servers::Cluster(
                Cluster::builder(3, 1)
                    .node(|_, builder| with_module(builder, 1))
                    .start(),
            ),
        };
        let directory = tempfile::tempdir().context("making a temporary directory")?;
        let mut setup = Setup {
            kind,
            servers,
            directory,
            names: Vec::new(),
        };
        let mut names = Vec::new();
        for (name, port, server) in setup.all() {
            names.push((port.to_string(), server.port().to_string()));
            if let Servers::Cluster(cluster) = &setup.servers {
                names.push((format!("<id of {name}>"), cluster.id_of(server).to_owned()));
            }
            let file = |suffix: &str| setup.directory.path().join(format!("{name}.{suffix}"));
            symlink(server.dir().join("server.log"), file("log"))?;
            fs::write(file("pid"), server.pid().to_string())?;
        }
        setup.names = names;
        Ok(setup)
    }

    /// The server with this name in the pages.
    pub fn server(&self, name: &str) -> Option<&Server> {
        let mut all = self.all().into_iter();
        all.find(|(known, ..)| known == name)
            .map(|(.., server)| server)
    }

    /// The server that a further client (`a>`) talks to.
    pub fn first(&self) -> &Server {
        match &self.servers {
            Servers::Replicated(servers) | Servers::Sentinel(_, servers) => &servers.primary,
            Servers::Cluster(cluster) => &cluster.nodes[0],
        }
    }

    pub fn reports_fsyncs(&self) -> bool {
        self.first().has(REPORTS_FSYNCS)
    }

    /// Where lines that begin with `$` run.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A command with the ports and ids of the running servers.
    pub fn to_real(&self, command: &str) -> String {
        let pairs = self
            .names
            .iter()
            .map(|(page, real)| (page.as_str(), real.as_str()));
        exchange(command, pairs)
    }

    /// A reply with the ports and ids of the page.
    pub fn to_page(&self, reply: &str) -> String {
        let pairs = self
            .names
            .iter()
            .map(|(page, real)| (real.as_str(), page.as_str()));
        exchange(reply, pairs)
    }

    /// Continues servers that an example has stopped.
    pub fn resume(&self) {
        for (_, _, server) in self.all().iter().filter(|(_, _, server)| server.is_alive()) {
            server.resume();
        }
    }

    /// Removes all data, so that the next page begins as on new servers.
    pub fn clear(&self) {
        for (_, _, server) in self.all() {
            // Refused by replicas and Sentinels.
            let _ = server.try_run::<()>(&["FLUSHALL"]);
        }
        if let Servers::Replicated(servers) = &self.servers {
            servers.wait_until_in_step(servers.replicas.len());
        }
    }

    /// Name, port in the pages, server.
    fn all(&self) -> Vec<(String, u16, &Server)> {
        let mut all = Vec::new();
        match &self.servers {
            Servers::Replicated(servers) | Servers::Sentinel(_, servers) => {
                all.push(("primary".to_owned(), 6379, &servers.primary));
                for (number, replica) in (1..).zip(&servers.replicas) {
                    all.push((format!("replica{number}"), 6379 + number, replica));
                }
            }
            Servers::Cluster(cluster) => {
                for (number, node) in (1..).zip(&cluster.nodes) {
                    all.push((format!("node{number}"), 7000 + number, node));
                }
            }
        }
        if let Servers::Sentinel(sentinels, _) = &self.servers {
            for (number, sentinel) in (0..).zip(sentinels) {
                let name = match number {
                    0 => "sentinel".to_owned(),
                    _ => format!("sentinel{}", number + 1),
                };
                all.push((name, 26379 + number, sentinel));
            }
        }
        all
    }
}

fn replicated(replicas: usize, append_only: bool) -> Replicated {
    let describe = move |builder: ServerBuilder| {
        let builder = with_module(builder, replicas);
        if append_only {
            return builder
                .config("appendonly", "yes")
                .config("appendfsync", "always");
        }
        builder
    };
    let servers = Replicated::builder()
        .replicas(replicas)
        .primary(describe)
        .replica(move |_, builder| describe(builder))
        .start();
    // Replicas write their append-only files anew after the full sync.
    for server in &servers.replicas {
        eventually("the append-only file of a replica", || {
            let info: String = server.run(&["INFO", "persistence"]);
            info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
        });
    }
    servers
}

fn with_module(builder: ServerBuilder, replicas: usize) -> ServerBuilder {
    let replicas = replicas.to_string();
    builder.module_args(&["expected-replicas", &replicas, "timeout-ms", TIMEOUT_MS])
}

fn sentinels(servers: &Replicated) -> Vec<Server> {
    let port = servers.primary.port().to_string();
    let monitor = format!("monitor mymaster 127.0.0.1 {port} 2");
    let limit = format!("down-after-milliseconds mymaster {SENTINEL_LIMIT_MS}");
    let started: Vec<Server> = (0..3)
        .map(|number| {
            Server::builder()
                .name(&format!("sentinel {number}"))
                .module(false)
                .inside(&["bash", "-c", r#"exec "$0" "$1" --sentinel"#])
                .config("sentinel", &monitor)
                .config("sentinel", &limit)
                .start()
        })
        .collect();
    for sentinel in &started {
        eventually("the Sentinels and replicas to be known", || {
            let known: Vec<String> = sentinel.run(&["SENTINEL", "MASTER", "mymaster"]);
            let field = |name: &str| {
                let at = known.iter().position(|word| word == name);
                at.and_then(|at| known.get(at + 1)).map(String::as_str)
            };
            field("num-other-sentinels") == Some("2") && field("num-slaves") == Some("2")
        });
    }
    started
}

/// Replaces whole words only: the port 6379 is no part of 16379.
fn exchange<'a>(text: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let mut exchanged = String::new();
    let mut rest = text;
    'next: while let Some(first) = rest.chars().next() {
        let inside_word = exchanged.ends_with(|c: char| c.is_ascii_alphanumeric());
        for &(from, to) in &pairs {
            let Some(after) = rest.strip_prefix(from) else {
                continue;
            };
            if !inside_word && !after.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                exchanged.push_str(to);
                rest = after;
                continue 'next;
            }
        }
        exchanged.push(first);
        rest = &rest[first.len_utf8()..];
    }
    exchanged
}

/// The directory of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::exchange;

    #[test]
    fn only_whole_words_are_exchanged() {
        let pairs = [("6379", "41000"), ("<id of node1>", "ab12")];
        assert_eq!(
            exchange(
                "127.0.0.1:6379 16379 63790 <id of node1>",
                pairs.into_iter()
            ),
            "127.0.0.1:41000 16379 63790 ab12"
        );
    }
}
