//! Which node refuses which request for hints. Pure.
//!
//! A refusal counts for one node only: another node may have the module loaded. If the user lacks a
//! permission, the refusal counts for that command only. A watch needs two commands, so a node that
//! refuses `SLOTHINT.MAP` cannot be watched.

use std::collections::HashMap;

use crate::decide::node::Node;

/// A request that not every node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HintRequest {
    /// `SLOTHINT key …`
    Keys,
    /// `SLOTHINT.MAP`
    Map,
    /// `SLOTHINT.WATCH`, and `SLOTHINT.MAP` when the map has changed.
    Watch,
}

#[derive(Clone, Copy, Debug, Default)]
struct RefusedRequests {
    keys: bool,
    map: bool,
    watch: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_node: HashMap<Node, RefusedRequests>,
}

impl Refusals {
    /// This user may not send the command to this node.
    pub(crate) fn refuse(&mut self, node: &Node, request: HintRequest) {
        let refused = self.by_node.entry(node.clone()).or_default();
        match request {
            HintRequest::Keys => refused.keys = true,
            HintRequest::Map => refused.map = true,
            HintRequest::Watch => refused.watch = true,
        }
    }

    /// This node has no module, or does not run in cluster mode.
    pub(crate) fn refuse_all(&mut self, node: &Node) {
        let all = RefusedRequests {
            keys: true,
            map: true,
            watch: true,
        };
        self.by_node.insert(node.clone(), all);
    }

    pub(crate) fn has(&self, node: &Node, request: HintRequest) -> bool {
        self.by_node.get(node).is_some_and(|refused| match request {
            HintRequest::Keys => refused.keys,
            HintRequest::Map => refused.map,
            HintRequest::Watch => refused.watch || refused.map,
        })
    }

    /// The node may be asked again: it may have been restarted with the module.
    pub(crate) fn forget(&mut self, node: &Node) {
        self.by_node.remove(node);
    }

    pub(crate) fn forget_all(&mut self) {
        self.by_node.clear();
    }

    pub(crate) fn retain(&mut self, is_known: impl Fn(&Node) -> bool) {
        self.by_node.retain(|node, _| is_known(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [HintRequest; 3] = [HintRequest::Keys, HintRequest::Map, HintRequest::Watch];

    fn refused(refusals: &Refusals, node: &Node) -> Vec<HintRequest> {
        let has = |request: &HintRequest| refusals.has(node, *request);
        ALL.into_iter().filter(has).collect()
    }

    #[test]
    fn a_refusal_counts_for_one_node_and_one_command() {
        let (one, other) = (Node::tcp("n", 1), Node::tcp("n", 2));
        let mut refusals = Refusals::default();
        refusals.refuse(&one, HintRequest::Watch);
        assert_eq!(refused(&refusals, &one), [HintRequest::Watch]);
        refusals.refuse(&one, HintRequest::Keys);
        assert_eq!(
            refused(&refusals, &one),
            [HintRequest::Keys, HintRequest::Watch]
        );
        assert_eq!(refused(&refusals, &other), []);
        refusals.refuse_all(&other);
        assert_eq!(refused(&refusals, &other), ALL);
        refusals.forget(&other);
        assert_eq!(refused(&refusals, &other), []);
    }

    #[test]
    fn a_node_that_refuses_the_map_cannot_be_watched() {
        let node = Node::tcp("n", 1);
        let mut refusals = Refusals::default();
        refusals.refuse(&node, HintRequest::Map);
        assert_eq!(
            refused(&refusals, &node),
            [HintRequest::Map, HintRequest::Watch]
        );
    }
}
