//! The coordinator by example.

mod lone;
mod timers;

use super::*;
use crate::replicas::{Link, Listing};
use crate::units::{Millis, Offset};

const TIMER: Setup = Setup {
    release_point: ReleasePoint::Timer,
    is_cluster: false,
    hears_acknowledgements: false,
    releases_when_heard: false,
    wakes_after_last_timer: false,
};

const ONE: Need = Need {
    replicas: 1,
    fsync: 0,
};

fn ms(ms: u64) -> Micros {
    Millis::new(ms).to_micros()
}

/// A look: the stream ends at `offset`, and one replica has acknowledged `acked`.
fn look(coordinator: &mut Coordinator<()>, offset: u64, acked: u64, now: Micros) {
    let link = Link {
        host: b"h",
        port: 1,
        online: true,
        acked: Offset::new(acked),
    };
    let online = [link].into_iter();
    if !coordinator.role_seen(Offset::new(offset), now, online) {
        let listing = Listing {
            offset: Offset::new(offset),
            links: vec![link],
            connected: 1,
            granted: Some(1),
        };
        coordinator.listed(listing, now);
    }
}

/// A coordinator with one replica that has acknowledged everything up to offset 100. The last
/// request is at 63 and is 37 bytes long, so it ends at 100 as well.
fn primary(setup: Setup) -> Coordinator<()> {
    let mut coordinator = Coordinator::new(setup);
    coordinator.used(Micros::new(0));
    assert!(coordinator.turn_ends(), "it does not know its replicas");
    look(&mut coordinator, 63, 0, Micros::new(0));
    let actions = coordinator.looked_at_turn_end(true, false, Micros::new(0));
    assert_eq!(actions.request, Some(Request { db: 0 }));
    assert!(!coordinator.request_sent());
    assert!(!coordinator.turn_ends(), "nobody waits");
    look(&mut coordinator, 100, 100, Micros::new(0));
    coordinator
}

fn accept(coordinator: &mut Coordinator<()>, client: u64, timeout: Option<Micros>, now: Micros) {
    let accepted = coordinator.accept(client, ONE, timeout, 3, now, ());
    accepted.expect("the client does not wait yet");
}

#[test]
fn an_unused_module_sends_no_request_and_the_first_command_counts_links_that_were_not_asked() {
    let secs = Micros::from_secs;
    let mut coordinator = Coordinator::<()>::new(TIMER);
    assert!(coordinator.turn_ends(), "it does not know its replicas");
    look(&mut coordinator, 63, 0, secs(0));
    let actions = coordinator.looked_at_turn_end(true, false, secs(0));
    assert_eq!(actions.request, None);
    assert!(!coordinator.needs_turns() && !coordinator.turn_ends());
    assert!(!coordinator.knows_enough_replicas(1));
    assert_eq!(coordinator.connected(secs(0)), 1);
    // The first command.
    coordinator.used(secs(10));
    assert!(coordinator.needs_turns() && coordinator.turn_ends());
    look(&mut coordinator, 63, 0, secs(10));
    let actions = coordinator.looked_at_turn_end(true, false, secs(10));
    assert_eq!(actions.request, Some(Request { db: 0 }));
    coordinator.request_sent();
    assert_eq!(coordinator.connected(secs(11)), 1);
    assert_eq!(coordinator.connected(secs(12)), 0, "it has not answered");
    assert_eq!(coordinator.acks().replicas(), 0);
    // A replica that comes while commands are in use is asked, and counts once it has answered.
    coordinator.replica_changed(true);
    assert!(coordinator.needs_turns());
    assert_eq!(coordinator.connected(secs(13)), 0);
    // A minute after the last command it would not be asked.
    coordinator.cron(10, secs(70));
    assert!(coordinator.requests.has_unasked());
    assert_eq!(coordinator.connected(secs(70)), 1);
}

