//! The client and its builder.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::IntoConnectionInfo;

use crate::decide::error::Error;
use crate::decide::knowledge::HintRequest;
use crate::decide::node::Node;
use crate::decide::settings::Settings;
use crate::decide::stats::Stats;
use crate::drive::session::Session;
use crate::drive::shared::Shared;
use crate::drive::watch::Watch;

/// A client of one cluster. Cheap to clone. All clones are the same client: they share the cache,
/// so all sessions know what one of them has learnt.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// Settings of a [`Client`]. Made by [`Client::builder`].
pub struct ClientBuilder {
    shared: Shared,
}

impl Client {
    /// A client with the default settings. It does not connect yet.
    ///
    /// `nodes` are addresses of some nodes of the cluster, as the redis crate takes them:
    /// `redis://user:password@host:port`, `rediss://…` for TLS, `unix:///path`, or a
    /// [`ConnectionInfo`](redis::ConnectionInfo). Other nodes of the cluster are connected to like
    /// the first one of these: user, password, protocol, and TLS or none. TLS needs
    /// `ClientBuilder::tls`, too.
    ///
    /// # Errors
    /// [`Error::Configuration`] if there is no node, or one whose address the redis crate does not
    /// accept.
    pub fn open<I: IntoConnectionInfo>(
        nodes: impl IntoIterator<Item = I>,
    ) -> Result<Client, Error> {
        Ok(Client::builder(nodes)?.build())
    }

    /// A builder, to change the settings.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub fn builder<I: IntoConnectionInfo>(
        nodes: impl IntoIterator<Item = I>,
    ) -> Result<ClientBuilder, Error> {
        let (settings, seeds) = Settings::of_nodes(nodes)?;
        Ok(ClientBuilder {
            shared: Shared::new(settings, seeds),
        })
    }

    /// A session, which sends commands. Each thread that sends commands needs one of its own. It
    /// connects when there is something to send.
    pub fn session(&self) -> Session {
        Session::new(self.shared.clone())
    }

    /// Keeps the cache up to date in the background, until the handle is dropped: a thread with a
    /// connection of its own waits in `SLOTHINT.WATCH` and fetches the map when it has changed.
    ///
    /// If a node has no such command, or does not permit it to this user, the next node is watched.
    /// The thread ends by itself when all known nodes have refused.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn watch(&self) -> std::io::Result<Watch> {
        Watch::start(self.shared.clone())
    }

    /// What has happened so far.
    pub fn stats(&self) -> Stats {
        self.shared.stats.read()
    }

    /// The primary of this key's slot, as the cache knows it; `None` if the slot is not in the
    /// cache. Commands with the key go there, unless that node cannot be reached.
    pub fn node_of(&self, key: impl AsRef<[u8]>) -> Option<Node> {
        let slot = durable_core::slot::of_key(key.as_ref());
        self.shared.know().cache.primary_of(slot).cloned()
    }

    /// How many of the 16,384 slots are in the cache.
    pub fn known_slots(&self) -> usize {
        self.shared.know().cache.known()
    }

    /// Whether any known node may be asked for `SLOTHINT`, because it has not refused it.
    ///
    /// A node refuses for itself alone: it has not loaded the module, does not run in cluster mode,
    /// or does not permit the command to this user. Without the permission for `SLOTHINT.MAP` or
    /// `SLOTHINT.WATCH`, only these requests are left out.
    ///
    /// This may become true again. A node that could not be reached is asked again when it is back,
    /// because it may have been started with the module. Nodes that become known are asked as well.
    /// While this is false, redirections fill the cache, and maps if `SLOTHINT.MAP` is permitted.
    pub fn uses_hints(&self) -> bool {
        self.shared.know().may_ask(HintRequest::Keys)
    }

    /// Forgets all refusals, so all nodes may be asked for hints again. Call this after the module
    /// has been loaded, or the user has been given the permission.
    pub fn use_hints_again(&self) {
        self.shared.know().forget_refusals();
        self.shared.fetches.allow();
    }
}

