//! Groups whose nodes speak with each other by TLS or over IPv6: a member is known by its address.

use crate::support::group::{info, Group};
use crate::support::has_ipv6;

/// Writes, kills the primary, and looks for the write on the next one.
fn survives_a_failover(group: &Group) {
    let [primary, ..] = group.shard();
    assert_eq!(info(primary, "grants"), "2");
    let key = group.key();
    primary.run::<()>(&["DURABLE.SET", &key, "v", "REPLICAS", "2", "TIMEOUT", "0"]);
    primary.kill();
    let next = group.wait_for_another(primary);
    assert_eq!(next.run::<String>(&["GET", &key]), "v");
    next.run::<()>(&["DURABLE.SET", &key, "w", "TIMEOUT", "0"]);
    primary.restart();
    group.wait_until_ready();
}

#[test]
fn a_group_over_tls_survives_a_failover() {
    survives_a_failover(&Group::over_tls());
}

#[test]
fn a_group_over_ipv6_survives_a_failover() {
    if has_ipv6() {
        survives_a_failover(&Group::over_ipv6());
    }
}
