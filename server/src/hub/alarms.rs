//! When sessions that are not in memory have to be: a run's lease ends, an input or an ask expires, or
//! a load that failed is tried again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use durable_sessions_protocol::id::{Id, SessionId};
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::Hub;

/// After how long a session that did not load is tried again.
pub(super) const LOAD_RETRY_MS: u64 = 30_000;

/// Why a session comes back, and what its clocks showed when it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alarm {
    /// When, in milliseconds.
    pub(super) at: u64,
    /// Open runs and when their leases end. The log does not tell: every sign of life moves them.
    pub(super) leases: Vec<(Id, u64)>,
    /// How often in a row the session did not load.
    pub(super) failed_loads: u32,
}

/// The alarms of all sessions that left memory or did not come into it, at most one each.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    table: Mutex<Table>,
    /// The earliest alarm may be another one.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    by_session: HashMap<SessionId, Alarm>,
    /// Those that have not rung.
    by_time: BTreeSet<(u64, SessionId)>,
}

impl Hub {
    /// Wakes sessions that have left memory when one of their clocks runs out, some at a time.
    pub(super) async fn keep_time(self) {
        loop {
            match self.0.alarms.first() {
                Some((at, _)) if at <= self.0.clock.now_ms() => {
                    let turn = self.turn_to_load().await;
                    // Whose alarm it was may have come by itself while the turn did.
                    if let Some(id) = self.0.alarms.ring(self.0.clock.now_ms()) {
                        tokio::spawn(self.clone().wake(id, turn));
                    }
                }
                Some((at, _)) => tokio::select! {
                    () = self.0.clock.sleep_until(Some(at)) => {}
                    () = self.0.alarms.changed() => {}
                },
                None => self.0.alarms.changed().await,
            }
        }
    }

    /// Brings a session into memory that nobody asked for.
    pub(super) async fn wake(self, id: SessionId, _turn: Option<OwnedSemaphorePermit>) {
        let (hub, session) = (self.clone(), id.clone());
        // A task of its own: a session whose load panics is tried again, too.
        let why = match tokio::spawn(async move { hub.session(&session).await }).await {
            // Its start took the alarm, or it was in memory and needs none.
            Ok(Ok(_session)) => return drop(self.0.alarms.take(&id)),
            Ok(Err(problem)) => problem.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        let at = self.0.clock.now_ms().saturating_add(LOAD_RETRY_MS);
        let failed_loads = self.0.alarms.postpone(&id, at);
        if is_worth_a_line(failed_loads) {
            eprintln!(
                "session {id}: it cannot be loaded (try {failed_loads}), trying again every {} s: {why}",
                LOAD_RETRY_MS / 1000
            );
        }
    }
}

/// What goes on for long is told ever more rarely: at the first try, the second, the fourth, the eighth.
fn is_worth_a_line(failed_loads: u32) -> bool {
    failed_loads.is_power_of_two()
}

impl Alarms {
    /// Sets a session's alarm.
    pub(super) fn set(&self, session: &SessionId, alarm: Alarm) {
        self.lock().set(session, alarm);
        self.changed.notify_one();
    }

    /// The session is in memory: its own clocks run.
    pub(super) fn take(&self, session: &SessionId) -> Option<Alarm> {
        self.lock().take(session)
    }

    /// The session did not come: tries again at another time, unless it has an alarm by now that is
    /// still to ring. Returns how often in a row it did not come.
    fn postpone(&self, session: &SessionId, at: u64) -> u32 {
        let mut table = self.lock();
        let is_to_ring = table.is_to_ring(session);
        let before = table.take(session);
        let mut alarm = before.unwrap_or(Alarm { at, leases: Vec::new(), failed_loads: 0 });
        alarm.failed_loads = alarm.failed_loads.saturating_add(1);
        if !is_to_ring {
            alarm.at = at;
        }
        let failed_loads = alarm.failed_loads;
        table.set(session, alarm);
        drop(table);
        self.changed.notify_one();
        failed_loads
    }

    /// Forgets them all.
    pub(super) fn clear(&self) {
        *self.lock() = Table::default();
    }

