//! A simulated server with its replicas. It also plays the module: it calls the coordinator as
//! `src/durable/turn.rs` does, without the look at the cluster that follows the work in a timer.

use std::collections::{BTreeMap, HashMap};

use super::super::*;
use super::events::Event;
use crate::ack_request::GETACK_BYTES;
use crate::replicas::{Link, Listing};
use crate::units::{Millis, Offset};

/// A replica: the offsets that it has really read and fsynced, and the one that it has
/// acknowledged.
#[derive(Clone, Debug)]
pub struct Replica {
    pub port: u16,
    /// The module has heard its port. Otherwise what it reports as fsynced is not believed.
    pub announced: bool,
    pub read: u64,
    pub fsynced: u64,
    pub acked: u64,
}

/// What a waiting client really needs.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub need: Need,
    /// The end of the last data in the stream when the command ran.
    pub data: u64,
    pub has_deadline: bool,
    pub is_lost: bool,
}

/// See the head of this file. The fields are public for `events.rs`.
pub struct SimulatedServer {
    pub coordinator: Coordinator<u64>,
    pub now: Micros,
    pub is_primary: bool,
    pub is_paused: bool,
    pub has_failed: bool,
    /// The end of the stream.
    pub stream: u64,
    /// The end of the last data in it.
    pub data: u64,
    /// The offsets at which requests begin.
    pub requests: Vec<u64>,
    /// The last request was sent without a look, so the coordinator does not know its offset.
    pub is_last_unseen: bool,
    /// How many commands the filter has heard.
    pub commands: u64,
    pub replicas: Vec<Replica>,
    pub joined: u64,
    /// A replica joined, and no request at an offset above 0 was sent since.
    pub newcomer: bool,
    /// A pause has delayed a request. It is sent after the pause, even if its wait has ended.
    pub delayed: bool,
    pub waits: BTreeMap<u64, Wanted>,
    pub turn_timer: bool,
    pub deadline_timer: Option<Micros>,
    /// When the next cron runs. `None` until the first one.
    pub next_cron: Option<Micros>,
    pub woken: bool,
}

impl SimulatedServer {
    pub fn new(setup: Setup) -> Self {
        Self {
            coordinator: Coordinator::new(setup),
            now: Micros::new(0),
            is_primary: true,
            is_paused: false,
            has_failed: false,
            stream: 0,
            data: 0,
            requests: Vec::new(),
            is_last_unseen: false,
            commands: 0,
            replicas: Vec::new(),
            joined: 0,
            newcomer: true,
            delayed: false,
            waits: BTreeMap::new(),
            turn_timer: false,
            deadline_timer: None,
            next_cron: None,
            woken: false,
        }
    }

    /// Runs one event in a turn, then further turns until the event loop sleeps.
    pub fn happens(&mut self, event: Event) {
        self.turn(Some(event));
        self.run_while_woken();
        self.check_sleep();
    }

    /// The event loop sleeps: no lost wait is left, and none without FSYNC that the
    /// acknowledgements of the connected replicas satisfy.
    fn check_sleep(&self) {
        for (&client, wanted) in &self.waits {
            assert!(!wanted.is_lost, "sleeps with a lost wait: {wanted:?}");
            let wait = self.coordinator.wait_of(client).expect("a present wait");
            let Some(offset) = wait.offset.filter(|_| wanted.need.fsync == 0) else {
                continue;
            };
            // An acknowledged offset of 0 acknowledges nothing.
            let acked = self
                .replicas
                .iter()
                .filter(|r| r.acked >= offset.get().max(1));
            let is_satisfied = acked.count() >= wanted.need.replicas as usize;
            assert!(!is_satisfied, "sleeps with a satisfied wait: {wait:?}");
        }
    }

    fn run_while_woken(&mut self) {
        for turns in 0.. {
            let is_due = |at: Option<Micros>| at.is_some_and(|at| at <= self.now);
            let fires = is_due(self.deadline_timer) || is_due(self.next_cron);
            if !self.woken && !fires {
                break;
            }
            assert!(turns < 50, "the event loop never sleeps again");
            self.turn(None);
        }
    }

