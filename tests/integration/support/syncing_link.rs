//! A replication link that waits for its full synchronization.

use testkit::{eventually, RawConn, Server};

/// A link of a replica that waits for its full synchronization, which does not begin.
pub fn syncing_link(primary: &Server, port: u16, host: &str) -> RawConn {
    primary.run::<()>(&["CONFIG", "SET", "repl-diskless-sync", "yes"]);
    primary.run::<()>(&["CONFIG", "SET", "repl-diskless-sync-delay", "3600"]);
    let mut link = primary.raw();
    introduce(&mut link, port, host);
    link.send(&["PSYNC", "?", "-1"]);
    wait_for_syncing(primary);
    link
}

/// Does the handshake of a replica that announces this host and port, up to PSYNC.
pub fn introduce(link: &mut RawConn, port: u16, host: &str) {
    for words in [
        ["REPLCONF", "listening-port", &port.to_string()],
        ["REPLCONF", "ip-address", host],
        ["REPLCONF", "capa", "eof"],
    ] {
        assert_eq!(link.call_text(&words), "+OK\r\n");
    }
}

/// Waits until INFO replication shows a link that waits for its full synchronization.
pub fn wait_for_syncing(primary: &Server) {
    eventually("the link to wait for its synchronization", || {
        let text: String = primary.run(&["INFO", "replication"]);
        text.contains("state=wait_bgsave")
    });
}
