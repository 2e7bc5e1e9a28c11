//! What goes into a log and comes back out.

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use serde::Deserialize;

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
    /// The session's title from now on; `None` leaves it as it is.
    pub title: Option<String>,
    /// The state after this batch, opaque to the store. Loads begin with it from now on, and with
    /// no earlier one.
    pub checkpoint: Option<Bytes>,
}

impl Batch {
    /// Bytes of events, notes and what else the batch carries.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let events: usize = self.events.iter().map(|record| record.json.len()).sum();
        let notes: usize = self.notes.iter().map(Bytes::len).sum();
        let title = self.title.as_ref().map_or(0, String::len);
        events + notes + title + self.checkpoint.as_ref().map_or(0, Bytes::len)
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

/// A session as a listing shows it. One without events is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// Its name.
    pub id: SessionId,
    /// The id of its log.
    pub log: LogId,
    /// The last durable offset.
    pub tail: Offset,
    /// The title, if one was set.
    pub title: Option<String>,
    /// The time stamp of the last event in milliseconds, if it has one.
    pub updated_at: Option<u64>,
}

/// When an event was taken: the one field of it that a store reads.
pub(super) fn stamp(json: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Stamp {
        at: u64,
    }
    serde_json::from_slice(json).ok().map(|Stamp { at }| at)
}

/// One step of rebuilding a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// What [`Batch::checkpoint`] said; the first entry of a load that has one.
    Checkpoint(Bytes),
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

impl LoadCursor {
    /// The beginning of the log: a load from here passes the checkpoint by.
    pub const START: Self = Self { after: Offset::ZERO, notes: 0 };
}
