//! What all sessions of a client know, and where a command goes: to the primary of its slot, or, if
//! that is unknown or out of reach, to a node that can redirect it. Pure.

mod finding;
mod refusals;
mod roster;

use std::collections::HashSet;

pub(crate) use self::finding::Finding;
pub(crate) use self::refusals::HintRequest;
use self::refusals::Refusals;
use self::roster::Roster;
use crate::decide::cache::{Correction, SlotCache};
use crate::decide::node::Node;
use crate::decide::stats::Counters;

/// One attempt of so many goes to the primary although it is marked as down: it may be back.
const PRIMARY_AGAIN: usize = 8;

/// The cache, the nodes that did not answer lately, and the nodes that give no hints.
#[derive(Debug)]
pub(crate) struct Knowledge {
    pub(crate) cache: SlotCache,
    roster: Roster,
    refusals: Refusals,
}

impl Knowledge {
    /// `seeds` are the nodes that the caller named, at least one.
    pub(crate) fn new(seeds: Vec<Node>) -> Self {
        Self {
            cache: SlotCache::new(),
            roster: Roster::new(seeds),
            refusals: Refusals::default(),
        }
    }

    /// Where to send a command of `slot` after `failures` attempts, avoiding `avoid`. `None` only
    /// if there is no node at all.
    ///
    /// First the primary. Then the replicas of its shard, because one of them has most likely been
    /// promoted. Then any other node, which will answer `MOVED`: another one for each failure. If
    /// no node seems to be up, all are tried in turn. Every eighth attempt goes to the primary,
    /// which may come back in its old role.
    ///
    /// For example, slot 0 belongs to A with the replica A1, the seeds are S and T, and A is down:
    /// with 1, 2 and 3 failures the attempts go to A1, S and T, and with 7, 15 and 23 to A.
    ///
    /// The choice costs time in proportion to the nodes of one shard, not of the cluster.
    pub(crate) fn route(
        &mut self,
        slot: Option<u16>,
        avoid: Option<&Node>,
        failures: usize,
    ) -> Option<Node> {
        self.refresh();
        let usable = |node: &&Node| Some(*node) != avoid && !self.roster.is_down(node);
        let primary = slot.and_then(|slot| self.cache.primary_of(slot));
        let its_turn = failures % PRIMARY_AGAIN == PRIMARY_AGAIN - 1;
        if let Some(primary) = primary.filter(|node| its_turn || usable(node)) {
            return Some(primary.clone());
        }
        // The first failure was that of the primary: the first substitute is the first replica.
        let turn = failures.saturating_sub(usize::from(primary.is_some()));
        let replicas = slot.map_or(&[][..], |slot| self.cache.replicas_of(slot));
        let replicas = replicas.iter().filter(usable);
        if let Some(replica) = replicas.clone().nth(turn) {
            return Some(replica.clone());
        }
        let turn = turn.saturating_sub(replicas.count());
        let others = self.roster.best();
        let (after, from) = others.split_at_checked(turn.checked_rem(others.len())?)?;
        let mut others = from.iter().chain(after);
        let unlike = |node: &&Node| Some(*node) != avoid && Some(*node) != primary;
        // If there is no other node, the one to avoid is better than none.
        let found = others.clone().find(unlike).or_else(|| others.next());
        found.cloned()
    }

    /// Whether any node may be asked for such a hint.
    pub(crate) fn may_ask(&mut self, request: HintRequest) -> bool {
        self.refresh();
        let mut order = self.roster.order().iter();
        order.any(|node| !self.refusals.has(node, request))
    }

    /// The nodes that may be asked for such a hint. Those that are most likely to answer come
    /// first, those in `last` come last.
    pub(crate) fn candidates(&mut self, request: HintRequest, last: &HashSet<Node>) -> Vec<Node> {
        self.refresh();
        let order = self.roster.order();
        let willing = order
            .iter()
            .filter(|node| !self.refusals.has(node, request));
        let (late, soon): (Vec<&Node>, Vec<&Node>) = willing.partition(|node| last.contains(node));
        soon.into_iter().chain(late).cloned().collect()
    }

    /// Takes in what a round has shown, in the order in which it was found.
    pub(crate) fn note(&mut self, findings: Vec<Finding>, stats: &Counters) {
        for finding in findings {
            match finding {
                Finding::Down(node) => self.mark_down(&node),
                Finding::Up(node) => self.mark_up(&node),
                Finding::Serves(node) => self.mark_serving(&node),
                Finding::Owner {
                    slot,
                    owner,
                    instead_of,
                    asked,
                } => match self.cache.moved(slot, &owner, instead_of.as_ref(), asked) {
                    Correction::Patched => stats.patches.one(),
                    Correction::FailedOver(_) => stats.failovers.one(),
                    Correction::Known | Correction::Outdated => {}
                },
                Finding::ClusterDown { slot, node } => {
                    if self.cache.primary_of(slot).is_none() {
                        self.mark_outside(&node);
                    }
                }
            }
        }
    }

