//! Runs the model: breadth first as deep as time allows, and as random walks.

use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model};

use crate::chooser::Weighted;
use crate::world::Bounds;
use durable_failover::{Group, Rule};

const LOST: &str = "a released write is on every primary of its term or a later one";
pub const RELEASED: &str = "a write is released after a failover";
pub const JOINED: &str = "a new node has voted for a term holder";
const DESTROYED: &str = "no synchronization destroys a released write";
/// The longest walk.
const DEPTH: usize = 80;

fn bounds(members: u8, acknowledgements: u8) -> Bounds {
    Bounds {
        group: Group::new(members, acknowledgements).expect("a group"),
        writes: 3,
        ballots: 4,
        links: members + 5,
        crashes: 1,
        restarts: 1,
        cuts: 2,
        configurations: 3,
        first: members - 1,
        unasked: 1,
        exchanges: 0,
        without: Vec::new(),
    }
}

/// Walks at random through so many states. Returns how a property was broken, if one was, and whether
/// a walk got as far as a release after a failover.
fn walk(bounds: Bounds, seed: u64, states: usize) -> (Option<String>, bool) {
    let checker = bounds
        .checker()
        .target_state_count(states)
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
    let was_useful = checker.discovery(RELEASED).is_some();
    (broken, was_useful)
}

/// Whether a walk gets as far as this.
fn reaches(bounds: Bounds, what: &'static str, seed: u64) -> bool {
    let checker = bounds
        .checker()
        .target_state_count(4_000_000)
        .target_max_depth(DEPTH)
        .finish_when(HasDiscoveries::AnyOf([what].into()))
        .spawn_simulation(seed, Weighted)
        .join();
    checker.discovery(what).is_some()
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
            configurations: 1,
            unasked: 0,
            ..bounds(members, acknowledgements)
        };
        search(tight, Duration::from_secs(20));
    }
}

#[test]
fn random_walks_lose_no_released_write() {
    for (members, acknowledgements) in [(3, 1), (3, 2), (4, 2), (5, 2)] {
        let what = format!("{members} members, K = {acknowledgements}");
        let (broken, was_useful) = walk(bounds(members, acknowledgements), 4242, 1_000_000);
        assert_eq!(broken, None, "{what}");
        assert!(was_useful, "{what}: nothing was released after a failover");
    }
}

/// The world of exchanges: few other troubles, so that walks get to their end.
fn exchanging(members: u8, acknowledgements: u8) -> Bounds {
    Bounds {
        writes: 2,
        ballots: 3,
        links: members + 4,
        crashes: 1,
        restarts: 0,
        cuts: 1,
        configurations: 2,
        unasked: 0,
        exchanges: 1,
        ..bounds(members, acknowledgements)
    }
}

#[test]
fn exchanges_of_members_lose_no_released_write() {
    for (members, acknowledgements) in [(3, 1), (4, 1), (4, 2), (5, 2)] {
        let what = format!("{members} members, K = {acknowledgements}");
        let narrow = exchanging(members, acknowledgements);
        let wide = Bounds {
            exchanges: 2,
            ..bounds(members, acknowledgements)
        };
        for bounds in [narrow, wide] {
            let (broken, _) = walk(bounds.clone(), 4242, 1_000_000);
            assert_eq!(broken, None, "{what}");
            // In larger groups that takes more steps than a walk has.
            let joined = members > 3 || reaches(bounds, JOINED, 4242);
            assert!(joined, "{what}: no new node has voted for a term holder");
        }
    }
}

/// The world in which most rules are needed.
fn eventful() -> Bounds {
    Bounds {
        configurations: 0,
        ..bounds(3, 1)
    }
}

/// Configurations of one replica that follow each other.
pub fn narrow() -> Bounds {
    Bounds {
        writes: 1,
        ballots: 2,
        links: 5,
        crashes: 0,
        restarts: 1,
        cuts: 1,
        configurations: 1,
        first: 1,
        unasked: 0,
        ..bounds(3, 1)
    }
}

/// One election, and one member that restarts.
fn restarting() -> Bounds {
    Bounds {
        cuts: 0,
        configurations: 0,
        first: 2,
        ..narrow()
    }
}

/// Elections only.
pub fn quiet() -> Bounds {
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

/// One election, and one exchange.
pub fn exchanged() -> Bounds {
    Bounds {
        writes: 1,
        ballots: 2,
        links: 6,
        crashes: 1,
        cuts: 1,
        configurations: 1,
        ..exchanging(3, 1)
    }
}

fn is_needed(mut bounds: Bounds, rules: &[Rule]) {
    bounds.without = rules.to_vec();
    let (found, _) = walk(bounds, 99, 4_000_000);
    let found = found.unwrap_or_else(|| panic!("nothing is lost without {rules:?}"));
    println!("without {rules:?}: {found}");
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
    without_the_quorum_a_write_is_lost: [Quorum] in narrow,
    without_frozen_positions_a_write_is_lost: [FrozenPosition] in operated,
    if_restarted_members_vote_a_write_is_lost: [RestartedMembersDoNotVote] in eventful,
    if_witnesses_stand_for_data_a_write_is_lost: [WitnessesHaveNoData] in eventful,
    if_configurations_are_forgotten_a_write_is_lost: [PersistedConfiguration] in narrow,
    if_configurations_are_not_held_a_write_is_lost: [ConfigurationIsHeld] in narrow,
    if_promises_are_forgotten_a_write_is_lost: [PersistedPromise] in restarting,
    if_closed_primaries_serve_a_write_is_lost: [ClosedServesNobody] in eventful,
    if_grants_outlive_their_link_a_write_is_lost: [GrantBoundToLink] in eventful,
    if_replaced_data_vote_a_write_is_lost: [ReplacedDataDoNotVote] in eventful,
    if_promises_do_not_bind_a_write_is_lost: [PromiseBinds] in restarting,
    if_the_old_node_counts_for_the_new_one_a_write_is_lost: [OldNodeIsForgotten] in exchanged,
}
