//! Bringing a session's state up from the store.

use std::sync::Arc;
use std::time::Duration;

use durable_sessions_protocol::id::{LogId, SessionId};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::checkpoints::Checkpoints;
use super::state::State;
use super::{Hub, random_log_id};
use crate::limits::START_LOADS_WAIT_MS;
use crate::log::{AppendError, Batch, Entry, LoadCursor, SessionSummary, StoreError};

/// Sessions looked at together when the indexes are made.
const INDEX_PAGE_SESSIONS: usize = 256;

/// A state as the log tells it; its clocks do not run yet.
pub(super) struct Loaded {
    pub(super) state: State,
    pub(super) checkpoints: Checkpoints,
}

impl Hub {
    /// Brings the sessions with running clocks or waiting input into memory, some at a time. One that
    /// does not come is tried again; whoever asks for it is told why. Those that take long come behind
    /// its return.
    pub(super) async fn start_indexed(&self) -> Result<(), StoreError> {
        let ids = self.0.store.indexed().await?;
        // In a task of its own, which outlives the wait.
        let starting = tokio::spawn(self.clone().wake_all(ids));
        let _ = timeout(Duration::from_millis(START_LOADS_WAIT_MS), starting).await;
        Ok(())
    }

    async fn wake_all(self, ids: Vec<SessionId>) {
        let mut starts = JoinSet::new();
        for id in ids {
            let turn = self.turn_to_load().await;
            starts.spawn(self.clone().wake(id, turn));
            while starts.try_join_next().is_some() {}
        }
        while starts.join_next().await.is_some() {}
    }

    /// Waits until a session may be loaded that nobody asked for, and keeps the place meanwhile.
    pub(super) async fn turn_to_load(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        Arc::clone(&self.0.loads).acquire_owned().await.ok()
    }

    /// The state of a session, or a new one.
    pub(super) async fn load(&self, id: &SessionId) -> Result<Loaded, StoreError> {
        let stored = self.0.store.meta(id).await?;
        let log = stored.map_or_else(random_log_id, |meta| meta.log);
        match self.replay(id, &log, None).await? {
            Some(loaded) => Ok(loaded),
            None => {
                let whole = self.replay(id, &log, Some(LoadCursor::START)).await?;
                whole.ok_or_else(|| StoreError::Read("the log begins with a checkpoint".into()))
            }
        }
    }

    /// Everything from a cursor on; `None` when it begins with a checkpoint that is of no use.
    async fn replay(
        &self,
        id: &SessionId,
        log: &LogId,
        mut cursor: Option<LoadCursor>,
    ) -> Result<Option<Loaded>, StoreError> {
        let default_agent = &self.0.config.default_agent;
        let mut state = State::new(log.clone(), default_agent.clone());
        let mut checkpoints = Checkpoints::new(self.0.config.checkpoint_min_entries);
        loop {
            let (entries, next) = self.0.store.load(id, cursor).await?;
            for entry in &entries {
                if let Entry::Checkpoint(bytes) = entry {
                    match State::restore(bytes, log, default_agent) {
                        Ok(restored) => state = restored,
                        Err(why) => {
                            eprintln!("session {id}: replays its whole log, for {why}");
                            return Ok(None);
                        }
                    }
                    checkpoints.written(bytes.len());
                    continue;
                }
                state.replay(entry).map_err(|problem| StoreError::Read(problem.to_string()))?;
                checkpoints.grow(1);
            }
            match next {
                Some(_) => cursor = next,
                None => return Ok(Some(Loaded { state, checkpoints })),
            }
        }
    }

    /// Makes the store's indexes and titles speak of every session, once: an earlier version wrote
    /// fewer of them.
    pub(super) async fn complete_indexes(&self) -> Result<(), StoreError> {
        let store = &self.0.store;
        if store.has_complete_indexes().await? {
            return Ok(());
        }
        let (mut after, mut is_complete) = (None, true);
        loop {
            let page = store.list("", after.as_ref(), INDEX_PAGE_SESSIONS).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for session in &page {
                if let Err(error) = self.index(session).await {
                    // Whoever asks for it is told why; the next start tries again.
                    eprintln!("session {}: it cannot be indexed: {error}", session.id);
                    is_complete = false;
                }
            }
        }
        if is_complete { store.complete_indexes().await } else { Ok(()) }
    }

    async fn index(&self, session: &SessionSummary) -> Result<(), AppendError> {
        let Loaded { mut state, checkpoints } = self.load(&session.id).await?;
        state.finish_replay(self.0.clock.now_ms());
        let (due, pending) = state.indexes();
        let batch = Batch {
            due: Some(due),
            pending: Some(pending),
            title: state.title().map(str::to_owned),
            checkpoint: checkpoints.is_worth_it_at_the_end().then(|| state.checkpoint()),
            ..Batch::default()
        };
        self.0.store.append(&session.id, &session.log, session.tail, batch).await
    }
}
