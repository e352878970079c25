//! Rules whose need random walks do not find soon: each by a given sequence of steps.

use durable_failover::Rule;
use stateright::Model;

use crate::check::{narrow, quiet, JOINED, RELEASED};
use crate::world::{Bounds, Step, World};

/// A given sequence of steps.
pub struct Trace {
    pub model: Bounds,
    pub world: World,
}

impl Trace {
    pub fn new(model: Bounds) -> Trace {
        let world = model.init_states().remove(0);
        Trace { model, world }
    }

    pub fn take(&mut self, what: &str, is_it: impl Fn(&Step) -> bool) {
        let mut steps = Vec::new();
        self.model.actions(&self.world, &mut steps);
        let step = steps.into_iter().find(is_it);
        let step = step.unwrap_or_else(|| panic!("cannot happen: {what}"));
        let next = self.model.next_state(&self.world, step);
        self.world = next.expect("it can happen");
    }

    /// Steps that need no selection.
    pub fn take_all(&mut self, steps: &[(&str, Step)]) {
        for (what, wanted) in steps {
            self.take(what, |step| step == wanted);
        }
    }

    /// A message from one to the other arrives.
    pub fn arrives(&mut self, what: &str, one: usize, two: usize) {
        self.take(
            what,
            |step| matches!(*step, Step::Deliver((from, to, ..)) if (from, to) == (one, two)),
        );
    }

    /// The primary makes a configuration of one replica.
    pub fn configures(&mut self, primary: usize, replica: usize) {
        self.take_all(&[
            ("a configuration is proposed", Step::Configure(primary)),
            ("the primary writes it", Step::Persisted(primary)),
            ("the replica is asked", Step::Challenge(primary, replica)),
        ]);
        self.arrives("that arrives", primary, replica);
        self.take_all(&[("the replica writes it", Step::Persisted(replica))]);
        self.arrives("the primary hears that", replica, primary);
    }

    pub fn acknowledges(&mut self, primary: usize, replica: usize) {
        self.take_all(&[
            ("a write", Step::Write(primary)),
            ("a replica gets it", Step::Replicate(replica)),
            ("it acknowledges", Step::Acknowledge(replica)),
        ]);
        self.take("that arrives", |step| {
            matches!(step, Step::AcknowledgementArrives(..))
        });
    }

    pub fn votes(&mut self, voter: usize, candidate: usize) {
        self.take_all(&[
            ("it stands", Step::Stand(candidate)),
            ("it writes its promise", Step::Persisted(candidate)),
        ]);
        self.arrives("the voter is asked", candidate, voter);
        self.take_all(&[("it writes its promise", Step::Persisted(voter))]);
        self.arrives("it votes", voter, candidate);
    }

    pub fn is_lost(&self) -> bool {
        let properties = self.model.properties();
        let holds = |property: &stateright::Property<Bounds>| {
            [RELEASED, JOINED].contains(&property.name)
                || (property.condition)(&self.model, &self.world)
        };
        !properties.iter().all(holds)
    }
}

pub const P: usize = 0;
pub const A: usize = 1;
pub const B: usize = 2;

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
        ("A restarts", Step::Restart(A, 0, false)),
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
    trace.take_all(&[("A restarts", Step::Restart(A, 0, false))]);
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

/// B has confirmed, and a second challenge of the same kind is still on its way. It acknowledges a
/// write, and restarts with an RDB from before. Now that challenge arrives. Returns whether the
/// write is lost.
fn a_challenge_from_before_a_restart(without: &[Rule]) -> bool {
    let mut trace = Trace::new(Bounds {
        without: without.to_vec(),
        cuts: 1,
        restarts: 1,
        ..quiet()
    });
    trace.take_all(&[
        ("B loses its link", Step::Cut(B)),
        ("B connects again", Step::Connect(B, true)),
        ("B is asked", Step::Challenge(P, B)),
    ]);
    trace.arrives("that arrives", P, B);
    trace.take_all(&[("B is asked once more", Step::Challenge(P, B))]);
    trace.arrives("B confirms", B, P);
    trace.acknowledges(P, B);
    assert!(!trace.world.released.is_empty());
    trace.take_all(&[
        ("B restarts", Step::Restart(B, 0, true)),
        ("B connects", Step::Connect(B, true)),
    ]);
    trace.arrives("the challenge arrives", P, B);
    let elects = [
        ("A stands", Step::Stand(A)),
        ("A writes its promise", Step::Persisted(A)),
    ];
    trace.take_all(&elects);
    trace.arrives("B is asked for its vote", A, B);
    trace.take_all(&[("B writes its promise", Step::Persisted(B))]);
    trace.arrives("B votes", B, A);
    if !trace.world.servers[A].force {
        return false;
    }
    trace.take_all(&[("A is promoted", Step::Promoted(A))]);
    trace.is_lost()
}

#[test]
fn if_a_challenge_outlives_a_restart_a_write_is_lost() {
    assert!(a_challenge_from_before_a_restart(&[Rule::AskedSinceStart]));
    assert!(!a_challenge_from_before_a_restart(&[]));
}
