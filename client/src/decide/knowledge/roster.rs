//! Every known node once, in the order in which they are asked. Pure.
//!
//! The list has a place for each node of the cluster, and there may be a thousand. So it is rebuilt
//! when something about it has changed, and not for each command.

use std::collections::{HashSet, VecDeque};

use crate::decide::cache::SlotCache;
use crate::decide::node::Node;

/// So many nodes are remembered after the cache has dropped them.
const MAX_FORMER: usize = 32;

#[derive(Debug)]
pub(crate) struct Roster {
    /// The nodes that the caller named, at least one. The first that is up is the default node.
    seeds: Vec<Node>,
    /// Nodes that the cache named before, the latest last. The cache may have been filled by a node
    /// that has lost contact with the cluster. Then the former nodes know more.
    former: VecDeque<Node>,
    /// Nodes that could not be reached or did not answer in time, until they answer again. Few
    /// commands go there meanwhile: see [`super::Knowledge::route`].
    down: HashSet<Node>,
    /// Nodes that seem to be in no cluster: they know no owner of any slot. They are asked after
    /// the others.
    outside: HashSet<Node>,
    /// The nodes in `seeds` and in the cache.
    known: HashSet<Node>,
    /// Seeds, primaries, replicas and former nodes, each once: first those that answer, then those
    /// outside of any cluster, then those that are down.
    order: Vec<Node>,
    /// How many of `order` answer.
    answering: usize,
    /// How many of `order` are not down.
    up: usize,
    /// The generation of the cache that the list was built for; `None` if it has to be rebuilt.
    made_for: Option<u64>,
    #[cfg(test)]
    pub(crate) rebuilds: usize,
}

impl Roster {
    pub(crate) fn new(seeds: Vec<Node>) -> Self {
        Self {
            seeds,
            former: VecDeque::new(),
            down: HashSet::new(),
            outside: HashSet::new(),
            known: HashSet::new(),
            order: Vec::new(),
            answering: 0,
            up: 0,
            made_for: None,
            #[cfg(test)]
            rebuilds: 0,
        }
    }

    /// Rebuilds the list if necessary. Returns whether it was.
    pub(crate) fn refresh(&mut self, cache: &SlotCache) -> bool {
        if self.made_for == Some(cache.generation()) {
            return false;
        }
        self.made_for = Some(cache.generation());
        let mut known = HashSet::new();
        let mut named = self.seeds.clone();
        named.extend(cache.nodes());
        named.retain(|node| known.insert(node.clone()));
        let is_former = |node: &&Node| {
            self.known.contains(*node) && !known.contains(*node) && !self.down.contains(*node)
        };
        self.former
            .extend(self.order.iter().filter(is_former).cloned());
        self.former.retain(|node| !known.contains(node));
        while self.former.len() > MAX_FORMER {
            self.former.pop_front();
        }
        named.extend(self.former.iter().cloned());
        // Nodes that have left the cluster are forgotten.
        let named_now: HashSet<&Node> = named.iter().collect();
        self.down.retain(|node| named_now.contains(node));
        self.outside.retain(|node| named_now.contains(node));
        let rank = |node: &Node| (self.down.contains(node), self.outside.contains(node));
        named.sort_by_cached_key(rank);
        self.answering = named.partition_point(|node| rank(node) == (false, false));
        self.up = named.partition_point(|node| !rank(node).0);
        (self.known, self.order) = (known, named);
        #[cfg(test)]
        {
            self.rebuilds += 1;
        }
        true
    }

    /// Every node, those that are most likely to answer first.
    pub(crate) fn order(&self) -> &[Node] {
        &self.order
    }

    /// The nodes that answer; if there are none, those that are up; if there are none, all. Empty
    /// only if there is no node at all.
    pub(crate) fn best(&self) -> &[Node] {
        let count = match (self.answering, self.up) {
            (0, 0) => self.order.len(),
            (0, up) => up,
            (answering, _) => answering,
        };
        self.order.get(..count).unwrap_or(&self.order)
    }

    /// Whether the caller or the cache names this node.
    pub(crate) fn knows(&self, node: &Node) -> bool {
        self.known.contains(node)
    }

