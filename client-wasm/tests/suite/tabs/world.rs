//! Everything around the cores, and its one clock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use durable_sessions_client::core::{Group, Input};
use durable_sessions_protocol::id::{Id, SessionId};

use super::acts::Acts;
use super::agenda::Agenda;
use super::locks::Locks;
use super::network::Connection;
use super::random::Random;
use super::tab::{Life, Tab, TabId, Task};
use super::trace::Trace;
use super::witness::Record;
use crate::sim::server::Server;

/// Timers of one tab in one instant: more is a loop.
const TIMERS_MAX: u32 = 50;
/// How far apart the timers of a hidden tab are.
const HIDDEN_TIMER_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: u64,
    pub(super) random: Random,
    pub(super) agenda: Agenda<Event>,
    pub(super) weather: Weather,
    pub(super) server: Server,
    pub(super) records: BTreeMap<SessionId, Record>,
    pub(super) tabs: Vec<Tab>,
    pub(super) connections: BTreeMap<u32, Connection>,
    pub(super) connections_made: u32,
    /// Pages that were asked for.
    pub(super) fetches: u32,
    pub(super) locks: Locks,
    /// When the last message from one tab to another arrives.
    pub(super) lines: BTreeMap<(TabId, TabId), u64>,
    /// When a message between tabs was last lost or late.
    pub(super) unheard_at: Option<u64>,
    pub(super) acts: Acts,
    pub(super) acts_made: u32,
    pub(super) written: u32,
    /// Whether the agents have finished.
    pub(super) has_ended: bool,
    /// Whether the faults are over; those who sleep now go on sleeping.
    pub(super) is_calm: bool,
    /// Inputs the cores were given.
    pub(super) steps: u64,
    pub(super) trace: Trace,
}

/// How things are.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    /// How long a message takes to the server or back.
    pub(super) latency_ms: Range<u64>,
    /// Whether no socket opens at all, or how many do not.
    pub(super) is_down: bool,
    pub(super) failing_percent: u64,
    /// How long a message takes to another tab.
    pub(super) channel_ms: Range<u64>,
    /// Whether the channel keeps the order of a sender.
    pub(super) is_ordered: bool,
    pub(super) lost_percent: u64,
    pub(super) doubled_percent: u64,
    /// The tabs that only hear each other.
    pub(super) partition: BTreeSet<TabId>,
    /// How long it takes to hear of a lock.
    pub(super) lock_ms: Range<u64>,
    pub(super) token_ms: Range<u64>,
    /// Whether the timers of hidden tabs are rare.
    pub(super) is_throttling: bool,
    /// Mean pause between two events of a session's agents.
    pub(super) agents_ms: u64,
}

impl Weather {
    pub(super) const fn calm() -> Self {
        Self {
            latency_ms: 2..12,
            is_down: false,
            failing_percent: 0,
            channel_ms: 0..3,
            is_ordered: true,
            lost_percent: 0,
            doubled_percent: 0,
            partition: BTreeSet::new(),
            lock_ms: 0..40,
            token_ms: 1..30,
            is_throttling: true,
            agents_ms: 600,
        }
    }
}