    /// Lets the earliest alarm ring that is due. It is kept, for the session to take, and rings no more
    /// unless it is postponed.
    fn ring(&self, now: u64) -> Option<SessionId> {
        let mut table = self.lock();
        table.by_time.first().filter(|(at, _)| *at <= now)?;
        table.by_time.pop_first().map(|(_, session)| session)
    }

    /// The earliest alarm that has not rung.
    pub(super) fn first(&self) -> Option<(u64, SessionId)> {
        self.lock().by_time.first().cloned()
    }

    /// Returns when an alarm was set since it was last awaited.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is held.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn set(&mut self, session: &SessionId, alarm: Alarm) {
        self.take(session);
        self.by_time.insert((alarm.at, session.clone()));
        self.by_session.insert(session.clone(), alarm);
    }

    fn is_to_ring(&self, session: &SessionId) -> bool {
        let alarm = self.by_session.get(session);
        alarm.is_some_and(|alarm| self.by_time.contains(&(alarm.at, session.clone())))
    }

    fn take(&mut self, session: &SessionId) -> Option<Alarm> {
        let alarm = self.by_session.remove(session)?;
        self.by_time.remove(&(alarm.at, session.clone()));
        Some(alarm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: &str) -> SessionId {
        SessionId::parse(name).unwrap()
    }

    fn alarm(at: u64) -> Alarm {
        Alarm { at, leases: Vec::new(), failed_loads: 0 }
    }

    #[test]
    fn a_session_has_one_alarm_and_the_earliest_is_first() {
        let alarms = Alarms::default();
        alarms.set(&session("a"), alarm(5));
        alarms.set(&session("b"), alarm(3));
        alarms.set(&session("b"), alarm(7));
        assert_eq!(alarms.first(), Some((5, session("a"))));
        assert_eq!(alarms.first(), Some((5, session("a"))));
        alarms.set(&session("a"), alarm(9));
        assert_eq!(alarms.first(), Some((7, session("b"))));
        assert_eq!(alarms.take(&session("b")), Some(alarm(7)));
        assert_eq!(alarms.take(&session("b")), None);
        assert_eq!(alarms.first(), Some((9, session("a"))));
    }

    #[test]
    fn a_session_that_never_had_an_alarm_is_tried_again_and_one_to_come_is_not_put_off() {
        let alarms = Alarms::default();
        alarms.postpone(&session("a"), 9);
        assert_eq!(alarms.first(), Some((9, session("a"))));
        alarms.postpone(&session("a"), 20);
        assert_eq!(alarms.ring(9), Some(session("a")));
    }

    #[test]
    fn an_alarm_that_has_rung_is_kept_until_it_is_taken_and_rings_again_when_postponed() {
        let alarms = Alarms::default();
        alarms.set(&session("a"), alarm(5));
        assert_eq!(alarms.ring(4), None);
        assert_eq!(alarms.ring(5), Some(session("a")));
        assert_eq!((alarms.ring(5), alarms.first()), (None, None));
        alarms.postpone(&session("a"), 9);
        assert_eq!(alarms.first(), Some((9, session("a"))));
        assert_eq!(alarms.ring(9), Some(session("a")));
        assert_eq!(alarms.take(&session("a")), Some(Alarm { failed_loads: 1, ..alarm(9) }));
        alarms.set(&session("a"), alarm(9));
        assert_eq!(alarms.ring(9), Some(session("a")), "another one");
    }

    #[test]
    fn a_session_that_never_loads_is_told_of_ever_more_rarely_until_it_has_loaded() {
        /// Tries of a day.
        const TRIES: u64 = 24 * 60 * 60 * 1000 / LOAD_RETRY_MS;
        let alarms = Alarms::default();
        let told = (1..=TRIES).filter(|n| {
            let failed_loads = alarms.postpone(&session("a"), n * LOAD_RETRY_MS);
            assert_eq!(alarms.ring(n * LOAD_RETRY_MS), Some(session("a")), "try {n}");
            is_worth_a_line(failed_loads)
        });
        assert_eq!(told.take(5).collect::<Vec<_>>(), [1, 2, 4, 8, 16]);
        assert_eq!(alarms.postpone(&session("b"), 1), 1, "another session");
        alarms.take(&session("a"));
        assert_eq!(alarms.postpone(&session("a"), 1), 1, "it had loaded");
    }
}
