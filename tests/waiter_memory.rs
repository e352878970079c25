//! What one waiting client costs the module: the ledger's memory by a counting allocator, in a process
//! without a server. The server's own cost of a blocked client, some 55 KB, is not the module's.
//!
//! The module keeps nothing else per waiting client: its replies are held by the server.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use durable_core::acks::{Acks, Need};
use durable_core::ledger::Ledger;

struct Counting;

thread_local! {
    /// Bytes that this thread holds, and the most that it ever held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    // A thread that ends frees after its locals are gone; nobody asks about that one.
    let _ = HELD.try_with(|held| {
        let now = held.get().0 + bytes;
        held.set((now, held.get().1.max(now)));
    });
}

/// Sizes as the server's allocator rounds them: jemalloc has four classes between two powers of two.
fn rounded(size: usize) -> isize {
    let step = (size.next_power_of_two() / 8).max(16);
    isize::try_from(size.next_multiple_of(step)).expect("a size")
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(rounded(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-rounded(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LIMIT: isize = 512;

/// As large as what the module keeps with each wait: a handle, a kind of answer, a timeout.
type Payload = [u64; 3];

fn held() -> isize {
    HELD.with(Cell::get).0
}

fn most_held() -> isize {
    HELD.with(Cell::get).1
}

/// So many clients come to wait, `per_turn` in each turn of the event loop.
fn fill(ledger: &mut Ledger<Payload>, waiters: u64, per_turn: u64) {
    let acks = Acks::default();
    for id in 0..waiters {
        let need = Need {
            replicas: 1 + u32::try_from(id % 3).expect("a small number"),
            fsync: 0,
        };
        let deadline = Some(1_000_000 + id);
        ledger
            .accept(id, need, id, deadline, [id; 3])
            .expect("a new id");
        if id % per_turn == per_turn - 1 {
            ledger.assign(id * 100, &acks);
        }
    }
    ledger.assign(waiters * 100, &acks);
}

#[test]
fn a_waiting_client_costs_the_module_at_most_512_bytes() {
    // Just above a power of two the tables have just grown and are emptiest.
    for waiters in [1_000, 7_200, 10_000, 14_400, 28_700, 114_700, 115_000] {
        for per_turn in [1, 50, waiters] {
            let before = held();
            let mut ledger = Ledger::default();
            fill(&mut ledger, waiters, per_turn);
            let each = (held() - before) / isize::try_from(waiters).expect("a number");
            assert!(
                each <= LIMIT,
                "{each} bytes for each of {waiters}, {per_turn} a turn"
            );
            println!("{waiters} waiters, {per_turn} a turn: {each} bytes each");
        }
    }
    // Also while a table is being copied into a larger one.
    let before = held();
    HELD.with(|held| held.set((held.get().0, held.get().0)));
    let mut ledger = Ledger::default();
    fill(&mut ledger, 115_000, 50);
    let most = (most_held() - before) / 115_000;
    assert!(most <= LIMIT, "{most} bytes each at the worst moment");
}

#[test]
fn waits_that_have_ended_cost_nothing() {
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
            acks.replace([u64::MAX; 3].into_iter(), [u64::MAX; 3].into_iter());
            let mut released = Vec::new();
            ledger.release(&acks, &mut released);
            assert_eq!(released.len(), 20_000);
        }
        assert!(ledger.is_empty());
        // What an empty ledger keeps is as much as a thousand waits or so take, whatever it held before.
        assert!(
            held() - before < 400_000,
            "{} bytes after round {round}",
            held() - before
        );
    }
}