#[test]
fn a_replica_that_acknowledges_by_itself_when_it_comes_gets_no_request() {
    let now = Micros::new(0);
    let mut coordinator = Coordinator::<()>::new(TIMER);
    coordinator.used(now);
    coordinator.replica_changed(true);
    assert!(coordinator.turn_ends());
    look(&mut coordinator, 63, 63, now);
    let actions = coordinator.looked_at_turn_end(true, false, now);
    assert_eq!(actions.request, None);
    assert!(!coordinator.needs_turns() && !coordinator.turn_ends());
    assert!(coordinator.knows_enough_replicas(1));
}

/// A server that tells who acknowledges, and a replica `h:1` that is client 5.
fn hearing() -> Coordinator<()> {
    let setup = Setup {
        hears_acknowledgements: true,
        releases_when_heard: true,
        ..TIMER
    };
    let mut coordinator = Coordinator::new(setup);
    coordinator.used(Micros::new(0));
    let announce = [&b"listening-port"[..], b"1", b"ACK", b"0"];
    coordinator.fsyncs.replconf(5, announce.into_iter());
    coordinator.replica_changed(true);
    // The first acknowledgement comes before the look-up.
    assert!(!hear(&mut coordinator, 5, 0));
    let asked = coordinator.fsyncs.clients_to_look_up();
    let listed = [(5, Some(b"h".to_vec()))].into();
    coordinator.looked_up(&asked, &listed);
    look(&mut coordinator, 100, 100, Micros::new(0));
    coordinator
}

/// A client's write is in the stream, which ends at 150.
fn write_of_client_7(coordinator: &mut Coordinator<()>) {
    coordinator.turn_begins();
    accept(coordinator, 7, None, Micros::new(0));
    assert!(coordinator.turn_ends(), "its offset is not known");
    look(coordinator, 150, 100, Micros::new(0));
    let actions = coordinator.looked_at_turn_end(true, false, Micros::new(0));
    assert!(actions.request.is_some() && actions.released.is_empty());
    coordinator.request_sent();
    coordinator.turn_begins();
}

fn hear(coordinator: &mut Coordinator<()>, client: u64, acked: u64) -> bool {
    coordinator.acknowledgement_heard(client, Offset::new(acked), Micros::new(0))
}

#[test]
fn an_acknowledgement_that_is_heard_releases_a_wait_without_a_look_and_without_a_timer() {
    let mut coordinator = hearing();
    write_of_client_7(&mut coordinator);
    let changes = coordinator.timer_changes(Micros::new(0));
    assert_eq!(changes.turn, TimerChange::Keep);
    assert!(!hear(&mut coordinator, 5, 149), "not enough");
    assert!(!coordinator.turn_ends());
    coordinator.turn_begins();
    assert!(hear(&mut coordinator, 5, 150));
    let released = coordinator.release_heard(Micros::new(0)).released;
    assert_eq!(released.first().map(|(client, _)| *client), Some(7));
    assert_eq!(coordinator.waiting(), 0);
}

#[test]
fn what_cannot_be_taken_is_looked_at() {
    // More than was written, and a client that nobody knows.
    for (client, acked) in [(5, 151), (6, 150)] {
        let mut coordinator = hearing();
        write_of_client_7(&mut coordinator);
        assert!(!hear(&mut coordinator, client, acked));
        assert!(coordinator.turn_ends(), "{client}");
    }
    // Links may have changed since the last look.
    let mut coordinator = hearing();
    write_of_client_7(&mut coordinator);
    coordinator.replica_changed(false);
    assert!(!hear(&mut coordinator, 5, 150) && coordinator.turn_ends());
    let mut coordinator = hearing();
    write_of_client_7(&mut coordinator);
    coordinator.replicas.psync_seen();
    assert!(!hear(&mut coordinator, 5, 150) && coordinator.turn_ends());
}

#[test]
fn after_a_call_that_may_have_hidden_an_acknowledgement_the_replicas_are_looked_at() {
    let mut coordinator = hearing();
    write_of_client_7(&mut coordinator);
    assert!(!coordinator.turn_ends());
    coordinator.turn_begins();
    coordinator.may_have_missed();
    assert!(coordinator.turn_ends());
}

