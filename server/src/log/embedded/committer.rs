//! The one thread that writes: it takes all waiting appends, commits them together, and answers
//! once the sync returned.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use fjall::OwnedWriteBatch;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::health::Health;
use super::marker::Marker;
use super::rows::{checkpoint_key, encode_checkpoint, encode_title, title_key};
use super::tables::{
    COMMIT_KEY, Commit, SessionRow, Tables, TablesError, encode_record, event_key, note_key,
};
use crate::log::{AppendError, Batch, LoadCursor, StoreError};

/// Most event and note bytes in one commit, unless a single append is larger.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// Most appends in one commit.
const GROUP_APPENDS: usize = 4096;
/// Sessions in each of the two generations of the tail table: some 300 bytes each, so at most
/// 40 MiB together. A session that fell out is read again.
const GENERATION_SESSIONS: usize = 65_536;

/// What the committer is asked.
#[derive(Debug)]
pub(super) enum Message {
    /// Commit a batch.
    Append(Request),
    /// End now.
    Stop,
}

/// An append that waits.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) session: SessionId,
    pub(super) log: LogId,
    pub(super) expected_tail: Offset,
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Result<(), AppendError>>,
    /// Its share of the queue's bytes, given back when the append is answered.
    pub(super) _bytes: OwnedSemaphorePermit,
}

/// The state of the committing thread.
#[derive(Debug)]
pub(super) struct Committer {
    tables: Arc<Tables>,
    marker: Marker,
    health: Arc<Health>,
    last: Commit,
    tails: Tails,
}

/// Where a session's next batch goes.
#[derive(Debug, Clone)]
struct Tail {
    row: SessionRow,
    offset: Offset,
    /// Notes written at this offset.
    notes: u32,
}

impl Committer {
    pub(super) fn new(
        tables: Arc<Tables>,
        marker: Marker,
        health: Arc<Health>,
        last: Commit,
    ) -> Self {
        Self { tables, marker, health, last, tails: Tails::default() }
    }

    /// Serves until it is stopped, every sender is gone, or a commit failed.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        while let Some(group) = next_group(&mut queue) {
            if !self.commit_group(group) {
                break;
            }
        }
        // What still waits was not looked at: its waiters hear that the store is closed.
        queue.close();
        while queue.try_recv().is_ok() {}
        // Only shortens the time in which the marker claims too little.
        let _ = self.marker.sync();
    }

    /// Whether the store is still usable.
    fn commit_group(&mut self, group: Vec<Request>) -> bool {
        let mut outcomes = Vec::with_capacity(group.len());
        // The engine panics on some damage; an unwound commit is a failed one.
        let result = catch_unwind(AssertUnwindSafe(|| self.commit(&group, &mut outcomes)));
        let failure = match result {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the storage engine panicked".into()),
        };
        if let Some(reason) = failure {
            self.health.poison();
            for request in group {
                let error = StoreError::Write(reason.clone());
                // Whoever stopped waiting does not need the answer.
                let _ = request.answer.send(Err(error.into()));
            }
            return false;
        }
        for (request, outcome) in group.into_iter().zip(outcomes) {
            let _ = request.answer.send(outcome);
        }
        true
    }

    fn commit(
        &mut self,
        group: &[Request],
        outcomes: &mut Vec<Result<(), AppendError>>,
    ) -> Result<(), TablesError> {
        let commit = Commit { number: self.last.number + 1, ..self.last };
        let mut next = Commit { sequence: self.tables.database.seqno(), ..commit };
        let mut rows = Rows::default();
        for request in group {
            outcomes.push(self.stage(request, &mut next, &mut rows));
        }
        if outcomes.iter().all(Result::is_err) {
            return Ok(());
        }
        let mut batch = self.tables.database.batch().durability(Some(self.health.durability()));
        batch.insert(&self.tables.meta, COMMIT_KEY, next.encode());
        rows.write(&mut batch);
        batch.commit()?;
        self.health.check_sync()?;
        self.last = next;
        self.health.answer(next.number);
        // A marker that cannot be written claims less than it could, which is always sound.
        let _ = self.marker.write(next.number);
        Ok(())
    }

    /// Puts one append into the commit, or says why not.
    fn stage(
        &mut self,
        request: &Request,
        next: &mut Commit,
        rows: &mut Rows,
    ) -> Result<(), AppendError> {
        let known = match self.tails.take(&request.session) {
            Some(tail) => Some(tail),
            None => match read_tail(&self.tables, &request.session) {
                Ok(tail) => tail,
                // One damaged session does not stop the others.
                Err(error) => return Err(StoreError::Read(error.to_string()).into()),
            },
        };
        let offset = known.as_ref().map_or(Offset::ZERO, |tail| tail.offset);
        let is_new = known.is_none();
        let same_log = known.as_ref().is_none_or(|tail| tail.row.log == request.log);
        if offset != request.expected_tail || !same_log {
            if let Some(tail) = known {
                self.tails.put(request.session.clone(), tail);
            }
            return Err(AppendError::Moved { tail: offset });
        }
        let mut tail = known.unwrap_or_else(|| {
            let row = SessionRow { number: next.next_session, log: request.log.clone() };
            next.next_session += 1;
            Tail { row, offset, notes: 0 }
        });
        if is_new {
            rows.put(&self.tables.sessions, request.session.as_str(), tail.row.encode());
        }
        tail.write(&request.batch, &self.tables, rows);
        rows.index(&self.tables.due, &request.session, request.batch.due);
        rows.index(&self.tables.pending, &request.session, request.batch.pending);
        self.tails.put(request.session.clone(), tail);
        Ok(())
    }
}