    /// The node could not be reached, or did not answer in time. It may come back with the module,
    /// so its refusals are forgotten.
    pub(crate) fn mark_down(&mut self, node: &Node) {
        self.roster.mark_down(node);
        self.refusals.forget(node);
    }

    /// The node has answered.
    pub(crate) fn mark_up(&mut self, node: &Node) {
        self.roster.mark_up(node);
    }

    /// The node seems to be in no cluster: it knows no owner of any slot, or answers `CLUSTERDOWN`
    /// for a slot whose owner is unknown.
    pub(crate) fn mark_outside(&mut self, node: &Node) {
        self.roster.mark_outside(node);
    }

    /// The node is in a cluster that serves slots.
    pub(crate) fn mark_serving(&mut self, node: &Node) {
        self.roster.mark_serving(node);
    }

    /// This user may not send such a request to the node.
    pub(crate) fn refused(&mut self, node: &Node, request: HintRequest) {
        self.refusals.refuse(node, request);
    }

    /// The node answers no requests for hints at all.
    pub(crate) fn has_no_hints(&mut self, node: &Node) {
        self.refusals.refuse_all(node);
    }

    pub(crate) fn forget_refusals(&mut self) {
        self.refusals.forget_all();
    }

    /// Whether the caller or the cache names this node.
    pub(crate) fn knows(&mut self, node: &Node) -> bool {
        self.refresh();
        self.roster.knows(node)
    }