#[test]
fn what_a_client_acknowledges_that_is_no_replica_is_ignored() {
    let mut coordinator = hearing();
    let announce = [&b"listening-port"[..], b"1", b"ACK", b"150"];
    coordinator.fsyncs.replconf(6, announce.into_iter());
    let asked = coordinator.fsyncs.clients_to_look_up();
    coordinator.looked_up(&asked, &[(6, None)].into());
    write_of_client_7(&mut coordinator);
    assert!(!hear(&mut coordinator, 6, 150) && !coordinator.turn_ends());
    assert_eq!(coordinator.waiting(), 1);
}

#[test]
fn a_write_is_released_in_the_turn_after_its_acknowledgement() {
    let mut coordinator = primary(TIMER);
    coordinator.turn_begins();
    accept(&mut coordinator, 7, None, Micros::new(0));
    assert!(coordinator.turn_ends());
    look(&mut coordinator, 150, 100, Micros::new(0));
    let actions = coordinator.looked_at_turn_end(true, false, Micros::new(0));
    assert_eq!(actions.request, Some(Request { db: 3 }));
    assert!(actions.released.is_empty() && !actions.wake);
    coordinator.request_sent();

    coordinator.turn_begins();
    assert_eq!(
        coordinator.timer_changes(ms(1)).turn,
        TimerChange::Start(0),
        "somebody waits"
    );
    let todo = coordinator.turn_timer_fired(ms(1));
    assert!(todo.look && !todo.check_cluster);
    look(&mut coordinator, 187, 150, ms(1));
    let actions = coordinator.looked_in_timer(true, ms(1));
    let released: Vec<_> = actions.released.iter().map(|&(client, _)| client).collect();
    assert_eq!((released, actions.longest), (vec![7], ms(1)));
    assert_eq!(coordinator.stats.counters.acked, 1);
}

#[test]
fn redis_7_0_releases_at_the_end_of_the_turn() {
    let mut coordinator = primary(Setup {
        release_point: ReleasePoint::TurnEnd,
        ..TIMER
    });
    accept(&mut coordinator, 7, None, Micros::new(0));
    coordinator.turn_begins();
    assert_eq!(
        coordinator.timer_changes(Micros::new(0)).turn,
        TimerChange::Keep
    );
    assert!(coordinator.turn_ends());
    // A read: the replica holds everything already.
    look(&mut coordinator, 100, 100, Micros::new(0));
    let actions = coordinator.looked_at_turn_end(true, false, Micros::new(0));
    assert_eq!(actions.released.len(), 1);
    assert_eq!((actions.request, actions.wake), (None, false));
}

#[test]
fn a_read_that_is_satisfied_already_wakes_the_event_loop_instead_of_a_request() {
    let mut coordinator = primary(TIMER);
    coordinator.turn_begins();
    accept(&mut coordinator, 7, None, Micros::new(0));
    assert!(coordinator.turn_ends());
    look(&mut coordinator, 100, 100, Micros::new(0));
    let actions = coordinator.looked_at_turn_end(true, false, Micros::new(0));
    assert!(actions.wake && actions.request.is_none());
}

#[test]
fn a_command_after_the_end_of_the_turn_wakes_the_event_loop() {
    let mut coordinator = primary(TIMER);
    assert_eq!(
        coordinator.accept(7, ONE, None, 0, Micros::new(0), ()),
        Ok(true),
        "the turn has ended"
    );
    coordinator.turn_begins();
    assert_eq!(
        coordinator.accept(8, ONE, None, 0, Micros::new(0), ()),
        Ok(false)
    );
}

#[test]
fn a_failed_look_assigns_no_offset_and_sends_no_request() {
    let mut coordinator = primary(TIMER);
    coordinator.turn_begins();
    accept(&mut coordinator, 7, None, Micros::new(0));
    assert!(coordinator.turn_ends());
    let actions = coordinator.looked_at_turn_end(false, false, Micros::new(0));
    assert!(actions.request.is_none() && !actions.wake);
    assert_eq!(coordinator.wait_of(7).and_then(|wait| wait.offset), None);
}

