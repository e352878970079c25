//! Tests the coordinator in a simulated server with replicas.
//!
//! The simulation knows what each replica has really read and fsynced. A turn begins only for a
//! command, an acknowledgement, a timer or a wake-up. Replicas answer requests and report nothing
//! by themselves. So a coordinator that forgets to request, to wake or to arm a timer leaves waits
//! behind.
//!
//! | checked | when |
//! |---|---|
//! | no wait is released before enough replicas hold its data | at each release |
//! | no request is sent without need | at each request |
//! | no timer is armed without waits | after each event |
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
    let event = prop_oneof![
        8 => (client.clone(), 1..4u32, 0..3u32, 0..40u64, prop::option::of(1..400u64)).prop_map(
            |(client, replicas, fsync, bytes, timeout_ms)| Event::Durable {
                client,
                need: Need { replicas, fsync: fsync.min(replicas) },
                bytes,
                timeout_ms,
            }
        ),
        2 => (1..100u64).prop_map(|bytes| Event::Write { bytes }),
        8 => (0..4usize).prop_map(Event::Deliver),
        3 => Just(Event::Join),
        1 => (0..4usize).prop_map(Event::Leave),
        1 => client.clone().prop_map(Event::ClientLeaves),
        1 => client.prop_map(Event::OperatorUnblocks),
        2 => (1..300u64).prop_map(Event::TimePasses),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => any::<bool>().prop_map(Event::Role),
        1 => Just(Event::ClusterFails),
    ];
    prop::collection::vec(event, 1..60)
}

fn setups() -> impl Strategy<Value = Setup> {
    let point = prop_oneof![Just(ReleasePoint::Timer), Just(ReleasePoint::TurnEnd)];
    (point, any::<bool>(), any::<bool>()).prop_map(
        |(release_point, is_cluster, wakes_after_last_timer)| Setup {
            release_point,
            is_cluster,
            wakes_after_last_timer,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_wait_is_released_early_or_forgotten(setup in setups(), events in events()) {
        let mut server = SimulatedServer::new(setup);
        for event in events {
            server.happens(event);
        }
        server.settle();
        let left = server.satisfiable();
        prop_assert!(left.is_empty(), "forgotten with all answers in: {:?}", left);
        server.pass_all_deadlines();
        let left = server.with_deadline_or_lost();
        prop_assert!(left.is_empty(), "forgotten after their deadline: {:?}", left);
    }
}