    pub(crate) fn is_down(&self, node: &Node) -> bool {
        self.down.contains(node)
    }

    pub(crate) fn mark_down(&mut self, node: &Node) {
        let was_former = self.former.len();
        self.former.retain(|former| former != node);
        if self.down.insert(node.clone()) || self.former.len() != was_former {
            self.made_for = None;
        }
    }

    pub(crate) fn mark_up(&mut self, node: &Node) {
        if self.down.remove(node) {
            self.made_for = None;
        }
    }

    pub(crate) fn mark_outside(&mut self, node: &Node) {
        if self.outside.insert(node.clone()) {
            self.made_for = None;
        }
    }

    /// The node has shown that it is in a cluster that serves slots.
    pub(crate) fn mark_serving(&mut self, node: &Node) {
        if self.outside.remove(node) {
            self.made_for = None;
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

    fn nodes(numbers: &[u16]) -> Vec<Node> {
        numbers.iter().copied().map(node).collect()
    }

    /// The cache learns that these nodes have all slots, the same number each.
    fn learn(cache: &mut SlotCache, primaries: &[u16]) {
        let each = 16384 / primaries.len() as u16;
        let owner = |&primary: &u16| HintNode {
            primary: node(primary),
            replicas: Vec::new(),
        };
        let range = |index: usize| {
            let first = index as u16 * each;
            (first, first + each - 1, Some(index))
        };
        let hint = Hint {
            token: 1,
            nodes: primaries.iter().map(owner).collect(),
            ranges: (0..primaries.len()).map(range).collect(),
            is_whole: true,
        };
        let asked = cache.ask();
        cache.learn(&hint, &node(1), asked);
    }

    #[test]
    fn each_node_is_there_once_and_seeds_come_first() {
        let mut cache = SlotCache::new();
        let mut roster = Roster::new(nodes(&[8, 2, 8]));
        learn(&mut cache, &[1, 2]);
        assert!(roster.refresh(&cache));
        assert_eq!(roster.order(), nodes(&[8, 2, 1]));
        assert!(!roster.refresh(&cache), "nothing has changed");
    }

    #[test]
    fn nodes_that_are_outside_of_any_cluster_or_down_come_after_the_others() {
        let mut cache = SlotCache::new();
        let mut roster = Roster::new(nodes(&[8, 9]));
        learn(&mut cache, &[1, 2]);
        roster.mark_down(&node(8));
        roster.mark_outside(&node(9));
        roster.refresh(&cache);
        assert_eq!(roster.order(), nodes(&[1, 2, 9, 8]));
        assert_eq!(roster.best(), nodes(&[1, 2]));
        roster.mark_down(&node(1));
        roster.mark_down(&node(2));
        roster.refresh(&cache);
        assert_eq!(roster.best(), nodes(&[9]));
        roster.mark_down(&node(9));
        roster.refresh(&cache);
        assert_eq!(roster.best(), roster.order());
        roster.mark_up(&node(9));
        roster.mark_serving(&node(9));
        roster.refresh(&cache);
        assert_eq!(roster.best(), nodes(&[9]));
    }

    #[test]
    fn nodes_that_the_cache_named_before_are_asked_last_until_they_are_found_down() {
        let mut cache = SlotCache::new();
        let mut roster = Roster::new(nodes(&[8]));
        learn(&mut cache, &[1, 2]);
        roster.refresh(&cache);
        learn(&mut cache, &[3]);
        roster.refresh(&cache);
        assert_eq!(roster.order(), nodes(&[8, 3, 1, 2]));
        assert!(!roster.knows(&node(1)));
        roster.mark_down(&node(1));
        roster.refresh(&cache);
        assert_eq!(roster.order(), nodes(&[8, 3, 2]));
        learn(&mut cache, &[2]);
        roster.refresh(&cache);
        assert_eq!(roster.order(), nodes(&[8, 2, 3]));
        for primary in 100..200 {
            learn(&mut cache, &[primary]);
            roster.refresh(&cache);
        }
        assert_eq!(roster.order().len(), 2 + MAX_FORMER);
        assert_eq!(roster.order().last(), Some(&node(198)), "the latest");
    }
}
