//! Reads the reply to ROLE: the end of the primary's stream, and its online links.
//!
//! Source: `roleCommand` in `replication.c`. Example, in RESP2 and without line ends: `*3 $6 master
//! :187 *1 *3 $9 127.0.0.1 $4 6380 $3 150` says that the stream ends at 187, and that the replica
//! at 127.0.0.1:6380 has acknowledged 150.
//!
//! The reply is read as bytes. To walk through it by the module API costs a third as much as the
//! command itself.

use smallvec::SmallVec;

use super::{port, Link};
use crate::resp::{Cursor, Unreadable};
use crate::units::Offset;

/// What ROLE says on a primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role<'a> {
    /// The end of the stream.
    pub offset: Offset,
    /// The online links, in the server's order. Few primaries have more than three, and a look
    /// is taken for each lone write: it should need no memory.
    pub links: SmallVec<[Link<'a>; 3]>,
}

impl<'a> Role<'a> {
    /// Reads the reply. `None` on a replica, and for a reply that is not understood.
    pub fn read(reply: &'a [u8]) -> Option<Self> {
        Self::primary(Cursor(reply)).ok()?
    }

    fn primary(mut reply: Cursor<'a>) -> Result<Option<Self>, Unreadable> {
        reply.array()?;
        if reply.string()? != b"master" {
            return Ok(None);
        }
        let Some(offset) = offset(reply.number()?) else {
            return Ok(None);
        };
        let mut links = SmallVec::new();
        for _ in 0..reply.array()? {
            links.extend(link(&mut reply)?);
        }
        Ok(Some(Self { offset, links }))
    }
}

/// Reads one link: host, port and acknowledged offset. `None` for an offset that is none.
fn link<'a>(reply: &mut Cursor<'a>) -> Result<Option<Link<'a>>, Unreadable> {
    let fields = reply.array()?;
    let (host, announced, acked) = (reply.string()?, reply.number()?, reply.number()?);
    for _ in 3..fields {
        reply.skip()?;
    }
    Ok(offset(acked).map(|acked| Link {
        host,
        port: port(announced),
        online: true,
        acked,
    }))
}

fn offset(number: i64) -> Option<Offset> {
    u64::try_from(number).ok().map(Offset::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: &[u8] =
        b"*3\r\n$6\r\nmaster\r\n:187\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n$3\r\n150\r\n";

    fn link(host: &[u8], port: u16, acked: u64) -> Link<'_> {
        Link {
            host,
            port,
            online: true,
            acked: Offset::new(acked),
        }
    }

    #[test]
    fn a_primary_has_an_offset_and_links() {
        let role = Role::read(ONE).expect("a primary");
        assert_eq!(role.offset, Offset::new(187));
        assert_eq!(role.links[..], [link(b"127.0.0.1", 6380, 150)]);
        let none = Role::read(b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n").expect("a primary");
        assert_eq!((none.offset, none.links.len()), (Offset::new(0), 0));
    }

    #[test]
    fn a_host_may_have_line_ends_and_a_link_without_a_port_has_port_0() {
        let reply = b"*3\r\n$6\r\nmaster\r\n:9\r\n*2\r\n\
            *3\r\n$4\r\na\r\nb\r\n$1\r\n0\r\n$1\r\n0\r\n\
            *4\r\n$0\r\n\r\n:7\r\n:5\r\n*1\r\n:1\r\n";
        let role = Role::read(reply).expect("a primary");
        assert_eq!(role.links[..], [link(b"a\r\nb", 0, 0), link(b"", 7, 5)]);
    }

    #[test]
    fn a_replica_is_no_primary_and_an_offset_below_0_is_none() {
        let replica = b"*5\r\n$5\r\nslave\r\n$1\r\nh\r\n:6379\r\n$9\r\nconnected\r\n:187\r\n";
        assert_eq!(Role::read(replica), None);
        assert_eq!(Role::read(b"*3\r\n$6\r\nmaster\r\n:-1\r\n*0\r\n"), None);
        assert_eq!(Role::read(b"-ERR unknown command\r\n"), None);
        let unknown = b"*3\r\n$6\r\nmaster\r\n:9\r\n*1\r\n*3\r\n$1\r\nh\r\n$1\r\n7\r\n$2\r\n-1\r\n";
        assert_eq!(Role::read(unknown).expect("a primary").links[..], []);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(reply: Vec<u8>, cut in 0..ONE.len()) {
            Role::read(&reply);
            prop_assert_eq!(Role::read(&ONE[..cut]), None);
        }
    }
}
