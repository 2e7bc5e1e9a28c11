//! What a session's actor shares with everybody who reads it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::sync::watch;

use super::chunk::Chunk;
use super::ring::Ring;
use crate::log::LogStore;

/// Merged chunks that a session keeps, each of a frame.
const MERGED_MAX_CHUNKS: usize = 4;

/// The durable part of an open session.
pub(super) struct Live {
    id: SessionId,
    log: LogId,
    store: Arc<dyn LogStore>,
    ring: RwLock<Ring>,
    /// Merged chunks that were made last, newest first: many join at once, and from the start.
    merged: Mutex<VecDeque<Arc<Chunk>>>,
    tail: watch::Sender<Offset>,
    closed: std::sync::atomic::AtomicBool,
}

impl Live {
    pub(super) fn new(id: SessionId, log: LogId, store: Arc<dyn LogStore>, tail: Offset) -> Self {
        Self {
            id,
            log,
            store,
            ring: RwLock::default(),
            merged: Mutex::default(),
            tail: watch::Sender::new(tail),
            closed: false.into(),
        }
    }

    pub(super) fn id(&self) -> &SessionId {
        &self.id
    }

    pub(super) fn log(&self) -> &LogId {
        &self.log
    }

    pub(super) fn store(&self) -> &Arc<dyn LogStore> {
        &self.store
    }

    /// The last durable offset.
    pub(super) fn tail(&self) -> Offset {
        *self.tail.borrow()
    }

    pub(super) fn tail_changes(&self) -> watch::Receiver<Offset> {
        self.tail.subscribe()
    }

    /// Makes durable events visible: first the ring, then the tail that wakes the readers.
    pub(super) fn publish(&self, chunks: Vec<Chunk>) {
        let Some(tail) = chunks.last().map(Chunk::last) else { return };
        {
            // Nothing panics while it is held, and readers only look.
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            for chunk in chunks {
                ring.push(chunk);
            }
        }
        self.tail.send_replace(tail);
    }

    /// Events after the cursor, if the ring still has them.
    pub(super) fn recent(&self, after: Offset, max_bytes: usize) -> Option<Arc<Chunk>> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.after(&self.id, after, max_bytes)
    }

    /// Whether anybody reads: readers are made by handles only, so without one the answer stays no.
    pub(super) fn has_readers(&self) -> bool {
        self.tail.receiver_count() > 0
    }

    /// All events after the cursor, if they are one chunk.
    pub(super) fn newest(&self, after: Offset, max_bytes: usize) -> Option<Arc<Chunk>> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.newest(after, max_bytes)
    }

    /// A merged chunk of the events after the cursor, if one was made lately that is as large as may
    /// be, or goes as far as the tail.
    pub(super) fn merged(&self, after: Offset, max_bytes: usize) -> Option<Arc<Chunk>> {
        let is_as_good = |chunk: &&Arc<Chunk>| {
            let is_full = chunk.bytes() > max_bytes / 2 || chunk.last() == self.tail();
            chunk.first() == after.next() && chunk.bytes() <= max_bytes && is_full
        };
        let merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        merged.iter().find(is_as_good).map(Arc::clone)
    }

    /// Keeps a merged chunk for others who stand where its reader stood.
    pub(super) fn keep_merged(&self, chunk: &Arc<Chunk>) {
        let mut merged = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        merged.truncate(MERGED_MAX_CHUNKS - 1);
        merged.push_front(Arc::clone(chunk));
    }

    /// Ends all readers: what the actor knew can no longer be trusted.
    pub(super) fn close(&self) {
        self.closed.store(true, std::sync::atomic::Ordering::Release);
        // Wakes those who wait for the tail without moving it.
        self.tail.send_modify(|_| {});
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(std::sync::atomic::Ordering::Acquire)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("id", &self.id).field("tail", &self.tail()).finish()
    }
}
