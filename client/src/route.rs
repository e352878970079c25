//! Where a command goes: to the primary of its slot, or, where that is unknown or out of reach, to a node that
//! will know. Pure.

use std::collections::HashSet;

use crate::cache::SlotCache;
use crate::node::Node;

/// Every so many failures, the primary is tried again although it could not be reached.
const PRIMARY_AGAIN: usize = 8;

/// What all sessions of a client know: the cache, and which nodes did not answer lately.
#[derive(Debug)]
pub(crate) struct Knowledge {
    pub(crate) cache: SlotCache,
    /// The nodes that the caller named, at least one; the first that is up is the default node.
    seeds: Vec<Node>,
    /// Nodes that could not be reached, until they answer again. Nobody is sent to them but by a redirection.
    down: HashSet<Node>,
}

impl Knowledge {
    pub(crate) fn new(seeds: Vec<Node>) -> Self {
        Self {
            cache: SlotCache::new(),
            seeds,
            down: HashSet::new(),
        }
    }

    pub(crate) fn mark_down(&mut self, node: &Node) {
        // Nodes that have left the cluster are not worth remembering.
        let known = self.every_node();
        self.down.retain(|node| known.contains(node));
        self.down.insert(node.clone());
    }

    pub(crate) fn mark_up(&mut self, node: &Node) {
        if !self.down.is_empty() {
            self.down.remove(node);
        }
    }

    /// Where to send a command of `slot` after `failures` attempts, and not to `avoid`. `None` only where
    /// there is no node at all.
    ///
    /// First the primary. Then the replicas of its shard, since one of them is the most likely to have been
    /// promoted. Then anybody, who will answer `MOVED`: a different one for each failure. When nobody seems to
    /// be up, everybody is tried in turn; and the primary now and then, since it may come back as what it was.
    pub(crate) fn route(
        &self,
        slot: Option<u16>,
        avoid: Option<&Node>,
        failures: usize,
    ) -> Option<Node> {
        let usable = |node: &&Node| Some(*node) != avoid && !self.down.contains(*node);
        let primary = slot.and_then(|slot| self.cache.primary_of(slot));
        let its_turn = failures % PRIMARY_AGAIN == PRIMARY_AGAIN - 1;
        if let Some(primary) = primary.filter(|node| its_turn || usable(node)) {
            return Some(primary.clone());
        }
        if failures == 0 && primary.is_none() {
            if let Some(default) = self.seeds.iter().find(usable) {
                return Some(default.clone());
            }
        }
        let replicas = slot.map_or(&[][..], |slot| self.cache.replicas_of(slot));
        let mut nodes = replicas.to_vec();
        for node in self.every_node() {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        let up: Vec<&Node> = nodes.iter().filter(usable).collect();
        // The first failure is the primary's own, so that the first substitute is the first replica.
        let turn = failures.saturating_sub(usize::from(primary.is_some()));
        if let Some(node) = pick(&up, turn) {
            return Some(node.clone());
        }
        let all: Vec<&Node> = nodes.iter().collect();
        pick(&all, failures).cloned()
    }

    /// Nodes to ask for hints, the likeliest to answer first.
    pub(crate) fn candidates(&self) -> Vec<Node> {
        let mut nodes = self.every_node();
        nodes.sort_by_key(|node| self.down.contains(node));
        nodes
    }

    fn every_node(&self) -> Vec<Node> {
        let mut nodes = self.seeds.clone();
        for node in self.cache.nodes() {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        nodes
    }
}

fn pick<'n>(nodes: &[&'n Node], turn: usize) -> Option<&'n Node> {
    nodes.get(turn.checked_rem(nodes.len())?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::{Hint, HintNode};

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
        let knowledge = knowledge();
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
        let again = |failures: &usize| knowledge.route(Some(0), None, *failures) == Some(node(1));
        assert_eq!((0..24).filter(again).collect::<Vec<_>>(), [7, 15, 23]);
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
        let lone = Knowledge::new(vec![node(8)]);
        assert_eq!(lone.route(None, Some(&node(8)), 1), Some(node(8)));
    }

    #[test]
    fn hints_are_asked_of_nodes_that_are_up_first() {
        let mut knowledge = knowledge();
        knowledge.mark_down(&node(8));
        assert_eq!(knowledge.candidates().last(), Some(&node(8)));
        assert_eq!(knowledge.candidates().len(), 5);
    }
}
