//! Where a command goes: to the primary of its slot, or, where that is unknown or out of reach, to a node that
//! will know. Pure.

pub(crate) mod refusals;
mod roster;

use std::collections::HashSet;

use self::refusals::{Refusals, Request};
use self::roster::Roster;
use crate::decide::cache::SlotCache;
use crate::decide::node::Node;

/// Every so many failures, the primary is tried again although it could not be reached.
const PRIMARY_AGAIN: usize = 8;

/// What all sessions of a client know: the cache, which nodes did not answer lately, and which give no hints.
#[derive(Debug)]
pub(crate) struct Knowledge {
    pub(crate) cache: SlotCache,
    roster: Roster,
    refusals: Refusals,
}

impl Knowledge {
    pub(crate) fn new(seeds: Vec<Node>) -> Self {
        Self {
            cache: SlotCache::new(),
            roster: Roster::new(seeds),
            refusals: Refusals::default(),
        }
    }

    /// The node could not be reached, or did not answer.
    pub(crate) fn mark_down(&mut self, node: &Node) {
        self.roster.mark_down(node);
        self.refusals.forget(node);
    }

    pub(crate) fn mark_up(&mut self, node: &Node) {
        self.roster.mark_up(node);
    }

    /// The node names no owner of any slot, or of one that others serve.
    pub(crate) fn set_aside(&mut self, node: &Node) {
        self.roster.set_aside(node);
    }

    pub(crate) fn take_back(&mut self, node: &Node) {
        self.roster.take_back(node);
    }

    /// The node answers no such request from this user.
    pub(crate) fn refused(&mut self, node: &Node, request: Request) {
        self.refusals.refuse(node, request);
    }

    /// The node answers no request for hints at all.
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

    /// Where to send a command of `slot` after `failures` attempts, and not to `avoid`. `None` only where
    /// there is no node at all.
    ///
    /// First the primary. Then the replicas of its shard, since one of them is the most likely to have been
    /// promoted. Then anybody, who will answer `MOVED`: a different one for each failure. When nobody seems to
    /// be up, everybody is tried in turn; and the primary now and then, since it may come back as what it was.
    ///
    /// This looks at the nodes of one shard, and not at all nodes.
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
        // The first failure is the primary's own, so that the first substitute is the first replica.
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
        // The one to be avoided, where there is no other.
        let found = others.clone().find(unlike).or_else(|| others.next());
        found.cloned()
    }

    /// Whether there is a node to ask for hints.
    pub(crate) fn may_ask(&mut self, request: Request) -> bool {
        self.refresh();
        let mut order = self.roster.order().iter();
        order.any(|node| !self.refusals.has(node, request))
    }

    /// Nodes to ask for hints, the likeliest to answer first and `last` after the others; those that refuse are
    /// left out.
    pub(crate) fn candidates(&mut self, request: Request, last: &HashSet<Node>) -> Vec<Node> {
        self.refresh();
        let order = self.roster.order();
        let willing = order
            .iter()
            .filter(|node| !self.refusals.has(node, request));
        let (late, soon): (Vec<&Node>, Vec<&Node>) = willing.partition(|node| last.contains(node));
        soon.into_iter().chain(late).cloned().collect()
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
    fn a_primary_out_of_reach_is_tried_again_now_and_then() {
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
    fn when_nobody_is_up_everybody_is_tried_in_turn() {
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

    fn asked_for(knowledge: &mut Knowledge, request: Request) -> Vec<Node> {
        knowledge.candidates(request, &HashSet::new())
    }

    #[test]
    fn hints_are_asked_of_nodes_that_are_up_first() {
        let mut knowledge = knowledge();
        knowledge.mark_down(&node(8));
        let candidates = asked_for(&mut knowledge, Request::Map);
        assert_eq!(candidates, [9, 1, 2, 11, 8].map(node));
        let last = HashSet::from([node(9)]);
        let candidates = knowledge.candidates(Request::Map, &last);
        assert_eq!(candidates, [1, 2, 11, 8, 9].map(node));
    }

    #[test]
    fn who_refuses_a_request_is_not_asked_again_until_it_has_been_down() {
        let mut knowledge = Knowledge::new(vec![node(8), node(9)]);
        knowledge.refused(&node(8), Request::Watch);
        knowledge.has_no_hints(&node(9));
        assert_eq!(asked_for(&mut knowledge, Request::Watch), []);
        assert_eq!(asked_for(&mut knowledge, Request::Keys), [node(8)]);
        knowledge.mark_down(&node(9));
        knowledge.mark_up(&node(9));
        assert_eq!(asked_for(&mut knowledge, Request::Watch), [node(9)]);
        knowledge.forget_refusals();
        assert_eq!(asked_for(&mut knowledge, Request::Watch).len(), 2);
    }

    #[test]
    fn a_default_node_that_is_in_no_cluster_is_replaced_until_it_is_in_one() {
        let mut knowledge = knowledge();
        knowledge.set_aside(&node(8));
        assert_eq!(knowledge.route(Some(2), None, 0), Some(node(9)));
        // But the primary of a slot is asked whatever it said about others.
        knowledge.set_aside(&node(1));
        assert_eq!(knowledge.route(Some(0), None, 0), Some(node(1)));
        knowledge.take_back(&node(8));
        assert_eq!(knowledge.route(Some(2), None, 0), Some(node(8)));
    }

    /// The list of all nodes costs time in proportion to their number, so it must not be made for each command.
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
            // As at the end of each round that has tried both again.
            knowledge.mark_down(&primary);
            knowledge.mark_down(&replica);
            found.extend(knowledge.route(Some(0), Some(&replica), failures));
            asked_for(&mut knowledge, Request::Map);
        }
        assert_eq!(found.len(), 2000, "everybody in turn but the dead replica");
        assert_eq!(knowledge.roster.times_made, 1);
        knowledge.mark_up(&primary);
        knowledge.route(Some(0), None, 0);
        assert_eq!(knowledge.roster.times_made, 2);
    }
}
