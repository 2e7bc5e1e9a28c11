//! What must hold once the faults are over: soon one socket, one leader, everyone at the tail and
//! nothing left to send; and then no further ado.

use std::collections::BTreeMap;

use durable_sessions_client::core::{Role, SessionStatus, Status};
use durable_sessions_protocol::id::Id;

use super::browser::name;
use super::tab::{Life, Tab, TabId};
use super::world::{Weather, World};

/// Within this time all is well again: the longest pause between attempts, an attempt that hangs,
/// and a silence to wait for after it.
const CALM_MS: u64 = 60_000;
/// How long what was taken over for nothing takes to be answered.
const SETTLING_MS: u64 = 5_000;
/// For so long after a message was lost may a tab be taken for gone.
const UNHEARD_MS: u64 = 15_000;
/// For so long may who wakes up believe in the leader whose old beats it reads.
const BELIEF_MS: u64 = 3_000;
/// How long it is then watched.
const WATCH_MS: u64 = 20_000;
/// Inputs a tab may need in a second when nothing happens: beats, their answers, pings.
const STEPS_PER_TAB_AND_SECOND: u64 = 12;

impl World {
    /// Ends all faults and waits until all is well. Tabs that are frozen or suspended stay so.
    pub(super) fn calm_down(&mut self) {
        self.trace.note(self.now, "calm");
        self.is_calm = true;
        self.weather = Weather::calm();
        self.server.not_now = 0;
        self.run_until(CALM_MS, "one socket, one leader, all at the tail", Self::is_well);
    }

    /// Nothing is written any more: then nothing happens but signs of life.
    pub(super) fn stays_well(&mut self) {
        self.has_ended = true;
        self.run_until(CALM_MS, "all at the tail of what is finished", Self::is_well);
        // Acts that were taken over from tabs that lived on are answered by now.
        self.run_for(SETTLING_MS);
        let (leaders, sockets) = (self.leaders(), self.connections_made);
        let steps = self.steps;
        self.run_for(WATCH_MS);
        // The server may have ended a lost run just now.
        self.run_until(1_000, "all at the tail", Self::is_well);
        assert_eq!(self.leaders(), leaders, "the leader stays");
        assert_eq!(self.connections_made, sockets, "no socket is opened for nothing");
        let tabs = self.tabs_that(Tab::is_awake).len() as u64;
        let bound = tabs * STEPS_PER_TAB_AND_SECOND * WATCH_MS / 1_000;
        assert!(self.steps - steps <= bound, "{} steps of {tabs} tabs", self.steps - steps);
        self.judge_acts();
    }

    pub(super) fn is_well(&self) -> bool {
        let awake = self.tabs_that(|tab| tab.is_awake() && !tab.is_idle());
        let is_caught_up = awake.iter().all(|tab| self.is_caught_up(*tab));
        is_caught_up && self.acts.outbox().is_empty() && self.is_led_by_one(&awake)
    }

    /// Whether a tab has all there is, and all its acts are answered.
    pub(super) fn is_caught_up(&self, tab: TabId) -> bool {
        let tab = &self.tabs[tab.0];
        tab.promises.is_empty()
            && tab.status == Status::Live
            && tab.sessions.iter().all(|(session, watch)| {
                let tail = self.tail(session);
                let is_read = watch.readers.values().all(|reader| reader.at == tail);
                watch.has_log
                    && watch.status == SessionStatus::Live
                    && (watch.patches_at, watch.events_at) == (tail, tail)
                    && is_read
            })
    }