/// What the agenda holds.
#[derive(Debug)]
pub(super) enum Event {
    Tab { tab: TabId, task: Task },
    Up { connection: u32, text: String },
    HangUp { connection: u32 },
    Agent { session: SessionId },
    LockReturned { key: String },
    Thaw(TabId),
    Restore(TabId),
    Heal,
    NetworkBack,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            now: 10_000,
            random: Random::new(seed),
            agenda: Agenda::new(),
            weather: Weather::calm(),
            server: Server::default(),
            records: BTreeMap::new(),
            tabs: Vec::new(),
            connections: BTreeMap::new(),
            connections_made: 0,
            fetches: 0,
            locks: Locks::default(),
            lines: BTreeMap::new(),
            unheard_at: None,
            acts: Acts::default(),
            acts_made: 0,
            written: 0,
            has_ended: false,
            is_calm: false,
            steps: 0,
            trace: Trace::new(),
        }
    }

    /// Notes an event for later.
    pub(super) fn note(&mut self, delay: u64, event: Event) {
        self.agenda.note(self.now + delay, event);
    }

    pub(super) fn tell_later(&mut self, tab: TabId, delay: u64, task: Task) {
        self.note(delay, Event::Tab { tab, task });
    }

    /// Lets one thing happen; moves the time to it. `false`: nothing will ever happen again.
    pub(super) fn step(&mut self) -> bool {
        let timers = self.tabs.iter().filter_map(|tab| self.timer_of(tab));
        let parts = [self.agenda.next_at(), self.server.deadline(), self.heartbeat_at()];
        let Some(next) = timers.chain(parts.into_iter().flatten()).min() else { return false };
        self.now = self.now.max(next);
        let now = self.now;
        if let Some(event) = self.agenda.take_due(now) {
            self.happen(event);
        } else if self.server.deadline().is_some_and(|at| at <= now) {
            self.serve();
        } else if self.heartbeat_at().is_some_and(|at| at <= now) {
            self.beat();
        } else {
            self.fire_timers();
        }
        true
    }

    pub(super) fn run_for(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.is_next_before(end) {
            self.step();
        }
        self.now = end;
    }

    /// Runs until something holds; panics when that takes longer.
    pub(super) fn run_until(&mut self, ms: u64, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + ms;
        while !done(self) {
            assert!(self.is_next_before(end), "not within {ms} ms: {what}\n{}", self.describe());
            self.step();
        }
    }

    fn is_next_before(&self, end: u64) -> bool {
        let timers = self.tabs.iter().filter_map(|tab| self.timer_of(tab));
        let parts = [self.agenda.next_at(), self.server.deadline(), self.heartbeat_at()];
        timers.chain(parts.into_iter().flatten()).min().is_some_and(|next| next < end)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tab { tab, task } => self.run_task(tab, task),
            Event::Up { connection, text } => self.arrive(connection, &text),
            Event::HangUp { connection } => self.hang_up(connection),
            Event::Agent { session } => self.agent(session),
            Event::LockReturned { key } => {
                self.locks.return_stolen(&key);
                self.grant_locks();
            }
            Event::Thaw(_) | Event::Restore(_) if self.is_calm => {}
            Event::Thaw(tab) => self.thaw(tab),
            Event::Restore(tab) => self.restore(tab),
            Event::Heal => self.weather.partition.clear(),
            Event::NetworkBack => self.weather.is_down = false,
        }
    }

    /// When a tab's timer fires. The timers of a hidden tab are late.
    fn timer_of(&self, tab: &Tab) -> Option<u64> {
        let at = tab.core.timeout().filter(|_| tab.is_awake())?;
        let is_late = tab.is_hidden && self.weather.is_throttling;
        Some(if is_late { at.max(tab.timers.0 + HIDDEN_TIMER_MS) } else { at })
    }

    fn fire_timers(&mut self) {
        let now = self.now;
        for tab in self.tab_ids() {
            if self.timer_of(&self.tabs[tab.0]).is_some_and(|at| at <= now) {
                let (at, count) = &mut self.tabs[tab.0].timers;
                *count = if *at == now { *count + 1 } else { 1 };
                *at = now;
                assert!(*count < TIMERS_MAX, "a storm of timers in {tab:?}");
                self.tell(tab, Input::Timeout);
            }
        }
    }

    /// All tabs there ever were.
    pub(super) fn tab_ids(&self) -> Vec<TabId> {
        (0..self.tabs.len()).map(TabId).collect()
    }

    pub(super) fn tabs_that(&self, is_wanted: impl Fn(&Tab) -> bool) -> Vec<TabId> {
        self.tab_ids().into_iter().filter(|tab| is_wanted(&self.tabs[tab.0])).collect()
    }

    /// All that have a memory.
    pub(super) fn living(&self) -> Vec<TabId> {
        self.tabs_that(|tab| tab.life != Life::Gone)
    }

    pub(super) fn grow_records(&mut self) {
        for (session, log) in &self.server.sessions {
            self.records.entry(session.clone()).or_default().grow(log);
        }
    }

    pub(super) fn tail(&self, session: &SessionId) -> u64 {
        self.records.get(session).map_or(0, Record::tail)
    }

    /// How the tabs stand, for a failure.
    pub(super) fn describe(&self) -> String {
        let mut lines = vec![format!("at {}, sockets {:?}", self.now, self.open_sockets())];
        for tab in self.living() {
            let it = &self.tabs[tab.0];
            let hidden = if it.is_hidden { "hidden" } else { "visible" };
            let head = format!("{tab:?} {:?} {hidden} {:?} {:?}", it.life, it.role, it.status);
            let promises = format!("waits for {:?}, lock {:?}", it.promises, it.lock);
            lines.push(format!("{head} {promises}"));
            for (session, watch) in &it.sessions {
                lines.push(format!("  {session} of {}: {watch:?}", self.tail(session)));
            }
        }
        for act in self.acts.outbox() {
            lines.push(format!("stored {} of {}", act.id, act.session));
        }
        lines.join("\n")
    }
}

pub(super) fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

pub(super) fn session(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

/// The tabs of one browser with the same rights.
pub(super) fn group(name: &str) -> Group {
    Group { key: format!("key-{name}"), id: id(&format!("group-{name}")) }
}
