//! Many clients that do the same, and the servers that they need.

use testkit::{RawConn, Replicated, Server};

pub struct Crowd(Vec<RawConn>);

impl Crowd {
    /// Opens the connections. The server has accepted all of them.
    pub fn open(server: &Server, count: usize) -> Crowd {
        let mut crowd = Crowd((0..count).map(|_| server.raw()).collect());
        crowd.call(&["PING"]);
        crowd
    }

    /// Each client runs one command. The replies have to be no errors.
    pub fn call(&mut self, command: &[&str]) {
        self.send(command);
        for reply in self.read() {
            let text = reply.escape_ascii();
            assert!(!reply.starts_with(b"-"), "{command:?} was answered {text}");
        }
    }

    pub fn send(&mut self, command: &[&str]) {
        self.send_bytes(&testkit::encode_command(command));
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        for client in &mut self.0 {
            client.send_bytes(bytes);
        }
    }

    /// One reply of each client.
    pub fn read(&mut self) -> Vec<Vec<u8>> {
        self.0.iter_mut().map(RawConn::read_reply_bytes).collect()
    }

    /// Reads one reply of each client, which has to begin like this.
    pub fn expect(&mut self, beginning: &str) {
        for reply in self.read() {
            let text = reply.escape_ascii();
            let is_expected = reply.starts_with(beginning.as_bytes());
            assert!(is_expected, "expected {beginning}, the reply is {text}");
        }
    }

    pub fn ids(&mut self) -> Vec<u64> {
        self.0.iter_mut().map(RawConn::client_id).collect()
    }

    /// Ends all connections. No port stays in TIME_WAIT.
    pub fn leave(self) {
        self.0.into_iter().for_each(RawConn::reset);
    }
}

/// A primary for `clients` clients, and its replica. A frozen replica is not given up, and what is
/// kept for replicas does not grow with the writes.
pub fn servers(clients: usize, hz: &str) -> Replicated {
    let hz = hz.to_owned();
    let room = (clients + 100).to_string();
    Replicated::builder()
        .replicas(1)
        .module_on_replicas(false)
        .primary(move |builder| {
            builder
                .config("maxclients", &room)
                .config("hz", &hz)
                .config("repl-timeout", "3600")
                .config("repl-backlog-size", "16kb")
                .config("client-output-buffer-limit", "replica 0 0 0")
                .config("latency-tracking", "no")
                .module_args(&["max-waiters", &room])
        })
        .replica(|_, builder| builder.config("repl-timeout", "3600"))
        .start()
}
