//! Reads the replica links of `INFO replication`, one line each:
//! `slave0:ip=10.0.0.3,port=6379,state=online,offset=1234,lag=0`.
//!
//! ROLE shows online links only. INFO also shows a link whose synchronization has just begun.
//! Source: `genRedisInfoString` in the server's `server.c`.

use super::Link;
use crate::units::Offset;

/// Reads the value of a `slave0`, `slave1`, … field: the text after the colon. Returns `None` for
/// any other text.
///
/// The host is whatever the replica announced and may contain commas and equals signs. So the last
/// `,port=` ends it: in `ip=a,port=1,port=6379,…` the host is `a,port=1`.
pub fn link(line: &[u8]) -> Option<Link<'_>> {
    let line = line.strip_prefix(b"ip=")?;
    let at = last(line, b",port=")?;
    let (host, fields) = (line.get(..at)?, line.get(at..)?);
    let field = |name: &[u8]| {
        let mut fields = fields.split(|&byte| byte == b',');
        fields.find_map(|field| field.strip_prefix(name))
    };
    Some(Link {
        host,
        port: port(number(field(b"port=")?)?),
        online: field(b"state=")? == b"online",
        acked: Offset::new(number(field(b"offset=")?)?),
    })
}

/// Returns the links of INFO if ROLE confirms them, else `None`. `role` holds ROLE's links, which
/// are the online ones in the same order. `connected` is INFO's `connected_slaves`; it may exceed
/// the number of lines, since INFO leaves some links out.
///
/// A replica may announce a host with line ends in it. INFO writes them unescaped, so a link can
/// forge lines about others. ROLE returns each host as one string. So the online links have to be
/// equal in both, and a listing with a control character in a host is refused.
pub fn confirmed_by_role<'a>(
    info: Vec<Link<'a>>,
    role: &[Link<'_>],
    connected: Option<usize>,
) -> Option<Vec<Link<'a>>> {
    let plain = |link: &Link<'_>| !link.host.iter().any(u8::is_ascii_control);
    let online = info.iter().filter(|link| link.online);
    let agree = online.eq(role)
        && info.iter().all(plain)
        && connected.is_some_and(|connected| connected >= info.len());
    agree.then_some(info)
}

/// The index of the last occurrence of `wanted`.
fn last(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .rposition(|window| window == wanted)
}

/// A port as it was announced. Returns 0, on which nobody listens, for a number out of range.
pub fn port(announced: i64) -> u16 {
    u16::try_from(announced).unwrap_or(0)
}

fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(String, u16, bool, u64)> {
        let link = link(line.as_bytes())?;
        let host = String::from_utf8_lossy(link.host).into_owned();
        Some((host, link.port, link.online, link.acked.get()))
    }

    #[test]
    fn a_line_names_the_address_the_state_and_the_acknowledged_offset() {
        assert_eq!(
            read("ip=10.0.0.3,port=6379,state=online,offset=1234,lag=0"),
            Some(("10.0.0.3".into(), 6379, true, 1234))
        );
        assert_eq!(
            read("ip=fd00::3,port=0,state=wait_bgsave,offset=0,lag=0,type=main-channel"),
            Some(("fd00::3".into(), 0, false, 0))
        );
    }

    #[test]
    fn a_host_with_commas_does_not_replace_the_fields_of_its_line() {
        let line = "ip=a,port=1,state=online,offset=9,port=6379,state=send_bulk,offset=0,lag=0";
        let host = "a,port=1,state=online,offset=9";
        assert_eq!(read(line), Some((host.into(), 6379, false, 0)));
    }

    #[test]
    fn a_port_out_of_range_is_read_as_0() {
        for port in ["70000", "-5", "0"] {
            let line = format!("ip=a,port={port},state=online,offset=1,lag=0");
            assert_eq!(read(&line), Some(("a".into(), 0, true, 1)));
        }
    }

    #[test]
    fn a_listing_that_role_does_not_confirm_is_refused() {
        let link = |host: &'static [u8], online| Link {
            host,
            port: 1,
            online,
            acked: Offset::new(5),
        };
        let info = vec![link(b"a", true), link(b"b", false), link(b"c", true)];
        let role = [link(b"a", true), link(b"c", true)];
        let same = confirmed_by_role(info.clone(), &role, Some(3));
        assert_eq!(same, Some(info.clone()));
        assert_eq!(confirmed_by_role(info.clone(), &role[..1], Some(3)), None);
        assert_eq!(
            confirmed_by_role(info.clone(), &role, Some(4)),
            Some(info.clone())
        );
        assert_eq!(confirmed_by_role(info.clone(), &role, Some(2)), None);
        assert_eq!(confirmed_by_role(info.clone(), &role, None), None);
        assert_eq!(confirmed_by_role(info, &[role[1], role[0]], Some(3)), None);
        let forged = vec![link(b"a\r\nslave1:ip=b", false)];
        assert_eq!(confirmed_by_role(forged, &[], Some(1)), None);
    }

    #[test]
    fn malformed_lines_are_not_links() {
        for text in [
            "",
            "ip=",
            "ip=a,port=x,state=online,offset=1",
            "ip=a,port=1,state=online,offset=-1",
            "ip=a,port=1,offset=1",
            "host=a,port=1,state=online,offset=1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
