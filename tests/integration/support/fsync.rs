//! Servers without reports of fsyncs.

use testkit::differences::REPORTS_FSYNCS;
use testkit::Server;

use crate::support::say;

/// Returns false on servers with reports of fsyncs. On others it asserts that FSYNC is refused, and
/// returns true.
pub fn fsync_is_refused(primary: &Server) -> bool {
    if primary.has(REPORTS_FSYNCS) {
        return false;
    }
    let mut conn = primary.raw();
    let refused = "-ERR FSYNC needs Redis 7.2 or later\r\n";
    for line in [
        "DURABLE.SET never v FSYNC 1",
        "DURABLE.GET never FSYNC 1",
        "DURABLE.CALL FSYNC 1 SET never v",
        "DURABLE.WAIT FSYNC 1",
        "DURABLE.SET never v FSYNC 5 REPLICAS 1",
    ] {
        assert_eq!(say(&mut conn, line), refused, "{line}");
    }
    assert_eq!(say(&mut conn, "EXISTS never"), ":0\r\n");
    true
}