    fn turn(&mut self, event: Option<Event>) {
        self.woken = false;
        if self.coordinator.turn_begins() {
            self.apply_timers();
        }
        if let Some(event) = event {
            let is_command = matches!(event, Event::Durable { .. });
            self.run(event);
            if is_command {
                self.apply_timers();
            } else {
                self.stop_timers_without_waits();
            }
        }
        if std::mem::take(&mut self.turn_timer) {
            let todo = self.coordinator.turn_timer_fired(self.now);
            self.on_timer(todo);
        }
        if self.deadline_timer.is_some_and(|at| at <= self.now) {
            self.deadline_timer = None;
            let todo = self.coordinator.deadline_timer_fired(self.now);
            self.on_timer(todo);
        }
        if self.next_cron.is_some_and(|at| at <= self.now) {
            self.cron();
        }
        self.coordinator.commands_heard(self.commands);
        if self.coordinator.unseen_request().is_some() && !self.is_paused {
            self.send_unseen();
            self.apply_timers();
        } else if self.coordinator.turn_ends() {
            let looked = self.look();
            if !looked && !self.is_primary {
                self.coordinator.look_failed_on_replica();
            }
            let actions = self
                .coordinator
                .looked_at_turn_end(looked, self.is_paused, self.now);
            self.carry_out(actions);
            self.apply_timers();
        }
        self.stop_timers_without_waits();
        self.has_failed = false;
    }

    /// As the module does after waits that it did not end in an action.
    fn stop_timers_without_waits(&mut self) {
        if self.coordinator.has_timer_without_waits() {
            self.apply_timers();
        }
    }

    pub fn cron(&mut self) {
        self.next_cron = Some(self.now.saturating_add(Millis::new(100).to_micros()));
        if self.coordinator.cron(10, self.now) && self.has_failed {
            self.coordinator.cluster_failed();
            self.lose_all();
            self.woken = true;
        }
        self.apply_timers();
    }

    fn on_timer(&mut self, todo: OnTimer) {
        if todo.check_cluster && self.has_failed {
            self.coordinator.cluster_failed();
            self.lose_all();
            self.give_up();
        } else if todo.release {
            let looked = !todo.look || self.look();
            let actions = self.coordinator.looked_in_timer(looked, self.now);
            self.carry_out(actions);
        }
        self.apply_timers();
    }

    fn look(&mut self) -> bool {
        let asked = self.coordinator.fsyncs.clients_to_look_up();
        let replicas = self.replicas.iter();
        let mut listed: HashMap<_, _> = replicas
            .map(|replica| (u64::from(replica.port), Some(b"h".to_vec())))
            .collect();
        // Clients that pretend are connected, but no replicas.
        listed.extend(
            asked
                .iter()
                .filter(|&&id| id > 60_000)
                .map(|&id| (id, None)),
        );
        self.coordinator.looked_up(&asked, &listed);
        if !self.is_primary {
            return false;
        }
        let replicas = self.replicas.clone();
        let links = replicas.iter().map(|replica| Link {
            host: b"h",
            port: replica.port,
            online: true,
            acked: Offset::new(replica.acked),
        });
        let taken = self
            .coordinator
            .role_seen(Offset::new(self.stream), self.now, links.clone());
        if !taken {
            let listing = Listing {
                offset: Offset::new(self.stream),
                connected: links.len(),
                links: links.collect(),
                granted: Some(self.joined),
            };
            self.coordinator.listed(listing, self.now);
        }
        true
    }

    pub fn carry_out(&mut self, actions: Actions<u64>) {
        for (client, wait) in actions.released {
            assert_eq!(client, wait.payload);
            let wanted = self.waits.remove(&client).expect("a released wait");
            assert!(!wanted.is_lost, "a lost wait was released");
            let read = self.replicas.iter().filter(|r| r.read >= wanted.data);
            let fsynced = self.replicas.iter().filter(|r| r.fsynced >= wanted.data);
            let holds = read.count() >= wanted.need.replicas as usize;
            let holds = holds && fsynced.count() >= wanted.need.fsync as usize;
            assert!(holds, "released early: {wanted:?} with {:?}", self.replicas);
        }
        if actions.request.is_some() {
            if self.is_paused {
                self.delayed = true;
            } else {
                self.send_request();
            }
        }
        self.woken |= actions.wake;
        if actions.give_up {
            self.give_up();
        }
    }

    fn send_request(&mut self) {
        assert!(!self.replicas.is_empty(), "a request to nobody");
        let last = self.requests.last().copied();
        let needed = self.waits.values().any(|wait| {
            let covered = last.is_some_and(|last| wait.data <= last);
            !wait.is_lost && (!covered || wait.need.fsync > 0)
        });
        let is_unknown = std::mem::take(&mut self.is_last_unseen);
        assert!(
            needed || self.newcomer || self.delayed || is_unknown,
            "a request without need at {} after {last:?}",
            self.stream
        );
        self.newcomer &= self.stream == 0;
        self.delayed = false;
        self.requests.push(self.stream);
        self.stream += GETACK_BYTES;
        self.woken |= self.coordinator.request_sent();
    }

