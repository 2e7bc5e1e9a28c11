//! A store that forgets everything when the process ends, and lets a test play the disk.

mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::sync::{oneshot, watch};

use self::session::Session;
use super::{
    AppendError, Batch, BoxFuture, LoadCursor, LogStore, Page, SessionMeta, SessionSummary,
    StoreError,
};

/// A log store in memory, unbounded: it keeps every event until it is dropped.
///
/// By default a sync returns at once. A test can hold it ([`hold_sync`](Self::hold_sync)), look how
/// many appends wait for it, and then let it return, fail, or crash the store.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<SessionId, Session>,
    due: BTreeSet<SessionId>,
    pending: BTreeSet<SessionId>,
    /// Appends whose sync has not returned, oldest first.
    queue: VecDeque<Request>,
    /// How many loads began.
    loads: usize,
    disk: Disk,
    health: Health,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Disk {
    #[default]
    Syncing,
    Holding,
    FailingNext,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Health {
    #[default]
    Usable,
    Poisoned,
}

#[derive(Debug)]
struct Request {
    session: SessionId,
    log: LogId,
    expected_tail: Offset,
    batch: Batch,
    answer: oneshot::Sender<Result<(), AppendError>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::default(), waiting: watch::Sender::new(0) }
    }

    /// From now on no sync returns: appends wait, unseen by every read.
    pub fn hold_sync(&self) {
        self.lock().disk = Disk::Holding;
    }

    /// Lets the held sync return and later ones return at once.
    pub fn release_sync(&self) {
        let mut state = self.lock();
        state.disk = Disk::Syncing;
        state.sync();
        self.publish_waiting(&state);
    }

    /// The next sync fails: its appends are lost and the store is poisoned until it is reopened.
    /// Waiting appends fail now.
    pub fn fail_next_sync(&self) {
        let mut state = self.lock();
        state.disk = Disk::FailingNext;
        state.sync();
        self.publish_waiting(&state);
    }

    /// Loses every append whose sync has not returned, as a power cut does. The store refuses all
    /// calls until it is reopened.
    pub fn crash(&self) {
        self.crash_with(|_| ());
    }

    /// Like [`crash`](Self::crash), but what was written before it lasts although nobody was told,
    /// as when the process dies right after the sync.
    pub fn crash_keeping_writes(&self) {
        self.crash_with(|state| {
            for request in std::mem::take(&mut state.queue) {
                // Its waiter hears that the store is closed: the answer is dropped on purpose.
                let _ = state.apply(
                    &request.session,
                    &request.log,
                    request.expected_tail,
                    request.batch,
                );
            }
        });
    }

    /// How many appends wait for a sync.
    #[must_use]
    pub fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }

    /// How many loads began.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.lock().loads
    }

    /// Returns once at least `count` appends wait for a sync.
    pub async fn until_waiting(&self, count: usize) {
        // The sender lives as long as self, so this cannot fail.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await;
    }

    fn crash_with(&self, before: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        before(&mut state);
        state.queue.clear();
        state.health = Health::Poisoned;
        self.publish_waiting(&state);
    }

    fn publish_waiting(&self, state: &State) {
        self.waiting.send_replace(state.queue.len());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        match state.health {
            Health::Usable => Ok(state),
            Health::Poisoned => Err(StoreError::Poisoned),
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl LogStore for MemoryStore {
    fn meta(&self, session: &SessionId) -> BoxFuture<'_, Result<Option<SessionMeta>, StoreError>> {
        let session = session.clone();
        Box::pin(async move {
            let state = self.usable()?;
            Ok(state.sessions.get(&session).map(Session::meta))
        })
    }

    fn append(
        &self,
        session: &SessionId,
        log: &LogId,
        expected_tail: Offset,
        batch: Batch,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        let (session, log) = (session.clone(), log.clone());
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            {
                let mut state = self.usable()?;
                state.queue.push_back(Request { session, log, expected_tail, batch, answer });
                state.sync();
                self.publish_waiting(&state);
            }
            answered.await.unwrap_or(Err(AppendError::Store(StoreError::Closed)))
        })
    }

    fn read(
        &self,
        session: &SessionId,
        after: Offset,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        let session = session.clone();
        Box::pin(async move {
            let state = self.usable()?;
            Ok(state.sessions.get(&session).map_or_else(Vec::new, |s| s.read(after, limit_bytes)))
        })
    }

    fn load(
        &self,
        session: &SessionId,
        cursor: Option<LoadCursor>,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        let session = session.clone();
        Box::pin(async move {
            let mut state = self.usable()?;
            state.loads += usize::from(cursor.is_none());
            let Some(session) = state.sessions.get(&session) else {
                return Ok((Vec::new(), None));
            };
            Ok(session.load(cursor))
        })
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SessionSummary>, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        Box::pin(async move {
            let state = self.usable()?;
            let first = match &after {
                Some(after) if after.as_str() >= prefix.as_str() => Bound::Excluded(after.as_str()),
                Some(_) | None => Bound::Included(prefix.as_str()),
            };
            let sessions = state.sessions.range::<str, _>((first, Bound::Unbounded));
            let sessions = sessions.take_while(|(id, _)| id.as_str().starts_with(&prefix));
            Ok(sessions.filter_map(|(id, session)| session.summary(id)).take(limit).collect())
        })
    }

    fn indexed(&self) -> BoxFuture<'_, Result<Vec<SessionId>, StoreError>> {
        Box::pin(async move {
            let state = self.usable()?;
            Ok(state.due.union(&state.pending).cloned().collect())
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut state = self.lock();
            state.queue.clear();
            state.health = Health::Usable;
            state.disk = Disk::Syncing;
            self.publish_waiting(&state);
            Ok(())
        })
    }
}

impl State {
    /// Plays one sync: everything queued becomes durable, or fails, or goes on waiting.
    fn sync(&mut self) {
        match self.disk {
            Disk::Holding => {}
            Disk::FailingNext if self.queue.is_empty() => {}
            Disk::FailingNext => {
                self.disk = Disk::Syncing;
                self.health = Health::Poisoned;
                for request in std::mem::take(&mut self.queue) {
                    let error = StoreError::Write("the sync failed, as asked for".into());
                    let _ = request.answer.send(Err(error.into()));
                }
            }
            Disk::Syncing => {
                for request in std::mem::take(&mut self.queue) {
                    let Request { session, log, expected_tail, batch, answer } = request;
                    // Whoever stopped waiting does not need the answer.
                    let _ = answer.send(self.apply(&session, &log, expected_tail, batch));
                }
            }
        }
    }

    fn apply(
        &mut self,
        id: &SessionId,
        log: &LogId,
        expected_tail: Offset,
        batch: Batch,
    ) -> Result<(), AppendError> {
        let tail = self.sessions.get(id).map_or(Offset::ZERO, Session::tail);
        let same_log = self.sessions.get(id).is_none_or(|session| session.log == *log);
        if tail != expected_tail || !same_log {
            return Err(AppendError::Moved { tail });
        }
        set_indexed(&mut self.due, id, batch.due);
        set_indexed(&mut self.pending, id, batch.pending);
        let session = self.sessions.entry(id.clone());
        session.or_insert_with(|| Session::new(log.clone())).append(batch);
        Ok(())
    }
}

fn set_indexed(index: &mut BTreeSet<SessionId>, session: &SessionId, change: Option<bool>) {
    match change {
        Some(true) => {
            index.insert(session.clone());
        }
        Some(false) => {
            index.remove(session);
        }
        None => {}
    }
}
