//! The client: its settings, and what its sessions share.

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

/// A cluster as one program sees it. Cheap to clone, and all clones are the same client: they share
/// the cache, so that what one session learns all know.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// Settings of a [`Client`]. Made by [`Client::builder`].
pub struct ClientBuilder {
    shared: Shared,
}

impl Client {
    /// A client with the default settings. Connects to nobody yet.
    ///
    /// `nodes` are addresses of some nodes of the cluster, as the redis crate takes them:
    /// `redis://user:password@host:port`, `rediss://…` for TLS, `unix:///path`, or a
    /// [`ConnectionInfo`]. Nodes that are learnt of are connected to like the first one of these:
    /// user, password, protocol, and TLS or none. TLS needs [`ClientBuilder::tls`], too.
    ///
    /// # Errors
    /// [`Error::Configuration`] for no node at all, or one that the redis crate does not
    /// understand.
    pub fn open<I: IntoConnectionInfo>(
        nodes: impl IntoIterator<Item = I>,
    ) -> Result<Client, Error> {
        Ok(Client::builder(nodes)?.build())
    }

    /// The same, with settings to change.
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

    /// A session: what sends commands. Each thread that sends any needs one of its own. Connects
    /// when there is something to send.
    pub fn session(&self) -> Session {
        Session::new(self.shared.clone())
    }

    /// Keeps the cache up to date in the background, until the handle is dropped: a thread with a
    /// connection of its own waits in `SLOTHINT.WATCH` and fetches the map whenever that has
    /// changed.
    ///
    /// A node that has no such command, or not for this user, is followed by the next. It ends by
    /// itself when all nodes that are known by then have refused.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn watch(&self) -> std::io::Result<Watch> {
        Watch::start(self.shared.clone())
    }

    /// What happened so far.
    pub fn stats(&self) -> Stats {
        self.shared.stats.read()
    }

    /// The node that a command with this key would be sent to now, if its slot is in the cache.
    pub fn node_of(&self, key: impl AsRef<[u8]>) -> Option<Node> {
        let slot = durable_core::slot::of_key(key.as_ref());
        self.shared.know().cache.primary_of(slot).cloned()
    }

    /// How many of the 16,384 slots are in the cache.
    pub fn known_slots(&self) -> usize {
        self.shared.know().cache.known()
    }

    /// Whether there is a node to ask for `SLOTHINT`: one that is known, and has not refused it.
    ///
    /// A node refuses for itself alone: it has not loaded the module, is in no cluster, or does not
    /// permit the command to this user. Without the permission for `SLOTHINT.MAP` or
    /// `SLOTHINT.WATCH` only these are not asked for. A node that could not be reached is asked
    /// again when it is back, since it may have been started with the module; others that are
    /// learnt of are asked as well, so this may become true again. Where it is false, `MOVED` alone
    /// fills the cache.
    pub fn uses_hints(&self) -> bool {
        self.shared.know().may_ask(HintRequest::Keys)
    }

    /// Asks all nodes for hints again, after the module has been loaded or the user been given the
    /// permission.
    pub fn use_hints_again(&self) {
        self.shared.know().forget_refusals();
        self.shared.fetches.allow();
    }
}

impl ClientBuilder {
    /// Where the nodes really are, for a client that cannot reach them where they say they are:
    /// behind NAT, in another network of containers.
    ///
    /// `map` is given each host and port that a server names, and returns what to dial. Where a
    /// server names no host it is given the host that the server was dialled at. The nodes given to
    /// [`Client::builder`] are dialled as they are.
    pub fn address_map(
        mut self,
        map: impl Fn(&str, u16) -> (String, u16) + Send + Sync + 'static,
    ) -> ClientBuilder {
        self.shared.settings.address_map = Some(Box::new(map));
        self
    }

    /// How TLS is spoken with nodes that are named by `rediss://`: whom to trust, and a certificate
    /// of the client's where servers want one. All nodes share these settings. See the section on
    /// TLS in the documentation of the crate.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> ClientBuilder {
        self.shared.tls = Some(config);
        self
    }

    /// Whether hints are asked for where slots are not known: a batch begins with a `SLOTHINT` for
    /// its keys, and a single command with a `SLOTHINT.MAP`. Default: yes. Costs one round trip,
    /// and saves the redirections.
    ///
    /// Sessions that miss at the same time fetch the map once, and for a second after that nobody
    /// fetches it for a slot that it has left open. Where no node has the module, redirections
    /// tell.
    pub fn hint_batches(mut self, hint: bool) -> ClientBuilder {
        self.shared.settings.hint_batches = hint;
        self
    }

    /// How long a command is tried that is turned away (`TRYAGAIN`, `CLUSTERDOWN`, `LOADING`, nodes
    /// that cannot be reached, more than 16 redirections). Default: 20 s, longer than a failover
    /// takes with the servers' default settings. The waits in between grow from 8 ms to half a
    /// second.
    ///
    /// The time begins when the command is turned away for the first time, or an earlier command of
    /// the same slot that it has to wait for. Redirections do not begin it. An attempt that has
    /// been begun in time is not broken off, so connecting and waiting for a reply come on top,
    /// once. Zero is for one attempt. The hint before it takes as long at most: connecting, sending
    /// and the whole answer, of however many nodes.
    pub fn retry_for(mut self, limit: Duration) -> ClientBuilder {
        self.shared.settings.retry_for = limit;
        self
    }

    /// How long connecting may take, TLS and authentication included. Default: 2 s. At least 1 ms.
    ///
    /// It is also the time for the reply to `PING` on a connection that was idle, and to the hints
    /// that are asked for before commands, from the first byte that is sent to the last one that is
    /// read. Not included is the lookup of a host name, which the system limits. The addresses of a
    /// name share this time.
    pub fn connect_timeout(mut self, limit: Duration) -> ClientBuilder {
        self.shared.settings.connect_timeout = limit.max(Duration::from_millis(1));
        self
    }

    /// How long a reply may take, until the connection counts as dead and the outcome as unknown;
    /// `None` is for ever. Default: 5 s. It has to be longer than any wait that commands ask for:
    /// `TIMEOUT` of the durable commands, blocking commands. At least 1 ms.
    ///
    /// It runs from when the commands were sent or the reply before it was read to the end, to its
    /// last byte. Sending what is under way to a node ([`Session::batch`]) has the same limit. So
    /// it has to be longer, too, than the largest value takes on the slowest line. Several nodes
    /// that are silent at a time are waited for together, each further one for an eighth of this.
    pub fn response_timeout(mut self, limit: Option<Duration>) -> ClientBuilder {
        self.shared.settings.response_timeout =
            limit.map(|limit| limit.max(Duration::from_millis(1)));
        self
    }

    /// A connection that was not used for longer than this is tried with `PING` before a command is
    /// sent, since a server may have closed it. Default: 5 s.
    pub fn check_idle(mut self, after: Duration) -> ClientBuilder {
        self.shared.settings.check_idle = after;
        self
    }

    /// The client. Connects to nobody yet.
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
