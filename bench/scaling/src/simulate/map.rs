//! What 10,000 clients of a cluster with 1,000 shards cost the servers that tell them the slot map.
//!
//! Each client uses 1,000 random keys. Two things are counted: the first fill of all caches, and
//! what follows a change of the map.
//!
//! | method | first fill | after a change |
//! |---|---|---|
//! | CLUSTER SLOTS | one call | a redirected client asks for the whole map again |
//! | MOVED | a redirection for each slot | one for each moved slot that the client uses |
//! | SLOTHINT | one call for every 100 keys | as MOVED |
//! | SLOTHINT.WATCH | one SLOTHINT.MAP | each watcher gets the whole map; until then MOVED |
//!
//! The old owner of a moved slot lives on and redirects, as after a move or a planned failover.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::costs::{Call, MapCosts};

pub const CLIENTS: usize = 10_000;
pub const SHARDS: usize = 1_000;
pub const KEYS: usize = 1_000;
/// Commands of one client in a second. Determines how many are redirected before a watcher knows.
pub const COMMANDS_PER_SECOND: f64 = 100.0;
const SLOTS: usize = 16_384;
const KEYS_IN_A_HINT: usize = 100;
/// The default of `durable.slothint-max-age-ms`: a watched server looks this often.
const MAX_AGE_S: f64 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    ClusterSlots,
    Moved,
    Hint,
    Watch,
}

impl Method {
    pub const ALL: [Method; 4] = [
        Method::ClusterSlots,
        Method::Moved,
        Method::Hint,
        Method::Watch,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Method::ClusterSlots => "CLUSTER SLOTS",
            Method::Moved => "MOVED only",
            Method::Hint => "SLOTHINT, then MOVED",
            Method::Watch => "SLOTHINT.WATCH",
        }
    }
}

/// What all clients do.
#[derive(Clone, Copy, Debug)]
pub enum Occasion {
    /// They start with empty caches.
    Fill,
    /// These slots get another owner.
    Change { first: usize, count: usize },
}

/// Which node a client asks, if it may ask any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A random one.
    Any,
    /// The same one as all others: it is the only seed in everyone's configuration.
    TheSame,
}

/// The costs of all servers together, and of the busiest one.
#[derive(Clone, Debug)]
pub struct Bill {
    pub redirected: u64,
    pub calls: u64,
    pub reply_bytes: f64,
    pub busy_us: Vec<f64>,
}

impl Bill {
    fn new() -> Bill {
        Bill {
            redirected: 0,
            calls: 0,
            reply_bytes: 0.0,
            busy_us: vec![0.0; SHARDS],
        }
    }

    fn add(&mut self, node: usize, call: Call) {
        self.calls += 1;
        self.reply_bytes += call.reply_bytes;
        self.busy_us[node] += call.cpu_us;
    }

    fn redirect(&mut self, node: usize, call: Call) {
        self.redirected += 1;
        self.add(node, call);
    }

    pub fn all_us(&self) -> f64 {
        self.busy_us.iter().sum()
    }

    pub fn busiest_us(&self) -> f64 {
        self.busy_us.iter().copied().fold(0.0, f64::max)
    }
}

/// Counts what all clients cost on this occasion.
pub fn bill(
    costs: &MapCosts,
    method: Method,
    occasion: Occasion,
    asked: Asked,
    clients: usize,
    seed: u64,
) -> Bill {
    let mut bill = Bill::new();
    // The keys have random numbers of their own, so every method has the same clients.
    let mut keys = Rng::with_seed(seed);
    let mut random = keys.fork();
    for _ in 0..clients {
        // The client's slots, with its number of keys in each.
        let mut slots = BTreeMap::<usize, u32>::new();
        for _ in 0..KEYS {
            *slots.entry(keys.usize(0..SLOTS)).or_default() += 1;
        }
        match occasion {
            Occasion::Fill => fill(&mut bill, costs, method, asked, &slots, &mut random),
            Occasion::Change { first, count } => {
                let moved: Vec<(usize, u32)> = slots
                    .range(first..first + count)
                    .map(|(&slot, &keys)| (slot, keys))
                    .collect();
                change(&mut bill, costs, method, asked, &moved, &mut random);
            }
        }
    }
    bill
}

fn any(asked: Asked, random: &mut Rng) -> usize {
    match asked {
        Asked::Any => random.usize(0..SHARDS),
        Asked::TheSame => 0,
    }
}

fn owner(slot: usize) -> usize {
    slot * SHARDS / SLOTS
}