/// Waits for one append and takes what else is there; `None` at the end.
fn next_group(queue: &mut mpsc::Receiver<Message>) -> Option<Vec<Request>> {
    let Message::Append(first) = queue.blocking_recv()? else {
        return None;
    };
    let mut bytes = first.batch.text_bytes();
    let mut group = vec![first];
    while bytes < GROUP_BYTES && group.len() < GROUP_APPENDS {
        match queue.try_recv() {
            Ok(Message::Append(request)) => {
                bytes += request.batch.text_bytes();
                group.push(request);
            }
            // Stopping: what was taken already is dropped, and its waiters hear of it.
            Ok(Message::Stop) => return None,
            Err(_) => break,
        }
    }
    Some(group)
}

fn read_tail(tables: &Tables, session: &SessionId) -> Result<Option<Tail>, TablesError> {
    let view = tables.view();
    let Some(row) = view.session(session)? else {
        return Ok(None);
    };
    let offset = view.tail(row.number)?;
    let notes = view.notes_at(row.number, offset)?;
    Ok(Some(Tail { row, offset, notes }))
}

impl Tail {
    fn write(&mut self, batch: &Batch, tables: &Tables, rows: &mut Rows) {
        for record in &batch.events {
            self.offset = self.offset.next();
            self.notes = 0;
            let key = event_key(self.row.number, self.offset);
            rows.put(&tables.events, key, encode_record(record));
        }
        for note in &batch.notes {
            let key = note_key(self.row.number, self.offset, self.notes);
            rows.put(&tables.notes, key, note.clone());
            self.notes = self.notes.saturating_add(1);
        }
        if let Some(title) = &batch.title {
            rows.put(&tables.meta, title_key(self.row.number), encode_title(title));
        }
        if let Some(checkpoint) = &batch.checkpoint {
            let place = LoadCursor { after: self.offset, notes: self.notes };
            let row = encode_checkpoint(place, checkpoint);
            rows.put(&tables.meta, checkpoint_key(self.row.number), row);
        }
    }
}

/// The rows of a commit, collected first: an engine batch without rows must not be made.
#[derive(Default)]
struct Rows(Vec<(fjall::Keyspace, fjall::Slice, Option<fjall::Slice>)>);

impl Rows {
    fn put(
        &mut self,
        keyspace: &fjall::Keyspace,
        key: impl Into<fjall::Slice>,
        value: impl Into<fjall::Slice>,
    ) {
        self.0.push((keyspace.clone(), key.into(), Some(value.into())));
    }

    fn index(&mut self, keyspace: &fjall::Keyspace, session: &SessionId, change: Option<bool>) {
        if let Some(present) = change {
            let value = present.then(|| Vec::new().into());
            self.0.push((keyspace.clone(), session.as_str().into(), value));
        }
    }

    fn write(self, batch: &mut OwnedWriteBatch) {
        for (keyspace, key, value) in self.0 {
            match value {
                Some(value) => batch.insert(&keyspace, key, value),
                None => batch.remove(&keyspace, key),
            }
        }
    }
}

/// The tails of the sessions written last, in two generations.
#[derive(Debug, Default)]
struct Tails {
    young: HashMap<SessionId, Tail>,
    old: HashMap<SessionId, Tail>,
}

impl Tails {
    fn take(&mut self, session: &SessionId) -> Option<Tail> {
        self.young.remove(session).or_else(|| self.old.remove(session))
    }

    fn put(&mut self, session: SessionId, tail: Tail) {
        if self.young.len() >= GENERATION_SESSIONS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(session, tail);
    }
}