    fn send_unseen(&mut self) {
        assert!(!self.replicas.is_empty(), "a request to nobody");
        assert_eq!(self.waits.len(), 1, "not alone");
        self.newcomer &= self.stream == 0;
        self.requests.push(self.stream);
        self.is_last_unseen = true;
        self.stream += GETACK_BYTES;
        self.coordinator.sent_unseen();
    }

    fn give_up(&mut self) {
        for client in self.coordinator.overdue(self.now) {
            self.end(client);
        }
        for (client, _) in self.coordinator.take_lost() {
            self.end(client);
        }
        self.woken |= self.coordinator.has_more_to_give_up(self.now);
    }

    pub fn end(&mut self, client: u64) {
        let given_up = self.coordinator.timed_out(client, self.now, |_| true);
        assert_eq!(
            given_up.is_some(),
            self.waits.remove(&client).is_some(),
            "the coordinator ended a wait that there is not, or missed one"
        );
    }

    pub fn lose_all(&mut self) {
        for wait in self.waits.values_mut() {
            wait.is_lost = true;
        }
    }

    fn apply_timers(&mut self) {
        let changes = self.coordinator.timer_changes(self.now);
        match changes.turn {
            TimerChange::Keep => {}
            TimerChange::Stop => self.turn_timer = false,
            TimerChange::Start(ms) => {
                assert_eq!(ms, 0);
                self.turn_timer = true;
            }
        }
        match changes.deadline {
            TimerChange::Keep => {}
            TimerChange::Stop => self.deadline_timer = None,
            TimerChange::Start(ms) => {
                self.deadline_timer = Some(self.now.saturating_add(Millis::new(ms).to_micros()));
            }
        }
        let armed = self.turn_timer || self.deadline_timer.is_some();
        assert_eq!(armed, self.coordinator.has_armed_timer());
        assert!(!armed || !self.waits.is_empty(), "a timer without waits");
    }

    /// Makes all replicas read and answer until no request is left unanswered.
    pub fn settle(&mut self) {
        self.happens(Event::Pause(false));
        for round in 0.. {
            let behind = |replica: &Replica| replica.read < self.stream;
            let Some(index) = self.replicas.iter().position(behind) else {
                break;
            };
            assert!(round < 100, "requests go on for ever");
            self.happens(Event::Deliver(index));
        }
    }

    /// Waits for which enough replicas are present, and lost waits.
    pub fn satisfiable(&self) -> Vec<(u64, Wanted)> {
        let announced = self.replicas.iter().filter(|replica| replica.announced);
        let (replicas, announced) = (self.replicas.len(), announced.count());
        let waits = self.waits.iter().filter(|(_, wait)| {
            let Need {
                replicas: acked,
                fsync,
            } = wait.need;
            wait.is_lost || (acked as usize <= replicas && fsync as usize <= announced)
        });
        waits.map(|(&id, wait)| (id, wait.clone())).collect()
    }

    /// Lets time pass until no deadline is left. Only armed timers wake the event loop. Deadlines
    /// are less than a second away, so a timer that is 10 s away is not armed for a deadline.
    pub fn pass_all_deadlines(&mut self) {
        let limit = Millis::new(10_000).to_micros();
        let is_near = |at: Micros, now| at.since(now) < limit;
        loop {
            let timer = self.deadline_timer.filter(|&at| is_near(at, self.now));
            // Crons run for ever. They are of interest while somebody waits for a deadline.
            let cron = self
                .next_cron
                .filter(|_| !self.with_deadline_or_lost().is_empty());
            let Some(at) = timer.into_iter().chain(cron).min() else {
                break;
            };
            assert!(
                at.since(Micros::new(0)) < Millis::new(1_000_000).to_micros(),
                "for ever"
            );
            self.now = self.now.max(at);
            self.run_while_woken();
        }
    }

    pub fn with_deadline_or_lost(&self) -> Vec<(u64, Wanted)> {
        let waits = self.waits.iter();
        let waits = waits.filter(|(_, wait)| wait.has_deadline || wait.is_lost);
        waits.map(|(&id, wait)| (id, wait.clone())).collect()
    }
}
