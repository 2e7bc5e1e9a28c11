//! The sessions a driver follows, and which of them nobody needs any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use durable_sessions_protocol::id::SessionId;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::runs::Runs;
use super::{Core, Output};
use crate::core::SessionStatus;
use crate::native::shared::{SessionState, Shared, Update};
use crate::native::{IDLE_SESSION_MS, IDLE_SESSIONS_MAX};

#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<SessionId, Followed>);

#[derive(Debug)]
struct Followed {
    shared: Arc<Shared>,
    subscribers: Vec<mpsc::Sender<Update>>,
    used_at: Instant,
}

impl Followed {
    /// Whether no handle is left.
    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }
}

impl Sessions {
    pub(super) fn open(&mut self, id: &SessionId) -> Arc<Shared> {
        let followed = self.0.entry(id.clone()).or_insert_with(|| Followed {
            shared: Arc::new(Shared::new(id.clone())),
            subscribers: Vec::new(),
            used_at: Instant::now(),
        });
        followed.used_at = Instant::now();
        followed.shared.clone()
    }

    pub(super) fn subscribe(&mut self, id: &SessionId, updates: mpsc::Sender<Update>) {
        if let Some(followed) = self.0.get_mut(id) {
            followed.subscribers.push(updates);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the driver sorts the outputs")]
    pub(super) fn perform(&mut self, output: Output<Value>) {
        match output {
            Output::Session { session, status, error } => {
                let Some(followed) = self.0.get(&session) else { return };
                followed.shared.state.send_replace(SessionState { status, error });
                if status == SessionStatus::Closed {
                    self.0.remove(&session);
                }
            }
            Output::Reset { session, log } => {
                let Some(followed) = self.0.get_mut(&session) else { return };
                followed.shared.reset(log.clone());
                followed.tell(&Update::Reset { log });
            }
            Output::Events { session, first, last, events, .. } => {
                let Some(followed) = self.0.get_mut(&session) else { return };
                followed.shared.apply(&events);
                followed.tell(&Update::Events { first, last, events });
            }
            _ => {}
        }
    }

    /// Tells waiting writers which producers take more.
    pub(super) fn update_room(&self, core: &Core) {
        for (id, followed) in &self.0 {
            let has_room = core.has_room(id);
            followed.shared.room.send_if_modified(|room| {
                let is_changed = *room != has_room;
                *room = has_room;
                is_changed
            });
        }
    }

    /// When the next session may have been idle for long enough.
    pub(super) fn next_idle(&self) -> Option<Instant> {
        let oldest = self.0.values().filter(|followed| followed.is_unused());
        oldest.map(|followed| followed.used_at + Duration::from_millis(IDLE_SESSION_MS)).min()
    }

    /// The sessions to leave: unused, without an open run, and for too long or too many.
    pub(super) fn idle(&mut self, runs: &Runs) -> Vec<SessionId> {
        let now = Instant::now();
        let mut unused = Vec::new();
        for (id, followed) in &mut self.0 {
            if followed.is_unused() && !runs.are_open_in(id) {
                unused.push((followed.used_at, id.clone()));
            } else {
                followed.used_at = now;
            }
        }
        unused.sort();
        let excess = unused.len().saturating_sub(IDLE_SESSIONS_MAX);
        let limit = Duration::from_millis(IDLE_SESSION_MS);
        let is_left = |(index, (used_at, _)): &(usize, (Instant, SessionId))| {
            *index < excess || now.duration_since(*used_at) >= limit
        };
        unused.into_iter().enumerate().filter(is_left).map(|(_, (_, id))| id).collect()
    }
}

impl Followed {
    fn tell(&mut self, update: &Update) {
        self.subscribers.retain(|subscriber| {
            // The last place of the queue is for the word that it was too short.
            if subscriber.capacity() > 1 {
                return subscriber.try_send(update.clone()).is_ok();
            }
            let _ = subscriber.try_send(Update::Lagged);
            false
        });
    }
}
