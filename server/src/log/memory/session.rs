//! One session of a store in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

use crate::log::batch::stamp;
use crate::log::{
    Batch, Entry, LOAD_PAGE_BYTES, LoadCursor, Page, Record, SessionMeta, SessionSummary,
};

#[derive(Debug)]
pub(super) struct Session {
    pub(super) log: LogId,
    events: Vec<Record>,
    /// By the tail they were written at, then in order.
    notes: BTreeMap<(Offset, u32), Bytes>,
    title: Option<String>,
    /// The newest one and where it was written.
    checkpoint: Option<(LoadCursor, Bytes)>,
}

impl Session {
    pub(super) fn new(log: LogId) -> Self {
        Self { log, events: Vec::new(), notes: BTreeMap::new(), title: None, checkpoint: None }
    }

    pub(super) fn tail(&self) -> Offset {
        Offset::ZERO.plus(self.events.len() as u64)
    }

    pub(super) fn meta(&self) -> SessionMeta {
        SessionMeta { log: self.log.clone(), tail: self.tail() }
    }

    /// Behind everything that was written.
    fn end(&self) -> LoadCursor {
        let after = self.tail();
        let notes = self.notes.range((after, 0)..).next_back().map_or(0, |((_, n), _)| n + 1);
        LoadCursor { after, notes }
    }

    pub(super) fn append(&mut self, batch: Batch) {
        self.events.extend(batch.events);
        let LoadCursor { after: tail, notes: taken } = self.end();
        self.notes.extend((taken..).zip(batch.notes).map(|(n, note)| ((tail, n), note)));
        self.title = batch.title.or(self.title.take());
        if let Some(checkpoint) = batch.checkpoint {
            self.checkpoint = Some((self.end(), checkpoint));
        }
    }

    pub(super) fn summary(&self, id: &SessionId) -> Option<SessionSummary> {
        let last = self.events.last()?;
        Some(SessionSummary {
            id: id.clone(),
            log: self.log.clone(),
            tail: self.tail(),
            title: self.title.clone(),
            updated_at: stamp(&last.json),
        })
    }

    fn after(&self, after: Offset) -> impl Iterator<Item = (Offset, &Record)> {
        let skipped = usize::try_from(after.as_u64()).unwrap_or(usize::MAX);
        let offsets = std::iter::successors(Some(after.next()), |offset| Some(offset.next()));
        offsets.zip(self.events.iter().skip(skipped))
    }

    pub(super) fn read(&self, after: Offset, limit_bytes: usize) -> Vec<Bytes> {
        let mut bytes = 0;
        self.after(after)
            .map(|(_, record)| record.json.clone())
            .take_while(|json| {
                let first = bytes == 0;
                bytes += json.len();
                first || bytes <= limit_bytes
            })
            .collect()
    }

    pub(super) fn load(&self, cursor: Option<LoadCursor>) -> Page {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let mut cursor = match (cursor, &self.checkpoint) {
            (None, Some((place, checkpoint))) => {
                bytes += checkpoint.len();
                entries.push(Entry::Checkpoint(checkpoint.clone()));
                *place
            }
            (cursor, _) => cursor.unwrap_or(LoadCursor::START),
        };
        let mut events = self.after(cursor.after).peekable();
        let mut notes = self.notes.range((cursor.after, cursor.notes)..).peekable();
        while bytes < LOAD_PAGE_BYTES {
            let note_first = match (notes.peek(), events.peek()) {
                (Some(((tail, _), _)), Some((offset, _))) => tail < offset,
                (note, _) => note.is_some(),
            };
            if note_first && let Some((&(tail, n), note)) = notes.next() {
                cursor = LoadCursor { after: tail, notes: n + 1 };
                bytes += note.len();
                entries.push(Entry::Note(note.clone()));
            } else if let Some((offset, record)) = events.next() {
                cursor = LoadCursor { after: offset, notes: 0 };
                bytes += record.json.len();
                entries.push(Entry::Event { offset, record: record.clone() });
            } else {
                return (entries, None);
            }
        }
        (entries, Some(cursor))
    }
}
