//! Runs the model: breadth first as deep as time allows, and as random walks.

use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model};

use crate::chooser::Weighted;
use crate::world::{Bounds, Step};
use durable_failover::{Group, Rule};

const LOST: &str = "a released write is on every primary of its term or a later one";
const DESTROYED: &str = "no synchronization destroys a released write";
/// The longest walk.
const DEPTH: usize = 60;

fn bounds(members: u8, acknowledgements: u8) -> Bounds {
    Bounds {
        group: Group::new(members, acknowledgements).expect("a group"),
        writes: 3,
        ballots: 4,
        links: members + 5,
        crashes: 1,
        restarts: 1,
        cuts: 2,
        unasked: 1,
        without: Vec::new(),
    }
}

/// Walks at random. Returns how a property was broken, if one was.
fn walk(bounds: Bounds, seed: u64, time: Duration) -> Option<String> {
    let checker = bounds
        .checker()
        .timeout(time)
        .target_max_depth(DEPTH)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_simulation(seed, Weighted)
        .join();
    println!(
        "{} states, {} steps at most",
        checker.state_count(),
        checker.max_depth()
    );
    let broken = [LOST, DESTROYED].into_iter().find_map(|name| {
        let path = checker.discovery(name)?;
        Some(format!("{name}: {:#?}", path.into_actions()))
    });
    let was_useful = checker
        .discovery("a write is released after a failover")
        .is_some();
    assert!(
        broken.is_some() || was_useful,
        "no walk got as far as a release after a failover"
    );
    broken
}

/// All states that can be reached within the bounds, or as many as there is time for.
fn search(bounds: Bounds, time: Duration) {
    let checker = bounds
        .checker()
        .timeout(time)
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{states} states, to a depth of {depth}");
    for name in [LOST, DESTROYED] {
        if let Some(path) = checker.discovery(name) {
            panic!("{name}: {:#?}", path.into_actions());
        }
    }
}

#[test]
fn one_election_within_tight_bounds_loses_no_released_write() {
    for (members, acknowledgements) in [(3, 1), (3, 2)] {
        let tight = Bounds {
            writes: 1,
            ballots: 2,
            links: members,
            crashes: 1,
            restarts: 0,
            cuts: 0,
            unasked: 0,
            ..bounds(members, acknowledgements)
        };
        search(tight, Duration::from_secs(20));
    }
}

#[test]
fn random_walks_lose_no_released_write() {
    for (members, acknowledgements) in [(3, 1), (3, 2), (4, 2), (5, 2)] {
        let broken = walk(
            bounds(members, acknowledgements),
            4242,
            Duration::from_secs(4),
        );
        assert_eq!(broken, None, "{members} members, K = {acknowledgements}");
    }
}

/// The world in which most rules are needed.
fn eventful() -> Bounds {
    bounds(3, 1)
}

/// Elections only.
fn quiet() -> Bounds {
    Bounds {
        writes: 1,
        ballots: 4,
        links: 5,
        crashes: 0,
        restarts: 0,
        cuts: 0,
        unasked: 0,
        ..bounds(3, 1)
    }
}

/// Elections, and links that are cut.
fn flapping() -> Bounds {
    Bounds {
        links: 7,
        cuts: 2,
        ..quiet()
    }
}

/// Elections, and an operator who promotes.
fn operated() -> Bounds {
    Bounds {
        writes: 2,
        ballots: 4,
        links: 8,
        unasked: 1,
        ..quiet()
    }
}

fn is_needed(mut bounds: Bounds, rules: &[Rule]) {
    bounds.without = rules.to_vec();
    let found = walk(bounds, 99, Duration::from_secs(30));
    let found = found.unwrap_or_else(|| panic!("nothing is lost without {rules:?}"));
    println!("without {rules:?}: {found}");
}

