//! The shards of the cache: each is a primary and its known replicas. Shards without slots are
//! dropped.

use std::collections::{HashMap, HashSet};

use super::asked::Asked;
use crate::decide::node::Node;

#[derive(Clone, Debug)]
pub(super) struct Shard {
    pub(super) primary: Node,
    pub(super) replicas: Vec<Node>,
    /// The primary that the last failover replaced.
    former: Option<Node>,
    /// Failovers since the last hint that named the replicas.
    failovers: u32,
    pub(super) slots: usize,
    /// When the last failover became known.
    failed_over: u64,
    /// When the hint that named the replicas was requested, or a failover changed them.
    told: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Shards {
    /// `None` is a free place.
    places: Vec<Option<Shard>>,
    free: Vec<usize>,
    /// The place of each primary's shard. No two shards have the same primary.
    by_primary: HashMap<Node, usize>,
    /// Grows whenever a node comes, goes, or changes its role.
    generation: u64,
}

impl Shards {
    pub(super) fn at(&self, at: usize) -> Option<&Shard> {
        self.places.get(at)?.as_ref()
    }

    pub(super) fn at_mut(&mut self, at: usize) -> Option<&mut Shard> {
        self.places.get_mut(at)?.as_mut()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Shard> {
        self.places.iter().flatten()
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Every node once, the primaries first.
    pub(super) fn nodes(&self) -> Vec<Node> {
        let primaries = self.all().map(|shard| &shard.primary);
        let replicas = self.all().flat_map(|shard| &shard.replicas);
        let mut seen = HashSet::new();
        let nodes = primaries.chain(replicas).filter(|node| seen.insert(*node));
        nodes.cloned().collect()
    }

    /// The shard whose primary is `node`.
    pub(super) fn of_primary(&self, node: &Node) -> Option<usize> {
        self.by_primary.get(node).copied()
    }

    /// The shard of which `node` is known to be a replica.
    pub(super) fn of_replica(&self, node: &Node) -> Option<usize> {
        self.position(|shard| shard.replicas.contains(node))
    }

    /// The shard whose primary is `node`. If there is none, a new one without slots.
    pub(super) fn led_by(&mut self, node: &Node, told: u64) -> usize {
        if let Some(at) = self.of_primary(node) {
            return at;
        }
        let shard = Some(Shard {
            primary: node.clone(),
            replicas: Vec::new(),
            former: None,
            failovers: 0,
            slots: 0,
            failed_over: 0,
            told,
        });
        let at = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(at) {
            Some(place) => *place = shard,
            None => self.places.push(shard),
        }
        self.by_primary.insert(node.clone(), at);
        self.changed();
        at
    }

    /// The primaries that failovers have replaced since `asked`, and the places of their shards.
    pub(super) fn replaced_since(&self, asked: Asked) -> HashMap<Node, usize> {
        let mut replaced = HashMap::new();
        for (at, shard) in self.places.iter().enumerate() {
            let late = shard.as_ref().filter(|shard| shard.failed_over > asked.0);
            if let Some(former) = late.and_then(|shard| shard.former.clone()) {
                replaced.entry(former).or_insert(at);
            }
        }
        replaced
    }

    /// The shard that a hint means by `primary`. A hint that was requested before a failover may
    /// name the former primary: it means the shard, and the cache knows its new primary.
    pub(super) fn meant_by_hint(
        &mut self,
        primary: &Node,
        replaced: &HashMap<Node, usize>,
    ) -> usize {
        match (self.of_primary(primary), replaced.get(primary)) {
            (None, Some(&replaced)) => replaced,
            _ => self.led_by(primary, 0),
        }
    }

    /// Takes over the replicas that a hint names, unless newer ones are known.
    pub(super) fn tell_replicas(&mut self, at: usize, replicas: &[Node], asked: Asked) {
        let Some(shard) = self.at_mut(at).filter(|shard| shard.told < asked.0) else {
            return;
        };
        shard.told = asked.0;
        shard.failovers = 0;
        let own = |shard: &Shard, node: &&Node| **node != shard.primary;
        let told = replicas.iter().filter(|node| own(shard, node));
        if !told.clone().eq(&shard.replicas) {
            shard.replicas = told.cloned().collect();
            self.changed();
        }
    }

    /// Makes the replica `to` the primary of its shard. Returns how many slots that moves.
    pub(super) fn fail_over(&mut self, at: usize, to: &Node, now: u64) -> usize {
        let Some(shard) = self.at_mut(at) else {
            return 0;
        };
        let former = std::mem::replace(&mut shard.primary, to.clone());
        shard.replicas.retain(|replica| replica != to);
        shard.failovers = shard.failovers.saturating_add(1);
        // The former primary most likely comes back as a replica, and may be promoted again.
        // Without a new hint this is assumed only once. Suppose that some slots of the shard were
        // really given to its former replica. Then each `MOVED` to this node, and each one back,
        // would move the whole shard. After the second failover each slot is patched alone.
        if shard.failovers == 1 {
            shard.replicas.push(former.clone());
        }
        shard.former = Some(former.clone());
        (shard.failed_over, shard.told) = (now, now);
        let moved = shard.slots;
        self.by_primary.remove(&former);
        self.by_primary.insert(to.clone(), at);
        self.changed();
        moved
    }

    /// Drops the shards that have no slots any more.
    pub(super) fn drop_empty(&mut self) {
        let mut dropped = false;
        for (at, place) in self.places.iter_mut().enumerate() {
            if let Some(shard) = place.take_if(|shard| shard.slots == 0) {
                self.by_primary.remove(&shard.primary);
                self.free.push(at);
                dropped = true;
            }
        }
        if dropped {
            self.changed();
        }
    }

    fn position(&self, is_it: impl Fn(&Shard) -> bool) -> Option<usize> {
        self.places
            .iter()
            .position(|shard| shard.as_ref().is_some_and(&is_it))
    }

    fn changed(&mut self) {
        self.generation = self.generation.saturating_add(1);
    }
}
