//! Runs the model: breadth first as deep as time allows, and as random walks.

use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model};

use crate::chooser::Weighted;
use crate::world::{Bounds, Step, World};
use durable_failover::{Group, Rule};

const LOST: &str = "a released write is on every primary of its term or a later one";
const RELEASED: &str = "a write is released after a failover";
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

/// The world in which most rules are needed.
fn eventful() -> Bounds {
    Bounds {
        configurations: 0,
        ..bounds(3, 1)
    }
}

/// Configurations of one replica that follow each other.
fn narrow() -> Bounds {
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
    let (found, _) = walk(bounds, 99, 4_000_000);
    let found = found.unwrap_or_else(|| panic!("nothing is lost without {rules:?}"));
    println!("without {rules:?}: {found}");
}

/// A given sequence of steps.
struct Trace {
    model: Bounds,
    world: World,
}

impl Trace {
    fn new(model: Bounds) -> Trace {
        let world = model.init_states().remove(0);
        Trace { model, world }
    }

    fn take(&mut self, what: &str, is_it: impl Fn(&Step) -> bool) {
        let mut steps = Vec::new();
        self.model.actions(&self.world, &mut steps);
        let step = steps.into_iter().find(is_it);
        let step = step.unwrap_or_else(|| panic!("cannot happen: {what}"));
        let next = self.model.next_state(&self.world, step);
        self.world = next.expect("it can happen");
    }

    /// Steps that need no selection.
    fn take_all(&mut self, steps: &[(&str, Step)]) {
        for (what, wanted) in steps {
            self.take(what, |step| step == wanted);
        }
    }

    /// A message from one to the other arrives.
    fn arrives(&mut self, what: &str, one: usize, two: usize) {
        self.take(
            what,
            |step| matches!(*step, Step::Deliver(from, to, _) if (from, to) == (one, two)),
        );
    }

    /// The primary makes a configuration of one replica.
    fn configures(&mut self, primary: usize, replica: usize) {
        self.take_all(&[
            ("a configuration is proposed", Step::Configure(primary)),
            ("the primary writes it", Step::Persisted(primary)),
            ("the replica is asked", Step::Challenge(primary, replica)),
        ]);
        self.arrives("that arrives", primary, replica);
        self.take_all(&[("the replica writes it", Step::Persisted(replica))]);
        self.arrives("the primary hears that", replica, primary);
    }

    fn acknowledges(&mut self, primary: usize, replica: usize) {
        self.take_all(&[
            ("a write", Step::Write(primary)),
            ("a replica gets it", Step::Replicate(replica)),
            ("it acknowledges", Step::Acknowledge(replica)),
        ]);
        self.take("that arrives", |step| {
            matches!(step, Step::AcknowledgementArrives(..))
        });
    }

    fn votes(&mut self, voter: usize, candidate: usize) {
        self.take_all(&[
            ("it stands", Step::Stand(candidate)),
            ("it writes its promise", Step::Persisted(candidate)),
        ]);
        self.arrives("the voter is asked", candidate, voter);
        self.take_all(&[("it writes its promise", Step::Persisted(voter))]);
        self.arrives("it votes", voter, candidate);
    }

    fn is_lost(&self) -> bool {
        let properties = self.model.properties();
        let holds = |property: &stateright::Property<Bounds>| {
            property.name == RELEASED || (property.condition)(&self.model, &self.world)
        };
        !properties.iter().all(holds)
    }
}

const P: usize = 0;
const A: usize = 1;
const B: usize = 2;

/// A wins an election, and the server does not promote it yet. B wins the next one with the vote of
/// P, which follows it, confirms, and acknowledges a write. Now A is promoted, in a higher epoch and
/// a lower term, and P follows it. Returns whether P can get the data of A, and with them lose the
/// write.
fn a_promotion_that_comes_late(without: &[Rule]) -> bool {
    let mut trace = Trace::new(Bounds {
        without: without.to_vec(),
        links: 8,
        ..quiet()
    });
    trace.votes(B, A);
    trace.take_all(&[
        ("A connects to P again", Step::Connect(A, true)),
        ("B connects to P again", Step::Connect(B, true)),
    ]);
    trace.votes(P, B);
    trace.take_all(&[
        ("B is promoted", Step::Promoted(B)),
        ("P follows B", Step::Follow(P, B)),
        ("P connects to B", Step::Connect(P, true)),
        ("B asks P to confirm", Step::Challenge(B, P)),
    ]);
    trace.arrives("P is asked", B, P);
    trace.arrives("P confirms", P, B);
    trace.configures(B, P);
    trace.acknowledges(B, P);
    assert!(!trace.world.released.is_empty(), "the write was released");
    trace.take_all(&[
        ("A is promoted", Step::Promoted(A)),
        ("P follows A", Step::Follow(P, A)),
    ]);
    let connected = trace
        .model
        .next_state(&trace.world, Step::Connect(P, false));
    connected.expect("it can happen").destroyed
}

#[test]
fn without_admission_a_late_promotion_destroys_a_write() {
    assert!(a_promotion_that_comes_late(&[Rule::Admission]));
    assert!(!a_promotion_that_comes_late(&[]));
}

#[test]
fn if_replicas_behind_grant_a_write_is_lost() {
    let mut trace = Trace::new(Bounds {
        without: vec![Rule::GrantNeedsAllData],
        ..narrow()
    });
    // A has acknowledged a write that B has not got, restarts, and P goes on with B.
    trace.acknowledges(P, A);
    trace.take_all(&[
        ("A restarts", Step::Restart(A, 0)),
        ("A connects", Step::Connect(A, false)),
    ]);
    trace.configures(P, B);
    trace.votes(A, B);
    trace.take_all(&[("B is promoted", Step::Promoted(B))]);
    assert!(trace.is_lost());
}

/// P goes on with B instead of A, and A acknowledges a write before that is in force. A restarts and
/// votes for B as a witness. Returns whether the write was released and lost.
fn a_proposal_that_is_not_in_force(without: &[Rule]) -> bool {
    let mut trace = Trace::new(Bounds {
        without: without.to_vec(),
        ..narrow()
    });
    trace.take_all(&[
        ("A loses its link", Step::Cut(A)),
        ("A connects again", Step::Connect(A, true)),
        ("P proposes B", Step::Configure(P)),
        ("P writes it", Step::Persisted(P)),
        ("B is asked", Step::Challenge(P, B)),
    ]);
    trace.arrives("that arrives", P, B);
    trace.take_all(&[
        ("B writes it", Step::Persisted(B)),
        ("A is asked to confirm", Step::Challenge(P, A)),
    ]);
    trace.arrives("that arrives", P, A);
    trace.arrives("A confirms", A, P);
    trace.acknowledges(P, A);
    let is_released = !trace.world.released.is_empty();
    trace.take_all(&[("A restarts", Step::Restart(A, 0))]);
    trace.votes(A, B);
    trace.take_all(&[("B is promoted", Step::Promoted(B))]);
    is_released && trace.is_lost()
}

#[test]
fn if_one_configuration_is_enough_a_write_is_lost() {
    assert!(a_proposal_that_is_not_in_force(&[
        Rule::JointConfigurations
    ]));
    assert!(!a_proposal_that_is_not_in_force(&[]));
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
}
