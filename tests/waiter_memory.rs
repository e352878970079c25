//! What one waiting client costs the module: the memory of the ledger, in a process without a
//! server. The server's own cost of a blocked client, some 38 KB, is not counted.
//!
//! The module keeps nothing else per waiting client: the server holds the replies.

#![forbid(unsafe_code)]

use std::alloc::System;
use std::cell::Cell;
use std::sync::Once;

use durable_core::acks::{Acks, Need};
use durable_core::ledger::{Ledger, Released};
use durable_core::units::{Micros, Offset};
use tracking_allocator::{
    AllocationGroupId, AllocationRegistry, AllocationTracker, Allocator as TrackingAllocator,
};

#[global_allocator]
static ALLOCATOR: TrackingAllocator<System> = TrackingAllocator::system();

thread_local! {
    /// The bytes that this thread holds, and the most that it has held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// Counts the allocations of each thread in [`HELD`].
struct PerThread;

impl AllocationTracker for PerThread {
    fn allocated(&self, _: usize, size: usize, _: usize, _: AllocationGroupId) {
        count(rounded(size));
    }

    fn deallocated(
        &self,
        _: usize,
        size: usize,
        _: usize,
        _: AllocationGroupId,
        _: AllocationGroupId,
    ) {
        count(-rounded(size));
    }
}

fn count(bytes: isize) {
    // A thread that ends frees memory after its thread-locals are gone. No test reads its count
    // then.
    let _ = HELD.try_with(|held| {
        let now = held.get().0 + bytes;
        held.set((now, held.get().1.max(now)));
    });
}

/// A size as the server's allocator rounds it up: jemalloc has four classes between two powers of
/// two. 130 bytes take 160.
fn rounded(size: usize) -> isize {
    let step = (size.next_power_of_two() / 8).max(16);
    isize::try_from(size.next_multiple_of(step)).expect("a size")
}

/// Begins to count. Each test calls it first.
fn begin() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        AllocationRegistry::set_global_tracker(PerThread).expect("the only tracker");
        AllocationRegistry::enable_tracking();
    });
}

const LIMIT: isize = 512;

/// The size of what the module keeps with each wait: a handle, a kind of answer, a timeout.
type Payload = [u64; 3];

fn held() -> isize {
    HELD.with(Cell::get).0
}

fn most_held() -> isize {
    HELD.with(Cell::get).1
}

/// Adds `waiters` waits, `per_turn` in each turn of the event loop.
fn fill(ledger: &mut Ledger<Payload>, waiters: u64, per_turn: u64) {
    let acks = Acks::default();
    for id in 0..waiters {
        let need = Need {
            replicas: 1 + u32::try_from(id % 3).expect("a small number"),
            fsync: 0,
        };
        let deadline = Some(Micros::new(1_000_000 + id));
        ledger
            .accept(id, need, Micros::new(id), deadline, [id; 3])
            .expect("a new id");
        if id % per_turn == per_turn - 1 {
            ledger.assign(Offset::new(id * 100), &acks);
        }
    }
    ledger.assign(Offset::new(waiters * 100), &acks);
}

#[test]
fn a_waiting_client_costs_the_module_at_most_512_bytes() {
    begin();
    // Just above a power of two the tables have just grown and are emptiest.
    for waiters in [1_000, 7_200, 10_000, 14_400, 28_700, 114_700, 115_000] {
        for per_turn in [1, 50, waiters] {
            let before = held();
            let mut ledger = Ledger::default();
            fill(&mut ledger, waiters, per_turn);
            let each = (held() - before) / isize::try_from(waiters).expect("a number");
            assert!(
                each <= LIMIT,
                "{each} bytes for each of {waiters} waits, {per_turn} accepted in a turn"
            );
            println!("{waiters} waits, {per_turn} accepted in a turn: {each} bytes each");
        }
    }
    // Also while a table is copied into a larger one.
    let before = held();
    HELD.with(|held| held.set((held.get().0, held.get().0)));
    let mut ledger = Ledger::default();
    fill(&mut ledger, 115_000, 50);
    let most = (most_held() - before) / 115_000;
    assert!(
        most <= LIMIT,
        "{most} bytes for each of 115000 waits at the peak"
    );
    println!("115000 waits, 50 accepted in a turn: {most} bytes each at the peak");
}

#[test]
fn waits_that_have_ended_cost_nothing() {
    begin();
    let before = held();
    let mut ledger = Ledger::default();
    for round in 0..20 {
        fill(&mut ledger, 20_000, 50);
        if round % 2 == 0 {
            for id in 0..20_000 {
                assert!(ledger.cancel(id).is_some());
            }
        } else {
            let mut acks = Acks::default();
            acks.replace([Offset::MAX; 3].into_iter(), [Offset::MAX; 3].into_iter());
            let mut released = Released::new();
            ledger.release(&acks, &mut released);
            assert_eq!(released.len(), 20_000);
        }
        assert!(ledger.is_empty());
        // An empty ledger keeps the memory of about a thousand waits, whatever it held before.
        let kept = held() - before;
        assert!(
            kept < 400_000,
            "the empty ledger keeps {kept} bytes after round {round}"
        );
    }
}
