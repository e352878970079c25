//! Exchanges of a member, by given sequences of steps: B is exchanged for C.

use durable_failover::{Group, MemberId, Rule};
use stateright::Model;

use crate::check::exchanged;
use crate::traces::{Trace, A, B, P};
use crate::world::{Bounds, Step};

/// The spare server.
const C: usize = 3;

fn trace(first: u8, without: &[Rule]) -> Trace {
    Trace::new(Bounds {
        first,
        ballots: 3,
        links: 9,
        configurations: 2,
        without: without.to_vec(),
        ..exchanged()
    })
}

impl Trace {
    fn exchanges(&mut self) {
        self.take_all(&[
            ("B is exchanged", Step::Exchange(P, MemberId(2))),
            ("P writes that", Step::Persisted(P)),
        ]);
    }

    fn joins(&mut self) {
        self.take_all(&[("C is asked to join", Step::AskToJoin(P))]);
        self.arrives("C joins", P, C);
    }

    fn confirms(&mut self, primary: usize, replica: usize) {
        self.take_all(&[("it is asked", Step::Challenge(primary, replica))]);
        self.arrives("that arrives", primary, replica);
        self.arrives("it confirms", replica, primary);
    }
}

impl Trace {
    /// B elects A by the old list, and has a write that A releases. C elects P by the new one.
    fn loses_with_two_lists(mut self) -> bool {
        self.votes(B, A);
        self.take_all(&[("A is promoted", Step::Promoted(A))]);
        self.take_all(&[
            ("B follows A", Step::Follow(B, A)),
            ("B connects", Step::Connect(B, true)),
        ]);
        self.confirms(A, B);
        self.configures(A, B);
        self.acknowledges(A, B);
        assert!(!self.world.released.is_empty());
        self.take_all(&[
            ("P follows A", Step::Follow(P, A)),
            ("P stands", Step::Stand(P)),
            ("P writes that", Step::Persisted(P)),
        ]);
        self.votes(C, P);
        // That was for its first ballot, and it has stood in a second one since.
        self.arrives("C is asked again", P, C);
        self.take_all(&[("C writes its promise", Step::Persisted(C))]);
        self.arrives("C votes", C, P);
        self.take_all(&[("P is promoted", Step::Promoted(P))]);
        self.is_lost()
    }
}

#[test]
fn the_new_node_votes_and_acknowledges() {
    let mut trace = trace(2, &[]);
    trace.acknowledges(P, A);
    trace.exchanges();
    trace.take_all(&[("A is told", Step::Tell(P, MemberId(1)))]);
    trace.arrives("that arrives", P, A);
    trace.take_all(&[("A writes it", Step::Persisted(A))]);
    trace.confirms(P, A);
    trace.configures(P, A);
    trace.joins();
    trace.take_all(&[("P dies", Step::Crash(P))]);
    trace.votes(C, A);
    trace.take_all(&[
        ("A is promoted", Step::Promoted(A)),
        ("C follows A", Step::Follow(C, A)),
        ("C connects", Step::Connect(C, false)),
        ("C has everything", Step::Loaded(C)),
    ]);
    trace.confirms(A, C);
    trace.configures(A, C);
    let counting = trace.world.servers[A].member.counting();
    assert!(counting.contains(MemberId(2)), "{counting:?}");
    assert!(!trace.is_lost());
}

#[test]
fn if_members_of_other_lists_are_heard_a_write_is_lost() {
    let mut trace = trace(2, &[Rule::SameList]);
    trace.exchanges();
    // A confirms, though it goes by the old list.
    trace.confirms(P, A);
    trace.configures(P, A);
    trace.joins();
    assert!(trace.loses_with_two_lists());
}

#[test]
fn if_a_node_joins_before_others_confirm_by_the_new_list_a_write_is_lost() {
    let mut trace = trace(1, &[Rule::ConfirmedByList]);
    trace.exchanges();
    // The configuration of A alone is in force, but A goes by the old list.
    trace.joins();
    assert!(trace.loses_with_two_lists());
}

/// Four members: the last one is exchanged, and what is released then is on the new node. A goes
/// back to the old list, because B tells it. Returns whether that loses a write.
fn a_member_that_goes_back(without: &[Rule]) -> bool {
    const OLD: usize = 3;
    const NEW: usize = 4;
    let mut trace = Trace::new(Bounds {
        group: Group::new(4, 1).expect("a group"),
        first: 1,
        links: 12,
        cuts: 1,
        configurations: 3,
        without: without.to_vec(),
        ..exchanged()
    });
    trace.take_all(&[
        ("a member is exchanged", Step::Exchange(P, MemberId(3))),
        ("P writes that", Step::Persisted(P)),
        ("A is told", Step::Tell(P, MemberId(1))),
    ]);
    trace.arrives("that arrives", P, A);
    trace.take_all(&[("A writes it", Step::Persisted(A))]);
    // The configuration of A alone is in force.
    trace.confirms(P, A);
    trace.take_all(&[("the new node is asked to join", Step::AskToJoin(P))]);
    trace.arrives("it joins", P, NEW);
    trace.take_all(&[
        ("it connects", Step::Connect(NEW, false)),
        ("it has everything", Step::Loaded(NEW)),
        ("A loses its link", Step::Cut(A)),
        ("A connects again", Step::Connect(A, true)),
    ]);
    trace.confirms(P, NEW);
    trace.configures(P, NEW);
    trace.acknowledges(P, NEW);
    assert!(!trace.world.released.is_empty());
    let mut steps = Vec::new();
    trace.model.actions(&trace.world, &mut steps);
    let tells = Step::Tell(B, MemberId(1));
    if !steps.contains(&tells) {
        return false;
    }
    trace.take_all(&[("B tells its list", tells)]);
    trace.arrives("that arrives", B, A);
    trace.take_all(&[("A writes it", Step::Persisted(A))]);
    trace.votes(B, A);
    trace.arrives("the old node is asked", A, OLD);
    trace.take_all(&[("it writes its promise", Step::Persisted(OLD))]);
    trace.arrives("it votes", OLD, A);
    trace.take_all(&[("A is promoted", Step::Promoted(A))]);
    trace.is_lost()
}

#[test]
fn if_any_list_counts_a_write_is_lost() {
    assert!(a_member_that_goes_back(&[Rule::ConfirmedListCounts]));
    assert!(!a_member_that_goes_back(&[]));
}

/// The same steps as far as they can happen: C cannot join.
#[test]
fn a_node_does_not_join_before_others_confirm_by_the_new_list() {
    let mut trace = trace(1, &[]);
    trace.exchanges();
    let may_join = trace.world.servers[P].member.may_join();
    assert_eq!(may_join, None);
}
