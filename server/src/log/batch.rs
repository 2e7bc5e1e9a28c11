//! What goes into a log and comes back out.

use bytes::Bytes;
use durable_sessions_protocol::id::LogId;
use durable_sessions_protocol::offset::Offset;

/// A stored event: who published it, for deduplication after a restart, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The number of the note that granted the producer, counted in this session; 0 without one.
    pub grant: u32,
    /// The producer's sequence number; 0 without a producer.
    pub seq: u64,
    /// The event as one line of JSON: the bytes every transport sends.
    pub json: Bytes,
}

/// What one append commits, whole or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The next events of the session, in order.
    pub events: Vec<Record>,
    /// State that is not an event (producer grants, recorded refusals), opaque to the store. Notes
    /// stand behind the batch's events and before any later ones.
    pub notes: Vec<Bytes>,
    /// Whether the session is in the `due` index from now on; `None` leaves it as it is.
    pub due: Option<bool>,
    /// Whether the session is in the `pending` index from now on; `None` leaves it as it is.
    pub pending: Option<bool>,
}

impl Batch {
    /// Bytes of event and note text.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let events: usize = self.events.iter().map(|record| record.json.len()).sum();
        events + self.notes.iter().map(Bytes::len).sum::<usize>()
    }
}

/// Which log a session has, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionMeta {
    /// The id the log was made with.
    pub log: LogId,
    /// The last durable offset; zero while there are only notes.
    pub tail: Offset,
}

/// One step of rebuilding a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An event and its place.
    Event {
        /// The event's offset.
        offset: Offset,
        /// The event as it was appended.
        record: Record,
    },
    /// A note, after the events it was written with or behind.
    Note(Bytes),
}

/// How far a load has come. Valid for the session it was given out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LoadCursor {
    /// Events up to here were taken.
    pub(super) after: Offset,
    /// So many notes written at that tail were taken.
    pub(super) notes: u32,
}
