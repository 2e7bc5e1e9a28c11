//! Where sessions last: an ordered log of events per session, behind one trait.
//!
//! Two stores implement it: [`MemoryStore`] keeps nothing over a restart and lets tests decide when a
//! sync returns; [`EmbeddedStore`] keeps a directory of files. Both pass the same contract suite.

mod batch;
#[cfg(test)]
mod contract;
mod embedded;
mod error;
mod memory;

use std::pin::Pin;

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

pub use self::batch::{Batch, Entry, LoadCursor, Record, SessionMeta, SessionSummary};
pub use self::embedded::EmbeddedStore;
#[cfg(test)]
pub(crate) use self::embedded::tests::formats::written_in_format;
pub use self::error::{AppendError, StoreError};
pub use self::memory::MemoryStore;

/// Most bytes of events and notes in one page of [`LogStore::load`], unless a single one is larger.
pub const LOAD_PAGE_BYTES: usize = 256 * 1024;

/// A future that can be stored and sent to another thread.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One page of a load, and where the next one starts; `None` at the end.
pub type Page = (Vec<Entry>, Option<LoadCursor>);

/// A durable home of session logs. Share it as `Arc<dyn LogStore>`.
///
/// After the first [`StoreError`] of an append the store refuses every further call with
/// [`StoreError::Poisoned`]: whoever waited does not know whether the batch lasts. Drop the state
/// built on the store, call [`LogStore::reopen`], and load again.
pub trait LogStore: Send + Sync + 'static {
    /// The log's id and its last durable offset; `None` when the session was never written.
    fn meta(&self, session: &SessionId) -> BoxFuture<'_, Result<Option<SessionMeta>, StoreError>>;

    /// Commits a batch, whole or not at all, and returns when it survives a power cut.
    ///
    /// The first append of a session creates it with the id `log`; it may hold notes only. From
    /// then on `log` must be that id and `expected_tail` the session's last offset, otherwise
    /// nothing is written and the answer is [`AppendError::Moved`].
    ///
    /// Appends that wait together share one sync. Dropping the future does not take back a batch
    /// that is already queued.
    fn append(
        &self,
        session: &SessionId,
        log: &LogId,
        expected_tail: Offset,
        batch: Batch,
    ) -> BoxFuture<'_, Result<(), AppendError>>;

    /// The JSON texts of the durable events after `after`, in order and without a gap: at most
    /// `limit_bytes` of them together, but at least one if there is any.
    fn read(
        &self,
        session: &SessionId,
        after: Offset,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>>;

    /// One page of what a session's state is rebuilt from, in the order it was written: the newest
    /// checkpoint and what was written behind it, or everything while there is none. Start with
    /// `None`, or with [`LoadCursor::START`] for everything and no checkpoint, and go on with the
    /// cursor that comes with a page until there is none.
    fn load(
        &self,
        session: &SessionId,
        cursor: Option<LoadCursor>,
    ) -> BoxFuture<'_, Result<Page, StoreError>>;

    /// The sessions in the `due` or the `pending` index, each once.
    fn indexed(&self) -> BoxFuture<'_, Result<Vec<SessionId>, StoreError>>;

    /// At most `limit` sessions with events whose ids begin with `prefix`, in the order of their ids'
    /// bytes, from the first behind `after` on.
    fn list(
        &self,
        prefix: &str,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SessionSummary>, StoreError>>;

    /// Whether the indexes and titles speak of every session. If not, whoever opens the store
    /// appends to each session what they should say and then calls [`LogStore::complete_indexes`].
    fn has_complete_indexes(&self) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// Says that the indexes and titles speak of every session from now on.
    fn complete_indexes(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Makes a poisoned store usable again with exactly the batches it answered for. What still
    /// waits fails. Nothing must be answered from state built before this call.
    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
