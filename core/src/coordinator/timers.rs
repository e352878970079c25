//! The two timers of the coordinator: which are armed, and which have to be started or stopped.
//!
//! The **turn timer** is a zero-delay timer. It is armed when a turn begins with waits, but only
//! with `ReleasePoint::Timer` or in a cluster. It fires after the commands of this turn were
//! executed and the acknowledgements of the replicas were read.
//!
//! The **deadline timer** wakes the event loop for the earliest deadline. It is not moved to a
//! later time when a wait ends: to fire too early costs one turn, to move it would cost time in
//! every command. Example: waits with deadlines 100 and 200, timer at 100. The first wait is
//! released. The timer stays at 100, fires, and is armed for 200.
//!
//! A wait that ends before the next cron of the server needs no timer. So a deadline timer is armed
//! only if no other cron comes a whole period before the deadline. Otherwise the cron arms it.
//! Example with a cron each 100 ms, the last one at 0 ms: for a deadline at 1,010 ms the timer is
//! armed by the cron at 900 ms. A command with a deadline at 150 ms arms it itself.
//!
//! Redis 7.0 does not sleep in the turn after its last timer has fired. In a cluster the turn timer
//! fires in every turn with waits. Without another timer the event loop would never sleep. So there
//! the deadline timer is armed beside it, for waits without a deadline too.
//!
//! Without waits no timer is armed, not even for the rest of the turn. The server refuses to unload
//! a module with an armed timer, before it calls the module's unload function.

use super::{Coordinator, ReleasePoint};
use crate::units::Micros;

/// A deadline timer that is this late is armed again. The server's timers follow the wall clock: if
/// the clock is set back by an hour, they fire an hour late.
const LATE: Micros = Micros::new(50_000);

/// The deadline timer fires after this time at the latest, and is armed again. Redis 7.0 multiplies
/// the milliseconds by 1000 in 32 bits (`processTimeEvents` in `ae.c`): a timer that has more than
/// 35 minutes left keeps the event loop awake.
const LONGEST: Micros = Micros::from_secs(1000);

/// Which timers are armed.
#[derive(Debug, Default)]
pub(super) struct Timers {
    turn: TurnTimerState,
    deadline: Option<ArmedDeadline>,
}

/// The state of the turn timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TurnTimerState {
    #[default]
    Off,
    /// Has to be started. If an earlier turn left it armed, it is stopped first.
    Due,
    Armed,
}

/// An armed deadline timer.
#[derive(Clone, Copy, Debug)]
struct ArmedDeadline {
    /// The time that it was armed for: the earliest deadline, but at most [`LONGEST`] away.
    at: Micros,
    /// When it should fire: at that time, or at once if that time had passed.
    fires: Micros,
}

/// The change that the caller has to make to one timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerChange {
    /// Nothing.
    Keep,
    /// Stop it, if it is armed.
    Stop,
    /// Stop it, if it is armed, and arm it to fire after this many milliseconds.
    Start(u64),
}

/// The changes that the caller has to make to both timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerChanges {
    /// The turn timer.
    pub turn: TimerChange,
    /// The deadline timer.
    pub deadline: TimerChange,
}

impl Timers {
    /// A turn begins, with waits, and needs the turn timer.
    pub(super) fn turn_begins(&mut self) {
        self.turn = TurnTimerState::Due;
    }

    pub(super) fn turn_fired(&mut self) {
        self.turn = TurnTimerState::Off;
    }

    pub(super) fn deadline_fired(&mut self) {
        self.deadline = None;
    }
}

impl<P> Coordinator<P> {
    /// The changes to the timers. The head of `coordinator` says when the caller has to call this,
    /// and make the changes.
    pub fn timer_changes(&mut self, now: Micros) -> TimerChanges {
        TimerChanges {
            turn: self.turn_timer_change(),
            deadline: self.deadline_timer_change(now),
        }
    }

    fn turn_timer_change(&mut self) -> TimerChange {
        let turn = &mut self.timers.turn;
        match (*turn, self.ledger.is_empty()) {
            (TurnTimerState::Off, _) | (TurnTimerState::Armed, false) => TimerChange::Keep,
            (TurnTimerState::Armed | TurnTimerState::Due, true) => {
                *turn = TurnTimerState::Off;
                TimerChange::Stop
            }
            (TurnTimerState::Due, false) => {
                *turn = TurnTimerState::Armed;
                TimerChange::Start(0)
            }
        }
    }

    fn deadline_timer_change(&mut self, now: Micros) -> TimerChange {
        let next = self.next_deadline(now);
        let is_left_to_cron = next.is_some_and(|next| {
            self.timers.deadline.is_none() && !self.keeps_a_timer() && self.cron.comes_before(next)
        });
        if is_left_to_cron {
            return TimerChange::Keep;
        }
        let armed = &mut self.timers.deadline;
        let Some(next) = next else {
            return match armed.take() {
                Some(_) => TimerChange::Stop,
                None => TimerChange::Keep,
            };
        };
        let suffices =
            |armed: ArmedDeadline| armed.at <= next && now <= armed.fires.saturating_add(LATE);
        if armed.is_some_and(suffices) {
            return TimerChange::Keep;
        }
        *armed = Some(ArmedDeadline {
            at: next,
            fires: next.max(now),
        });
        // Rounded up, so that the deadline has passed when the timer fires.
        TimerChange::Start(next.since(now).to_millis_rounded_up().get())
    }

    /// Whether the turn timer is armed in turns with waits: to release them, or to look at the
    /// cluster.
    pub(super) fn uses_turn_timer(&self) -> bool {
        self.setup.release_point == ReleasePoint::Timer || self.setup.is_cluster
    }

    /// The time that the deadline timer has to be armed for, now or by a cron.
    fn next_deadline(&self, now: Micros) -> Option<Micros> {
        let latest = now.saturating_add(LONGEST);
        let keeps_one = self.keeps_a_timer() && !self.ledger.is_empty();
        let next = self.ledger.next_deadline().map(|next| next.min(latest));
        next.or(keeps_one.then_some(latest))
    }

    /// True if a deadline timer has to be beside each turn timer, so that the event loop sleeps.
    fn keeps_a_timer(&self) -> bool {
        self.setup.wakes_after_last_timer && self.uses_turn_timer()
    }

    /// True when a timer is armed although nobody waits: the caller has to stop it.
    pub fn has_timer_without_waits(&self) -> bool {
        self.ledger.is_empty() && self.has_armed_timer()
    }

    /// True when a timer is armed.
    pub(super) fn has_armed_timer(&self) -> bool {
        self.timers.turn == TurnTimerState::Armed || self.timers.deadline.is_some()
    }
}
