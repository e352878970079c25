//! A primary and its replicas. When a test gets them, the replicas have acknowledged everything.

use crate::builder::ServerBuilder;
use crate::eventually::eventually;
use crate::server::Server;

pub struct Replicated {
    // Dropped in this order: otherwise lines about a lost primary would fill the replicas' logs.
    pub replicas: Vec<Server>,
    pub primary: Server,
}

type Hook = Box<dyn Fn(ServerBuilder) -> ServerBuilder>;
type ReplicaHook = Box<dyn Fn(usize, ServerBuilder) -> ServerBuilder>;

/// The description of a primary with replicas. [`Replicated::builder`] makes one.
pub struct ReplicatedBuilder {
    replicas: usize,
    module_on_replicas: bool,
    primary_hook: Hook,
    replica_hook: ReplicaHook,
}

impl Replicated {
    /// Starts a primary with `replicas` replicas. All of them have the module.
    #[track_caller]
    pub fn start(replicas: usize) -> Replicated {
        Replicated::builder().replicas(replicas).start()
    }

    pub fn builder() -> ReplicatedBuilder {
        ReplicatedBuilder {
            replicas: 1,
            module_on_replicas: true,
            primary_hook: Box::new(|builder| builder),
            replica_hook: Box::new(|_, builder| builder),
        }
    }

    /// Waits until `replicas` different replicas have acknowledged everything that the primary has
    /// executed so far. With 0 it returns at once.
    #[track_caller]
    pub fn wait_until_in_step(&self, replicas: usize) {
        wait_until_in_step(&self.primary, replicas, &MESSAGE);
    }
}

impl ReplicatedBuilder {
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Whether the replicas load the module. Default: yes.
    pub fn module_on_replicas(mut self, load: bool) -> Self {
        self.module_on_replicas = load;
        self
    }

    /// Changes the description of the primary.
    pub fn primary(mut self, hook: impl Fn(ServerBuilder) -> ServerBuilder + 'static) -> Self {
        self.primary_hook = Box::new(hook);
        self
    }

    /// Changes the description of each replica. The number counts from 0.
    pub fn replica(
        mut self,
        hook: impl Fn(usize, ServerBuilder) -> ServerBuilder + 'static,
    ) -> Self {
        self.replica_hook = Box::new(hook);
        self
    }

    /// Starts all servers, and waits until every replica has acknowledged everything, which is an
    /// offset above 0.
    #[track_caller]
    pub fn start(self) -> Replicated {
        let primary = (self.primary_hook)(Server::builder().name("primary")).start();
        let replicas = (0..self.replicas)
            .map(|number| {
                let builder = Server::builder()
                    .name(&format!("replica {number}"))
                    .module(self.module_on_replicas)
                    .config("replicaof", &format!("127.0.0.1 {}", primary.port()));
                (self.replica_hook)(number, builder).start()
            })
            .collect();
        wait_until_in_step(&primary, self.replicas, &MESSAGE);
        Replicated { replicas, primary }
    }
}

/// A command that reaches the stream and leaves neither a key nor a change behind. It makes the
/// stream begin: a replica that has received nothing acknowledges 0, like one that is not ready.
const MESSAGE: [&str; 3] = ["PUBLISH", "testkit", "in step?"];

/// Runs `nudge`, a command that reaches the stream. Then waits until `replicas` different replicas
/// have acknowledged everything executed so far.
#[track_caller]
pub(crate) fn wait_until_in_step(primary: &Server, replicas: usize, nudge: &[&str]) {
    primary.run::<()>(nudge);
    let offset = primary.offset();
    let what = format!(
        "{replicas} replicas of {} to acknowledge {offset}",
        primary.name()
    );
    let mut connection = primary.conn();
    eventually(&what, || {
        let mut in_step: Vec<(String, u16)> = primary
            .replica_links()
            .into_iter()
            .filter(|link| link.acked_offset > 0 && link.acked_offset >= offset)
            .map(|link| (link.host, link.port))
            .collect();
        in_step.sort();
        in_step.dedup();
        if in_step.len() >= replicas {
            return true;
        }
        // WAIT makes the replicas acknowledge now instead of in their next report, up to a second
        // later. It works only for a connection that has written something.
        let sent: redis::RedisResult<((), i64)> = redis::pipe()
            .cmd(nudge[0])
            .arg(&nudge[1..])
            .cmd("WAIT")
            .arg(&[replicas, 50])
            .query(&mut connection);
        sent.unwrap_or_else(|error| panic!("{} answered WAIT with {error}", primary.name()));
        false
    });
}
