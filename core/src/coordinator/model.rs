//! Tests the coordinator in a simulated server with replicas.
//!
//! The simulation knows what each replica has really read and fsynced. A turn begins only for an
//! event, a deadline timer or a wake-up. At the end, replicas report only in answer to requests. So
//! a coordinator that forgets a request or a timer leaves waits behind.
//!
//! The model does not see Redis 7.0's sleep. There a timer that is armed at the end of a turn does
//! not shorten the sleep that follows; here it fires in time. There the event loop does not sleep
//! after its last timer has fired; here it sleeps.
//!
//! | checked | when |
//! |---|---|
//! | no wait is released before enough replicas hold its data | at each release |
//! | no request is sent without need | at each request |
//! | no timer is armed without waits | after each event |
//! | no lost wait is left, and no satisfied one without FSYNC | before each sleep |
//! | no satisfiable wait is forgotten | at the end, when all replicas have answered |
//! | no wait with a deadline is forgotten | at the end, when all deadlines have passed |

mod events;
mod simulated_server;

use proptest::prelude::*;

use super::*;
use events::Event;
use simulated_server::SimulatedServer;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let client = 0..6u64;
    // Reads add no bytes to the stream.
    let bytes = prop_oneof![1 => Just(0), 2 => 1..40u64];
    let fsync = prop_oneof![2 => Just(0), 1 => 1..3u32];
    let event = prop_oneof![
        8 => (client.clone(), 1..4u32, fsync, bytes, prop::option::of(1..400u64)).prop_map(
            |(client, replicas, fsync, bytes, timeout_ms)| Event::Durable {
                client,
                need: Need { replicas, fsync: fsync.min(replicas) },
                bytes,
                timeout_ms,
            }
        ),
        2 => (1..100u64, any::<bool>())
            .prop_map(|(bytes, by_command)| Event::Write { bytes, by_command }),
        8 => (0..4usize).prop_map(Event::Deliver),
        1 => (0..4usize).prop_map(Event::Report),
        3 => any::<bool>().prop_map(|announces| Event::Join { announces }),
        1 => (0..4usize, any::<bool>()).prop_map(|(index, ahead)| Event::Pretend { index, ahead }),
        1 => (0..4usize).prop_map(Event::Leave),
        1 => client.clone().prop_map(Event::ClientLeaves),
        1 => client.prop_map(Event::OperatorUnblocks),
        2 => (1..300u64).prop_map(Event::TimePasses),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => any::<bool>().prop_map(Event::Role),
        1 => any::<bool>().prop_map(|in_cron| Event::ClusterFails { in_cron }),
    ];
    prop::collection::vec(event, 1..60)
}

/// Few clients that write one at a time, on a primary whose replicas answer: most requests are sent
/// without a look.
fn lone_events() -> impl Strategy<Value = Vec<Event>> {
    let client = 0..2u64;
    let bytes = prop_oneof![1 => Just(0), 6 => 1..80u64];
    let event = prop_oneof![
        8 => (client.clone(), 1..3u32, bytes, prop::option::of(1..400u64)).prop_map(
            |(client, replicas, bytes, timeout_ms)| Event::Durable {
                client,
                need: Need { replicas, fsync: 0 },
                bytes,
                timeout_ms,
            }
        ),
        10 => (0..2usize).prop_map(Event::Deliver),
        2 => (0..2usize).prop_map(Event::Report),
        3 => (prop_oneof![Just(37), 1..80u64], any::<bool>())
            .prop_map(|(bytes, by_command)| Event::Write { bytes, by_command }),
        1 => client.clone().prop_map(Event::ClientLeaves),
        1 => client.prop_map(Event::OperatorUnblocks),
        1 => (1..300u64).prop_map(Event::TimePasses),
        1 => any::<bool>().prop_map(Event::Pause),
    ];
    prop::collection::vec(event, 1..60)
}

fn setups() -> impl Strategy<Value = Setup> {
    let point = prop_oneof![Just(ReleasePoint::Timer), Just(ReleasePoint::TurnEnd)];
    let flags = any::<(bool, bool, bool, bool)>();
    (point, flags).prop_map(
        |(release_point, (is_cluster, hears, releases, wakes))| Setup {
            release_point,
            is_cluster,
            hears_acknowledgements: hears && release_point == ReleasePoint::Timer,
            releases_when_heard: hears && releases && release_point == ReleasePoint::Timer,
            wakes_after_last_timer: wakes,
        },
    )
}

/// Lets all happen. Then no wait may be left that could have ended.
fn run(mut server: SimulatedServer, events: Vec<Event>) -> Result<(), TestCaseError> {
    for event in events {
        server.happens(event);
    }
    server.settle();
    let left = server.satisfiable();
    prop_assert!(left.is_empty(), "forgotten with all answers in: {left:?}");
    server.pass_all_deadlines();
    let left = server.with_deadline_or_lost();
    prop_assert!(left.is_empty(), "forgotten after their deadline: {left:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_wait_is_released_early_or_forgotten(
        setup in setups(),
        streak in 0..3u32,
        events in events(),
    ) {
        let mut server = SimulatedServer::new(setup);
        server.coordinator.set_needed_streak(streak);
        run(server, events)?;
    }

    #[test]
    fn no_lone_write_is_released_early_or_forgotten(
        is_cluster: bool,
        streak in 0..2u32,
        events in lone_events(),
    ) {
        let mut server = SimulatedServer::new(Setup {
            release_point: ReleasePoint::TurnEnd,
            is_cluster,
            hears_acknowledgements: false,
            releases_when_heard: false,
            wakes_after_last_timer: is_cluster,
        });
        server.coordinator.set_needed_streak(streak);
        for _ in 0..2 {
            server.happens(Event::Join { announces: true });
        }
        run(server, events)?;
    }
}
