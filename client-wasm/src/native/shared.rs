//! What a driver and the handles of a session both hold.

use std::sync::{Mutex, MutexGuard, PoisonError};

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::fold::Transcript;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use serde_json::Value;
use tokio::sync::watch;

use crate::core::{Ledger, SessionStatus};

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    /// Its status.
    pub status: SessionStatus,
    /// Why it is closed, unless the app closed it.
    pub error: Option<Problem>,
}

/// What came of a session's log.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The log begins, or begins again: what was read of it is void.
    Reset {
        /// The log.
        log: LogId,
    },
    /// The next events.
    Events {
        /// The first offset they cover.
        first: Offset,
        /// The last offset they cover.
        last: Offset,
        /// The events, as stored.
        events: Vec<Value>,
    },
    /// The subscriber was too slow; nothing follows.
    Lagged,
}

/// What is kept of a log.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) transcript: Transcript,
    pub(super) ledger: Ledger<Value>,
}

/// A session as its handles see it. The lock is never held across an await.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: SessionId,
    folded: Mutex<Option<Folded>>,
    /// Moves with each change of the transcript.
    pub(super) version: watch::Sender<u64>,
    pub(super) state: watch::Sender<SessionState>,
    /// Whether the producer's queue takes more.
    pub(super) room: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(id: SessionId) -> Self {
        Self {
            id,
            folded: Mutex::new(None),
            version: watch::Sender::new(0),
            state: watch::Sender::new(SessionState { status: SessionStatus::Loading, error: None }),
            room: watch::Sender::new(true),
        }
    }

    pub(super) fn reset(&self, log: LogId) {
        *self.lock() = Some(Folded { transcript: Transcript::new(log), ledger: Ledger::default() });
        self.version.send_modify(|version| *version += 1);
    }

    pub(super) fn apply(&self, events: &[Value]) {
        if let Some(folded) = &mut *self.lock() {
            for event in events {
                folded.transcript.apply(event);
                folded.ledger.apply(event);
            }
        }
        self.version.send_modify(|version| *version += 1);
    }

    /// Reads the transcript; `None` until the log is known.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Transcript) -> T) -> Option<T> {
        self.lock().as_ref().map(|folded| read(&folded.transcript))
    }

    /// Reads and marks all that is kept of the log; `None` until it is known.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Folded) -> T) -> Option<T> {
        self.lock().as_mut().map(act)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Folded>> {
        self.folded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