    fn refresh(&mut self) {
        if self.roster.refresh(&self.cache) {
            let roster = &self.roster;
            self.refusals.retain(|node| roster.knows(node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::hint::{Hint, HintNode};

    fn node(number: u16) -> Node {
        Node::tcp("node", number)
    }

    /// Seeds 8 and 9; slot 0 is at 1 with the replica 11, slot 1 at 2.
    fn knowledge() -> Knowledge {
        let mut knowledge = Knowledge::new(vec![node(8), node(9)]);
        let owner = |primary, replicas: &[u16]| HintNode {
            primary: node(primary),
            replicas: replicas.iter().copied().map(node).collect(),
        };
        let hint = Hint {
            token: 1,
            nodes: vec![owner(1, &[11]), owner(2, &[])],
            ranges: vec![(0, 0, Some(0)), (1, 1, Some(1))],
            is_whole: false,
        };
        let asked = knowledge.cache.ask();
        knowledge.cache.learn(&hint, &node(8), asked);
        knowledge
    }

    #[test]
    fn a_known_slot_goes_to_its_primary_and_an_unknown_one_to_the_default_node() {
        let mut knowledge = knowledge();
        assert_eq!(knowledge.route(Some(0), None, 0), Some(node(1)));
        assert_eq!(knowledge.route(Some(2), None, 0), Some(node(8)));
        assert_eq!(knowledge.route(None, None, 0), Some(node(8)));
    }

    #[test]
    fn a_primary_out_of_reach_is_replaced_by_its_replica_first() {
        let mut knowledge = knowledge();
        assert_eq!(knowledge.route(Some(0), Some(&node(1)), 1), Some(node(11)));
        knowledge.mark_down(&node(1));
        assert_eq!(knowledge.route(Some(0), None, 0), Some(node(11)));
        assert_eq!(knowledge.route(Some(1), None, 0), Some(node(2)));
        knowledge.mark_up(&node(1));
        assert_eq!(knowledge.route(Some(0), None, 0), Some(node(1)));
    }

    #[test]
    fn each_failure_goes_on_to_another_node_until_all_have_been_asked() {
        let mut knowledge = knowledge();
        knowledge.mark_down(&node(1));
        let tried: HashSet<Node> = (0..5)
            .filter_map(|failures| knowledge.route(Some(0), None, failures))
            .collect();
        assert_eq!(tried, [11, 8, 9, 2].map(node).into());
    }

    #[test]
    fn a_primary_out_of_reach_is_tried_again_in_every_eighth_attempt() {
        let mut knowledge = knowledge();
        knowledge.mark_down(&node(1));
        let mut again =
            |failures: &usize| knowledge.route(Some(0), None, *failures) == Some(node(1));
        assert_eq!((0..24).filter(&mut again).collect::<Vec<_>>(), [7, 15, 23]);
    }

    #[test]
    fn a_default_node_out_of_reach_is_replaced_by_the_next() {
        let mut knowledge = knowledge();
        knowledge.mark_down(&node(8));
        assert_eq!(knowledge.route(Some(2), None, 0), Some(node(9)));
        knowledge.mark_down(&node(9));
        assert_eq!(knowledge.route(Some(2), None, 0), Some(node(1)));
    }

    #[test]
    fn when_no_node_is_up_all_are_tried_in_turn() {
        let mut knowledge = Knowledge::new(vec![node(8), node(9)]);
        knowledge.mark_down(&node(8));
        knowledge.mark_down(&node(9));
        let tried: Vec<_> = (0..3)
            .filter_map(|failures| knowledge.route(None, None, failures))
            .collect();
        assert_eq!(tried, [8, 9, 8].map(node));
        let mut lone = Knowledge::new(vec![node(8)]);
        assert_eq!(lone.route(None, Some(&node(8)), 1), Some(node(8)));
    }

    fn asked_for(knowledge: &mut Knowledge, request: HintRequest) -> Vec<Node> {
        knowledge.candidates(request, &HashSet::new())
    }

    #[test]
    fn hints_are_asked_of_nodes_that_are_up_first() {
        let mut knowledge = knowledge();
        knowledge.mark_down(&node(8));
        let candidates = asked_for(&mut knowledge, HintRequest::Map);
        assert_eq!(candidates, [9, 1, 2, 11, 8].map(node));
        let last = HashSet::from([node(9)]);
        let candidates = knowledge.candidates(HintRequest::Map, &last);
        assert_eq!(candidates, [1, 2, 11, 8, 9].map(node));
    }

    #[test]
    fn a_node_that_refuses_a_request_is_not_asked_again_until_it_has_been_down() {
        let mut knowledge = Knowledge::new(vec![node(8), node(9)]);
        knowledge.refused(&node(8), HintRequest::Watch);
        knowledge.has_no_hints(&node(9));
        assert_eq!(asked_for(&mut knowledge, HintRequest::Watch), []);
        assert_eq!(asked_for(&mut knowledge, HintRequest::Keys), [node(8)]);
        knowledge.mark_down(&node(9));
        knowledge.mark_up(&node(9));
        assert_eq!(asked_for(&mut knowledge, HintRequest::Watch), [node(9)]);
        knowledge.forget_refusals();
        assert_eq!(asked_for(&mut knowledge, HintRequest::Watch).len(), 2);
    }

    #[test]
    fn a_default_node_that_is_in_no_cluster_is_replaced_until_it_is_in_one() {
        let mut knowledge = knowledge();
        knowledge.mark_outside(&node(8));
        assert_eq!(knowledge.route(Some(2), None, 0), Some(node(9)));
        // But commands go to the primary of their slot all the same.
        knowledge.mark_outside(&node(1));
        assert_eq!(knowledge.route(Some(0), None, 0), Some(node(1)));
        knowledge.mark_serving(&node(8));
        assert_eq!(knowledge.route(Some(2), None, 0), Some(node(8)));
    }

    /// Building the list of all nodes costs time in proportion to their number, so it must not be
    /// built for each command.
    #[test]
    fn a_dead_shard_of_a_thousand_makes_no_list_for_each_command() {
        let owner = |shard: u16| HintNode {
            primary: node(1000 + shard),
            replicas: vec![node(3000 + shard)],
        };
        let hint = Hint {
            token: 1,
            nodes: (0..1000).map(owner).collect(),
            ranges: (0..1000)
                .map(|shard| (shard, shard, Some(usize::from(shard))))
                .collect(),
            is_whole: false,
        };
        let mut knowledge = Knowledge::new(vec![node(8)]);
        let asked = knowledge.cache.ask();
        knowledge.cache.learn(&hint, &node(8), asked);
        let (primary, replica) = (node(1000), node(3000));
        let mut found = HashSet::new();
        for failures in 0..4000 {
            // As at the end of a round that has tried both again.
            knowledge.mark_down(&primary);
            knowledge.mark_down(&replica);
            found.extend(knowledge.route(Some(0), Some(&replica), failures));
            asked_for(&mut knowledge, HintRequest::Map);
        }
        assert_eq!(found.len(), 2000, "all in turn but the dead replica");
        assert_eq!(knowledge.roster.rebuilds, 1);
        knowledge.mark_up(&primary);
        knowledge.route(Some(0), None, 0);
        assert_eq!(knowledge.roster.rebuilds, 2);
    }
}