fn fill(
    bill: &mut Bill,
    costs: &MapCosts,
    method: Method,
    asked: Asked,
    slots: &BTreeMap<usize, u32>,
    random: &mut Rng,
) {
    match method {
        Method::ClusterSlots => bill.add(any(asked, random), costs.cluster_slots),
        Method::Watch => bill.add(any(asked, random), costs.map),
        Method::Hint => {
            for _ in 0..KEYS / KEYS_IN_A_HINT {
                bill.add(any(asked, random), costs.hint_100);
            }
        }
        Method::Moved => {
            // The client sends a command of an unknown slot to a node that it knows.
            let mut known = vec![any(asked, random)];
            let mut order: Vec<usize> = slots.keys().copied().collect();
            random.shuffle(&mut order);
            for slot in order {
                let node = known[random.usize(0..known.len())];
                if node != owner(slot) {
                    bill.redirect(node, costs.moved);
                    known.push(owner(slot));
                }
            }
        }
    }
}

/// `moved`: the moved slots that the client uses, with its keys in each.
fn change(
    bill: &mut Bill,
    costs: &MapCosts,
    method: Method,
    asked: Asked,
    moved: &[(usize, u32)],
    random: &mut Rng,
) {
    match method {
        Method::ClusterSlots => {
            // After the first redirection the client has the whole map.
            if let Some(&(slot, _)) = moved.first() {
                bill.redirect(owner(slot), costs.moved);
                bill.add(any(asked, random), costs.cluster_slots);
            }
        }
        Method::Moved | Method::Hint => {
            for &(slot, _) in moved {
                bill.redirect(owner(slot), costs.moved);
            }
        }
        Method::Watch => {
            let node = any(asked, random);
            // The watched server looks at a random moment, and serves its watchers one after the
            // other.
            let served = (bill.busy_us[node] + costs.watch.cpu_us) * 1e-6;
            let knows_after = MAX_AGE_S * random.f64() + served;
            bill.add(node, costs.watch);
            for &(slot, keys) in moved {
                let rate = COMMANDS_PER_SECOND * f64::from(keys) / KEYS as f64;
                let first_use = -(1.0 - random.f64()).ln() / rate;
                if first_use < knows_after {
                    bill.redirect(owner(slot), costs.moved);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients, so that the tests are fast without optimisation.
    const FEW: usize = 1000;

    fn costs() -> MapCosts {
        let call = |cpu_us, reply_bytes| Call {
            cpu_us,
            reply_bytes,
        };
        MapCosts {
            cluster_slots: call(600.0, 80_000.0),
            moved: call(12.0, 30.0),
            hint_100: call(120.0, 8_000.0),
            map: call(300.0, 80_000.0),
            watch: call(350.0, 80_000.0),
            look_us: 2000.0,
            watched_us_per_second: 20_000.0,
        }
    }

    #[test]
    fn a_fill_asks_once_for_a_map_and_once_for_every_hundred_keys() {
        for (method, calls) in [
            (Method::ClusterSlots, FEW),
            (Method::Watch, FEW),
            (Method::Hint, FEW * KEYS / KEYS_IN_A_HINT),
        ] {
            let bill = bill(&costs(), method, Occasion::Fill, Asked::Any, FEW, 1);
            assert_eq!(
                (bill.calls, bill.redirected),
                (calls as u64, 0),
                "{method:?}"
            );
        }
    }

    #[test]
    fn a_client_without_the_moved_slot_costs_only_the_watch() {
        let one_slot = Occasion::Change { first: 0, count: 1 };
        let of = |method| bill(&costs(), method, one_slot, Asked::Any, FEW, 1);
        let (slots, moved, watch) = (
            of(Method::ClusterSlots),
            of(Method::Moved),
            of(Method::Watch),
        );
        // One client in seventeen has one of its 1,000 keys in the slot.
        let expected = FEW as f64 * (1.0 - (1.0 - 1.0 / SLOTS as f64).powi(KEYS as i32));
        assert!((moved.calls as f64 / expected - 1.0).abs() < 0.3);
        assert_eq!(slots.calls, 2 * moved.calls);
        assert_eq!(watch.calls - watch.redirected, FEW as u64);
        assert!(watch.redirected < moved.redirected);
    }

    #[test]
    fn one_node_that_all_clients_ask_does_all_the_work() {
        let bill = bill(
            &costs(),
            Method::ClusterSlots,
            Occasion::Fill,
            Asked::TheSame,
            FEW,
            1,
        );
        assert_eq!(bill.busiest_us(), bill.all_us());
    }
}
