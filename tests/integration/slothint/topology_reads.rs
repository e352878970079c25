//! The module reads the topology for watchers only while somebody watches. After the last watch no
//! timer keeps the module loaded.

use testkit::{eventually, Server};

use crate::support::slots::{
    alone, let_cron_run, map, read, read_map, rename, set, token, topology_reads, wait_for_blocked,
    Talk,
};
use crate::support::{say, send, unload_and_load_again};

#[test]
fn the_module_stays_while_somebody_watches_and_goes_when_nobody_does() {
    let cluster = alone("100");
    let node = &cluster.nodes[0];
    let (mut watcher, mut operator) = (node.raw(), node.raw());
    let known = token(&mut watcher);
    send(&mut watcher, &format!("SLOTHINT.WATCH {known} 0"));
    wait_for_blocked(node, 1);
    let refused = say(&mut operator, "MODULE UNLOAD durable");
    assert!(refused.starts_with("-ERR"), "{refused}");
    assert_eq!(
        map(&mut operator).token,
        known,
        "the module does not work after a refused unload"
    );
    rename(node, "second.example");
    assert_ne!(read_map(&read(&watcher.take())).token, known);
    unload_and_load_again(node);
    let mut watcher = node.raw();
    // A watch that timed out does not keep the module loaded either.
    let known = token(&mut watcher);
    assert_eq!(
        say(&mut watcher, &format!("SLOTHINT.WATCH {known} 5")),
        "$-1\r\n"
    );
    unload_and_load_again(node);
}

#[test]
fn a_longer_age_does_not_delay_the_end_of_a_wait() {
    let cluster = alone("60000");
    let node = &cluster.nodes[0];
    let mut watcher = node.raw();
    let known = token(&mut watcher);
    send(&mut watcher, &format!("SLOTHINT.WATCH {known} 0"));
    wait_for_blocked(node, 1);
    // The timer is armed for a minute from now. A shorter wait still ends in time.
    assert_eq!(
        say(&mut node.raw(), &format!("SLOTHINT.WATCH {known} 5")),
        "$-1\r\n"
    );
    assert_eq!(topology_reads(node), 1);
    assert!(!watcher.is_readable_now());
    rename(node, "second.example");
    set(node, "durable.slothint-max-age-ms", "100");
    assert_ne!(read_map(&read(&watcher.take())).token, known);
    forgotten(node);
}

#[track_caller]
fn forgotten(node: &Server) {
    wait_for_blocked(node, 0);
    let before = topology_reads(node);
    let_cron_run(node);
    assert_eq!(
        topology_reads(node),
        before,
        "the module reads the topology without watchers"
    );
}

#[test]
fn looks_go_on_only_while_somebody_watches() {
    for age in ["20", "0"] {
        let cluster = alone(age);
        let node = &cluster.nodes[0];
        let mut watcher = node.raw();
        let known = token(&mut watcher);
        send(&mut watcher, &format!("SLOTHINT.WATCH {known} 0"));
        wait_for_blocked(node, 1);
        let before = topology_reads(node);
        eventually("the module to read the topology for the watcher", || {
            topology_reads(node) > before + 5
        });
        drop(watcher);
        forgotten(node);
    }
}