impl ClientBuilder {
    /// Maps the announced addresses of nodes to those at which they can be reached: behind NAT, or
    /// in another network of containers.
    ///
    /// `map` gets each host and port that a server names, and returns what to dial. If the server
    /// names no host, `map` gets the host at which the server was dialled. The nodes given to
    /// [`Client::builder`] are dialled as they are.
    pub fn address_map(
        mut self,
        map: impl Fn(&str, u16) -> (String, u16) + Send + Sync + 'static,
    ) -> ClientBuilder {
        self.shared.settings.address_map = Some(Box::new(map));
        self
    }

    /// The TLS settings for nodes that are named by `rediss://`: which certificates to trust, and
    /// the client's own certificate if servers require one. All nodes share these settings. See the
    /// section on TLS in the documentation of the crate.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> ClientBuilder {
        self.shared.tls = Some(config);
        self
    }

    /// Whether hints are requested for slots that are not known: a batch begins with a `SLOTHINT`
    /// for its keys, and a single command with a `SLOTHINT.MAP`. Default: yes. This costs one round
    /// trip and saves the redirections. If no node has the module, redirections fill the cache.
    ///
    /// Sessions that miss at the same time fetch the map once. For a second after that, no single
    /// command fetches it again. Otherwise each command of a slot without an owner would fetch it.
    ///
    /// Two kinds of request do not depend on this setting: the hint for a command that names no key
    /// ([`Command::routed_by`](crate::Command::routed_by)), and the map after a node has failed.
    pub fn hint_batches(mut self, hint: bool) -> ClientBuilder {
        self.shared.settings.hint_batches = hint;
        self
    }

    /// How long a command is tried again after it was turned away (`TRYAGAIN`, `CLUSTERDOWN`,
    /// `LOADING`, nodes that cannot be reached, more than 16 redirections), and after `UNACKED` to
    /// a command by [`Command::once`](crate::Command::once). Default: 20 s, which is longer than a
    /// failover takes with the default settings of servers. The waits in between grow from 8 ms to
    /// half a second.
    ///
    /// The time begins when the command is turned away for the first time. If it waits behind an
    /// earlier command of the same slot, the time begins when that one is turned away for the first
    /// time. The first 16 redirections do not begin it. An attempt that has begun in time is not
    /// broken off, so connecting and waiting for a reply may come on top once. Zero means one
    /// attempt, without a hint before it.
    ///
    /// The hint before the commands is requested from two nodes at most. Together they get this
    /// time; each answer gets [`connect_timeout`](Self::connect_timeout).
    pub fn retry_for(mut self, limit: Duration) -> ClientBuilder {
        self.shared.settings.retry_for = limit;
        self
    }

    /// How long connecting may take, TLS and authentication included. Default: 2 s. At least 1 ms.
    ///
    /// The same limit holds for the reply to `PING` on a connection that was idle, and for the
    /// hints before commands, from the first byte sent to the last byte read. The lookup of a host
    /// name is not included; the system limits it. The addresses of a host name share this time.
    pub fn connect_timeout(mut self, limit: Duration) -> ClientBuilder {
        self.shared.settings.connect_timeout = limit.max(Duration::from_millis(1));
        self
    }

    /// How long a reply may take until the connection counts as dead and the outcome as unknown;
    /// `None` means for ever. Default: 5 s. At least 1 ms. It has to be longer than any wait that
    /// commands request: `TIMEOUT` of the durable commands, blocking commands.
    ///
    /// The time begins when the commands begin to be sent, or when the reply before has been read,
    /// and ends with the last byte of the reply. Sending what is under way to a node
    /// ([`Session::batch`]) has the same limit. So it also has to be longer than the largest value
    /// takes on the slowest line. Nodes that do not answer share this time. Each still gets an
    /// eighth of the limit, and at least 100 ms, for its first reply.
    pub fn response_timeout(mut self, limit: Option<Duration>) -> ClientBuilder {
        self.shared.settings.response_timeout =
            limit.map(|limit| limit.max(Duration::from_millis(1)));
        self
    }

    /// A connection that was idle for longer than this is tried out with `PING` before a command is
    /// sent: the server may have closed it. Default: 5 s.
    pub fn check_idle(mut self, after: Duration) -> ClientBuilder {
        self.shared.settings.check_idle = after;
        self
    }

    /// The client. It does not connect yet.
    pub fn build(self) -> Client {
        Client {
            shared: Arc::new(self.shared),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client")
            .field("known_slots", &self.known_slots())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