#[test]
fn a_wait_that_is_given_up_reports_how_many_replicas_acknowledged_and_how_long_it_waited() {
    let mut coordinator = primary(TIMER);
    let need = Need {
        replicas: 2,
        fsync: 1,
    };
    coordinator.turn_begins();
    coordinator
        .accept(1, need, Some(ms(500)), 0, ms(0), ())
        .expect("the client does not wait yet");
    coordinator.turn_ends();
    look(&mut coordinator, 100, 100, ms(0));
    coordinator.looked_at_turn_end(true, false, ms(0));
    assert_eq!(coordinator.overdue(ms(499)), []);
    assert_eq!(coordinator.overdue(ms(507)), [1]);
    assert!(coordinator.timed_out(1, ms(7), |_| false).is_none());
    let given_up = coordinator.timed_out(1, ms(507), |_| true);
    assert_eq!(
        given_up.map(|given_up| given_up.error).as_deref(),
        Some(
            "UNACKED 1 of 2 replicas acknowledged and 0 of 1 fsynced within 500 ms; \
             applied on the primary, may still reach the replicas"
        )
    );
    assert_eq!(coordinator.stats.counters.unacked, 1);
}

#[test]
fn a_demotion_counts_the_clients_that_the_server_disconnects_before_and_after_it() {
    let mut coordinator = primary(TIMER);
    for client in 1..=3 {
        accept(&mut coordinator, client, None, ms(0));
    }
    assert!(coordinator.disconnected(1, false, |_| true).is_some());
    assert!(coordinator.role_changed(false), "two are lost");
    assert!(coordinator.disconnected(2, true, |_| true).is_some());
    assert_eq!(coordinator.take_lost(), [(3, Loss::Stream)]);
    assert!(coordinator.disconnected(3, false, |_| true).is_some());
    let counters = coordinator.stats.counters;
    assert_eq!((counters.demoted, counters.disconnected), (3, 0));
}

#[test]
fn a_replica_sends_no_requests_and_takes_no_looks() {
    let mut coordinator = primary(TIMER);
    coordinator.role_changed(false);
    coordinator.replica_changed(true);
    assert!(coordinator.turn_ends());
    coordinator.look_failed_on_replica();
    assert!(!coordinator.turn_ends());
}

#[test]
fn commands_are_refused_by_room_share_and_replicas() {
    let mut coordinator = primary(TIMER);
    accept(&mut coordinator, 1, None, ms(0));
    coordinator.attribute(1, b"alice");
    assert_eq!(coordinator.check_room(1), Err(1));
    assert_eq!(coordinator.check_room(2), Ok(()));
    assert_eq!(coordinator.check_share(b"alice", 1), Err(1));
    assert_eq!(coordinator.check_share(b"bob", 1), Ok(()));
    assert_eq!(coordinator.stats.counters.overloaded, 2);
    assert!(coordinator.knows_enough_replicas(1));
    assert!(!coordinator.knows_enough_replicas(2));
    let refused = coordinator.check_replicas(2, ms(0));
    let expected = TooFewReplicas {
        connected: 1,
        required: 2,
        others: 0,
    };
    assert_eq!(refused, Err(expected));
    coordinator.replica_changed(false);
    assert!(!coordinator.knows_enough_replicas(1), "one has gone");
}

#[test]
fn the_last_request_does_not_count_as_lag() {
    let mut coordinator = primary(TIMER);
    coordinator.turn_begins();
    accept(&mut coordinator, 1, None, ms(0));
    coordinator.turn_ends();
    look(&mut coordinator, 150, 100, ms(0));
    coordinator.looked_at_turn_end(true, false, ms(0));
    coordinator.request_sent();
    look(&mut coordinator, 187, 150, ms(0));
    assert_eq!(coordinator.offset_to_reach(), Offset::new(150));
    assert_eq!(coordinator.max_lag(), 0);
    assert_eq!(coordinator.acknowledged_offset(ONE), Offset::new(150));
}
