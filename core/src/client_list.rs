//! Reads `CLIENT LIST`, one line for each client:
//! `id=7 addr=127.0.0.1:40000 laddr=127.0.0.1:6379 … flags=N … cmd=get …`.
//!
//! Fields are separated by spaces. The server refuses spaces in all names that it prints there, so
//! each word is one field.

use std::net::SocketAddr;

/// One line of `CLIENT LIST`.
#[derive(Clone, Copy, Debug)]
pub struct ClientLine<'a>(&'a [u8]);

impl<'a> ClientLine<'a> {
    /// The lines of a list.
    pub fn all(list: &'a [u8]) -> impl Iterator<Item = ClientLine<'a>> {
        let lines = list.split(|&byte| byte == b'\n');
        lines.filter(|line| !line.is_empty()).map(ClientLine)
    }

    /// Its id. The server does not give an id twice.
    pub fn id(self) -> Option<u64> {
        std::str::from_utf8(self.field(b"id=")?).ok()?.parse().ok()
    }

    /// The host and port that it connects from; a path for a Unix socket.
    pub fn address(self) -> &'a [u8] {
        self.field(b"addr=").unwrap_or_default()
    }

    /// The host that it connects from, without the brackets of an IPv6 address.
    pub fn host(self) -> Option<Vec<u8>> {
        host_and_port(self.address()).map(|(host, _)| host)
    }

    /// The port of this server that it connected to.
    pub fn local_port(self) -> Option<u16> {
        host_and_port(self.field(b"laddr=")?).map(|(_, port)| port)
    }

    /// True for a replica: flag `S`.
    pub fn is_replica(self) -> bool {
        self.has_flag(b'S')
    }

    /// True for a blocked client: flag `b`.
    pub fn is_blocked(self) -> bool {
        self.has_flag(b'b')
    }

    /// True for a client of a Unix socket: flag `U`.
    pub fn is_unix_socket(self) -> bool {
        self.has_flag(b'U')
    }

    /// The command that it runs, or ran last, as the server spells it.
    pub fn command(self) -> Option<&'a [u8]> {
        self.field(b"cmd=")
    }

    /// True if commands are queued in its transaction. `multi=-1` is no transaction, `multi=0` an
    /// empty one.
    pub fn has_queued(self) -> bool {
        self.field(b"multi=")
            .is_some_and(|queued| queued != b"-1" && queued != b"0")
    }

    fn has_flag(self, flag: u8) -> bool {
        self.field(b"flags=")
            .is_some_and(|flags| flags.contains(&flag))
    }

    fn field(self, name: &[u8]) -> Option<&'a [u8]> {
        self.0
            .split(|&byte| byte == b' ')
            .find_map(|word| word.strip_prefix(name))
    }
}

fn host_and_port(address: &[u8]) -> Option<(Vec<u8>, u16)> {
    let address = std::str::from_utf8(address).ok()?;
    // Most servers write [::1]:40000, some write ::1:40000.
    if let Ok(address) = address.parse::<SocketAddr>() {
        return Some((address.ip().to_string().into_bytes(), address.port()));
    }
    let (host, port) = address.rsplit_once(':')?;
    Some((host.as_bytes().to_vec(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"id=7 addr=127.0.0.1:40000 laddr=127.0.0.1:6379 fd=8 name= flags=N multi=-1 cmd=get user=default\n\
        id=8 addr=[::1]:40001 laddr=[::1]:6380 fd=9 name=cmd flags=bP multi=2 cmd=durable.set\n\
        id=9 addr=::2:40002 flags=S multi=0 cmd=replconf\n\
        id=10 addr=/tmp/redis.sock:0 flags=U multi=-1\n";

    #[test]
    fn each_line_is_a_client() {
        let clients: Vec<_> = ClientLine::all(LIST).collect();
        let ids: Vec<_> = clients.iter().map(|client| client.id()).collect();
        assert_eq!(ids, [7, 8, 9, 10].map(Some));
        let hosts: Vec<_> = clients.iter().map(|client| client.host()).collect();
        let expected = ["127.0.0.1", "::1", "::2", "/tmp/redis.sock"];
        assert_eq!(hosts, expected.map(|host| Some(host.as_bytes().to_vec())));
        let ports: Vec<_> = clients.iter().map(|client| client.local_port()).collect();
        assert_eq!(ports, [Some(6379), Some(6380), None, None]);
    }

    #[test]
    fn flags_and_fields_are_read() {
        let clients: Vec<_> = ClientLine::all(LIST).collect();
        let of = |is: &dyn Fn(ClientLine<'static>) -> bool| -> Vec<bool> {
            clients.iter().map(|&client| is(client)).collect()
        };
        assert_eq!(
            of(&|client| client.is_blocked()),
            [false, true, false, false]
        );
        assert_eq!(
            of(&|client| client.is_replica()),
            [false, false, true, false]
        );
        assert_eq!(
            of(&|client| client.is_unix_socket()),
            [false, false, false, true]
        );
        assert_eq!(
            of(&|client| client.has_queued()),
            [false, true, false, false]
        );
        assert_eq!(clients[1].command(), Some(&b"durable.set"[..]));
        assert_eq!(clients[3].command(), None);
    }

    #[test]
    fn malformed_lines_have_no_fields() {
        for line in [&b"id=x addr=y laddr=: flags"[..], b"\xff \xff", b" "] {
            let client = ClientLine::all(line).next().unwrap();
            assert_eq!(
                (client.id(), client.host(), client.local_port()),
                (None, None, None)
            );
            assert!(!client.is_blocked() && client.command().is_none());
        }
        assert!(ClientLine::all(b"").next().is_none());
    }
}