/// A and B are replicas of P. A wins an election, and the server does not promote it yet. B wins the
/// next one with the vote of P, which follows it, confirms, and acknowledges a write. Now A is
/// promoted, in a higher epoch and a lower term, and P follows it. Returns whether P can get the
/// data of A, and with them lose the write.
fn a_promotion_that_comes_late(without: &[Rule]) -> bool {
    const P: usize = 0;
    const A: usize = 1;
    const B: usize = 2;
    let model = Bounds {
        without: without.to_vec(),
        links: 8,
        ..quiet()
    };
    let mut world = model.init_states().remove(0);
    let mut take = |what: &str, is_it: &dyn Fn(&Step) -> bool| {
        let mut steps = Vec::new();
        model.actions(&world, &mut steps);
        let step = steps.into_iter().find(is_it);
        let step = step.unwrap_or_else(|| panic!("cannot happen: {what}"));
        world = model.next_state(&world, step).expect("it can happen");
    };
    let sent = |from: usize, to: usize| move |step: &Step| matches!(*step, Step::Deliver(one, two, _) if (one, two) == (from, to));
    take("A stands", &|step| *step == Step::Stand(A));
    take("A writes its promise", &|step| *step == Step::Persisted(A));
    take("B is asked", &sent(A, B));
    take("B writes its promise", &|step| *step == Step::Persisted(B));
    take("B votes for A", &sent(B, A));
    for replica in [A, B] {
        take("both connect to P again", &|step| {
            *step == Step::Connect(replica, true)
        });
    }
    take("B stands", &|step| *step == Step::Stand(B));
    take("B writes its promise", &|step| *step == Step::Persisted(B));
    take("P is asked", &sent(B, P));
    take("P writes its promise", &|step| *step == Step::Persisted(P));
    take("P votes for B", &sent(P, B));
    take("B is promoted", &|step| *step == Step::Promoted(B));
    take("P follows B", &|step| *step == Step::Follow(P, B));
    take("P connects to B", &|step| *step == Step::Connect(P, true));
    take("B asks P to confirm", &|step| {
        *step == Step::Challenge(B, P)
    });
    take("P is asked", &sent(B, P));
    take("P confirms", &sent(P, B));
    take("a write", &|step| *step == Step::Write(B));
    take("P gets it", &|step| *step == Step::Replicate(P));
    take("P acknowledges it", &|step| *step == Step::Acknowledge(P));
    take("B hears that", &|step| {
        matches!(step, Step::AcknowledgementArrives(..))
    });
    take("A is promoted", &|step| *step == Step::Promoted(A));
    take("P follows A", &|step| *step == Step::Follow(P, A));
    assert!(!world.released.is_empty(), "the write was released");
    let connected = model.next_state(&world, Step::Connect(P, false));
    connected.expect("it can happen").destroyed
}

#[test]
fn without_admission_a_late_promotion_destroys_a_write() {
    assert!(a_promotion_that_comes_late(&[Rule::Admission]));
    assert!(!a_promotion_that_comes_late(&[]));
}

macro_rules! each_rule_is_needed {
    ($($name:ident: [$($rule:ident),+] in $bounds:ident,)*) => {
        $(
            #[test]
            fn $name() {
                is_needed($bounds(), &[$(Rule::$rule),+]);
            }
        )*
    };
}

each_rule_is_needed! {
    without_the_fence_a_write_is_lost: [Fence] in eventful,
    without_the_rank_a_write_is_lost: [Rank] in eventful,
    without_the_quorum_a_write_is_lost: [Quorum] in eventful,
    without_frozen_positions_a_write_is_lost: [FrozenPosition] in operated,
    if_restarted_members_vote_a_write_is_lost: [RestartedMembersDoNotVote] in eventful,
    if_promises_are_forgotten_a_write_is_lost: [PersistedPromise] in eventful,
    if_closed_primaries_serve_a_write_is_lost: [ClosedServesNobody] in eventful,
    if_grants_outlive_their_link_a_write_is_lost: [GrantBoundToLink] in eventful,
    if_replaced_data_vote_a_write_is_lost: [ReplacedDataDoNotVote] in eventful,
    if_replicas_behind_grant_a_write_is_lost: [GrantNeedsAllData] in flapping,
    if_promises_do_not_bind_a_write_is_lost: [PromiseBinds] in eventful,
}