    /// In each group there is one socket, the leader's, and all know how many they are.
    fn is_led_by_one(&self, awake: &[TabId]) -> bool {
        let sockets = self.open_sockets();
        let groups = awake.iter().filter_map(|tab| self.tabs[tab.0].group.as_ref());
        let mut leads = groups.map(|group| {
            let is_of = |tab: &&TabId| self.tabs[tab.0].group.as_ref() == Some(group);
            let members: Vec<&TabId> = awake.iter().filter(is_of).collect();
            let open: Vec<&TabId> = sockets.iter().filter(is_of).collect();
            let leaders: Vec<&TabId> =
                members.iter().copied().filter(|tab| self.tabs[tab.0].leads()).collect();
            let is_counted = members.iter().all(|tab| {
                let role = self.tabs[tab.0].role;
                role.is_some_and(|(role, tabs)| {
                    role != Role::Solo && tabs as usize == members.len()
                })
            });
            let are_present = leaders.iter().all(|leader| self.tells_presence(**leader, &members));
            leaders.len() == 1 && open == leaders && is_counted && are_present
        });
        leads.all(|is_led| is_led)
    }

    /// Whether a leader has told the server how many of these tabs follow each session.
    fn tells_presence(&self, leader: TabId, members: &[&TabId]) -> bool {
        let connections = self.connections_of(leader);
        self.records.keys().all(|session| {
            let follows = |tab: &&&TabId| self.tabs[tab.0].sessions.contains_key(session);
            let count = u32::try_from(members.iter().filter(follows).count()).unwrap();
            let mut told = connections.iter().map(|number| self.server.tabs(*number, session));
            count == 0 || told.any(|told| told == Some(count))
        })
    }

    pub(super) fn leaders(&self) -> Vec<TabId> {
        self.tabs_that(|tab| tab.is_awake() && tab.leads())
    }

    /// Every act that was ever stored is in its log, once, unless it was refused. What depends on
    /// when it comes may be refused to one tab, and be taken later from another.
    pub(super) fn judge_acts(&self) {
        for act in self.acts.known() {
            let record = self.records.get(&act.session);
            let stands = record.and_then(|record| record.offset_of(act.id.as_str()));
            assert!(stands.is_some() || self.acts.is_refused(&act.id), "{act:?} is lost");
            assert!(stands.is_none() || !self.acts.is_out(act), "{act:?} at {stands:?}");
        }
        self.judge_order();
    }

    /// What a tab sent to a session stands there in the order of its making, whoever sent it in the
    /// end. A refused one is out of it, though another tab may have tried again.
    fn judge_order(&self) {
        let mut last = BTreeMap::new();
        for act in self.acts.made().filter(|act| !self.acts.is_refused(&act.id)) {
            let record = self.records.get(&act.session);
            let stands = record.and_then(|record| record.offset_of(act.id.as_str()));
            let Some(stands) = stands else { continue };
            let before = last.insert((&act.tab, &act.session), (stands, act));
            assert!(
                before.is_none_or(|(at, _)| at < stands),
                "{act:?} at {stands} overtook {before:?}"
            );
        }
    }

    /// A tab sends what another made. It may take nobody for gone who runs and is heard.
    pub(super) fn judge_takeover(&mut self, by: TabId, act: &Id) {
        let maker = self.acts.take_over(act);
        let Some(maker) = self.tab_ids().into_iter().find(|tab| name(*tab) == maker) else {
            return;
        };
        let [it, by] = [maker, by].map(|tab| &self.tabs[tab.0]);
        let is_heard = self.unheard_at.is_none_or(|at| self.now > at + UNHEARD_MS)
            && it.is_awake()
            && it.fence.follows()
            && it.channel.as_ref().map(|it| &it.key) == by.channel.as_ref().map(|it| &it.key)
            && (it.awake_since == by.awake_since || self.now > it.awake_since + BELIEF_MS);
        assert!(!is_heard, "{act} is taken from {maker:?}, which is there");
    }

    /// Ends every sleep.
    pub(super) fn wake_all(&mut self) {
        for tab in self.living() {
            match self.tabs[tab.0].life {
                Life::Frozen => self.thaw(tab),
                Life::Suspended => self.restore(tab),
                Life::Awake | Life::Gone => {}
            }
        }
    }
}
