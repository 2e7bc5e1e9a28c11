//! The engine's keyspaces and what stands in them.
//!
//! ```text
//! meta      "commit"                         -> commit u64, next session u64, sequence u64 (LE)
//!           "title", session number          -> the title, stuffed
//!           "checkpoint", session number     -> its tail u64, notes u32 (LE), the checkpoint, stuffed
//! sessions  session id                       -> session number u64 (BE), log id
//! events    session number, offset           -> grant u32, seq u64 (LE), JSON
//! notes     session number, tail, number u32 -> the note          (keys big endian)
//! due, pending   session id                  -> nothing
//! ```

use std::path::Path;

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, Readable, Slice, Snapshot};

use super::journal::Reader;
use crate::log::{Entry, LOAD_PAGE_BYTES, LoadCursor, Page, Record};

/// The keyspaces in the order they are made, which is the order of the engine's numbers for them.
pub(super) const KEYSPACES: [&str; 6] = ["meta", "sessions", "events", "notes", "due", "pending"];
/// The first item of every batch has this key.
pub(super) const COMMIT_KEY: &[u8] = b"commit";

/// Events kept in memory until they are written to a table file.
const EVENTS_MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// The same for each other keyspace.
const SMALL_MEMTABLE_BYTES: u64 = 4 * 1024 * 1024;
/// The engine flushes the laggard keyspaces when its journals reach this size together; a start
/// reads that much.
const JOURNALS_BYTES: u64 = 128 * 1024 * 1024;
/// Blocks of table files kept in memory.
const BLOCK_CACHE_BYTES: u64 = 32 * 1024 * 1024;
const RECORD_HEAD_BYTES: usize = 12;

/// Why the keyspaces could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TablesError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] fjall::Error),
    /// A row is not as this store writes it.
    #[error("a row of `{0}` is not as it was written")]
    Row(&'static str),
}

/// The open keyspaces.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) database: Database,
    pub(super) meta: Keyspace,
    pub(super) sessions: Keyspace,
    pub(super) events: Keyspace,
    pub(super) notes: Keyspace,
    pub(super) due: Keyspace,
    pub(super) pending: Keyspace,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

/// What every commit says about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Commit {
    /// Counted from 1.
    pub(super) number: u64,
    /// The number the next new session gets.
    pub(super) next_session: u64,
    /// The engine's sequence number is this or a little more.
    pub(super) sequence: u64,
}

/// A row of `sessions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionRow {
    pub(super) number: u64,
    pub(super) log: LogId,
}

impl Commit {
    pub(super) fn encode(self) -> Vec<u8> {
        [self.number, self.next_session, self.sequence]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { rest: bytes };
        let (number, next_session, sequence) = (reader.u64()?, reader.u64()?, reader.u64()?);
        Some(Self { number, next_session, sequence })
    }
}

impl SessionRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        [&self.number.to_be_bytes(), self.log.as_str().as_bytes()].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, log) = bytes.split_first_chunk()?;
        let log = LogId::parse(std::str::from_utf8(log).ok()?).ok()?;
        Some(Self { number: u64::from_be_bytes(*number), log })
    }
}

impl Tables {
    /// Opens the keyspaces, making what is missing.
    pub(super) fn open(store: &Path) -> Result<Self, fjall::Error> {
        let database = Database::builder(store)
            .manual_journal_persist(true)
            .max_journaling_size(JOURNALS_BYTES)
            .cache_size(BLOCK_CACHE_BYTES)
            .open()?;
        let [meta, sessions, events, notes, due, pending] = KEYSPACES.map(|name| {
            let bytes = if name == "events" { EVENTS_MEMTABLE_BYTES } else { SMALL_MEMTABLE_BYTES };
            database.keyspace(name, || {
                KeyspaceCreateOptions::default()
                    .manual_journal_persist(true)
                    .max_memtable_size(bytes)
            })
        });
        Ok(Self {
            meta: meta?,
            sessions: sessions?,
            events: events?,
            notes: notes?,
            due: due?,
            pending: pending?,
            database,
        })
    }

    /// A view of whole commits. The engine shows a commit only after its sync returned.
    pub(super) fn view(&self) -> View<'_> {
        View { tables: self, snapshot: self.database.snapshot() }
    }
}

/// The keyspaces as of one moment.
pub(super) struct View<'a> {
    pub(super) tables: &'a Tables,
    pub(super) snapshot: Snapshot,
}

impl View<'_> {
    pub(super) fn commit(&self) -> Result<Commit, TablesError> {
        let Some(value) = self.snapshot.get(&self.tables.meta, COMMIT_KEY)? else {
            return Ok(Commit::default());
        };
        Commit::decode(&value).ok_or(TablesError::Row("meta"))
    }

    pub(super) fn session(&self, id: &SessionId) -> Result<Option<SessionRow>, TablesError> {
        let value = self.snapshot.get(&self.tables.sessions, id.as_str())?;
        value
            .map(|value| SessionRow::decode(&value).ok_or(TablesError::Row("sessions")))
            .transpose()
    }

    /// The last offset of a session; zero without events.
    pub(super) fn tail(&self, session: u64) -> Result<Offset, TablesError> {
        let last = self.snapshot.prefix(&self.tables.events, session.to_be_bytes()).next_back();
        last.map_or(Ok(Offset::ZERO), |item| event_offset(&item.key()?))
    }

    /// The last event of a session and its offset.
    pub(super) fn last_event(&self, session: u64) -> Result<Option<(Offset, Record)>, TablesError> {
        let last = self.snapshot.prefix(&self.tables.events, session.to_be_bytes()).next_back();
        last.map(|item| event(item.into_inner()?)).transpose()
    }

    /// How many notes of a session were written at `tail`.
    pub(super) fn notes_at(&self, session: u64, tail: Offset) -> Result<u32, TablesError> {
        let prefix = event_key(session, tail);
        let last = self.snapshot.prefix(&self.tables.notes, prefix).next_back();
        last.map_or(Ok(0), |item| Ok(note_place(&item.key()?)?.1.saturating_add(1)))
    }

    pub(super) fn read(
        &self,
        session: u64,
        after: Offset,
        limit_bytes: usize,
    ) -> Result<Vec<Bytes>, TablesError> {
        let (mut texts, mut bytes) = (Vec::new(), 0);
        for item in self.events(session, after) {
            let (_, record) = item?;
            bytes += record.json.len();
            if bytes > limit_bytes && !texts.is_empty() {
                break;
            }
            texts.push(record.json);
        }
        Ok(texts)
    }

    pub(super) fn load(
        &self,
        session: u64,
        cursor: Option<LoadCursor>,
    ) -> Result<Page, TablesError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        let mut cursor = match cursor {
            Some(cursor) => cursor,
            None => match self.checkpoint(session)? {
                Some((place, checkpoint)) => {
                    bytes += checkpoint.len();
                    entries.push(Entry::Checkpoint(checkpoint));
                    place
                }
                None => LoadCursor::START,
            },
        };
        let mut events = self.events(session, cursor.after).peekable();
        let mut notes = self.notes(session, cursor).peekable();
        while bytes < LOAD_PAGE_BYTES {
            let note_first = match (notes.peek(), events.peek()) {
                (Some(Ok((place, _))), Some(Ok((offset, _)))) => place.0 < *offset,
                (note, _) => note.is_some(),
            };
            if note_first && let Some(note) = notes.next() {
                let ((tail, number), note) = note?;
                cursor = LoadCursor { after: tail, notes: number.saturating_add(1) };
                bytes += note.len();
                entries.push(Entry::Note(note));
            } else if let Some(event) = events.next() {
                let (offset, record) = event?;
                cursor = LoadCursor { after: offset, notes: 0 };
                bytes += record.json.len();
                entries.push(Entry::Event { offset, record });
            } else {
                return Ok((entries, None));
            }
        }
        Ok((entries, Some(cursor)))
    }

    pub(super) fn indexed(&self) -> Result<Vec<SessionId>, TablesError> {
        let mut ids = std::collections::BTreeSet::new();
        for index in [&self.tables.due, &self.tables.pending] {
            for item in self.snapshot.iter(index) {
                ids.insert(session_id(&item.key()?).ok_or(TablesError::Row("due"))?);
            }
        }
        Ok(ids.into_iter().collect())
    }

    /// The events after `after`. A gap is an error: offsets are dense, so something was lost.
    fn events(
        &self,
        session: u64,
        after: Offset,
    ) -> impl Iterator<Item = Result<(Offset, Record), TablesError>> {
        let range = event_key(session, after.next())..=event_key(session, Offset::MAX);
        let mut expected = after.next();
        self.snapshot.range(&self.tables.events, range).map(move |item| {
            let (offset, record) = event(item.into_inner()?)?;
            if offset != expected {
                return Err(TablesError::Row("events"));
            }
            expected = offset.next();
            Ok((offset, record))
        })
    }

    fn notes(
        &self,
        session: u64,
        cursor: LoadCursor,
    ) -> impl Iterator<Item = Result<((Offset, u32), Bytes), TablesError>> {
        let first = note_key(session, cursor.after, cursor.notes);
        let last = note_key(session, Offset::MAX, u32::MAX);
        self.snapshot.range(&self.tables.notes, first..=last).map(|item| {
            let (key, value) = item.into_inner()?;
            Ok((note_place(&key)?, value.into()))
        })
    }
}

pub(super) fn event_key(session: u64, offset: Offset) -> [u8; 16] {
    (u128::from(session) << 64 | u128::from(offset.as_u64())).to_be_bytes()
}

pub(super) fn note_key(session: u64, tail: Offset, number: u32) -> Vec<u8> {
    [event_key(session, tail).as_slice(), &number.to_be_bytes()].concat()
}

pub(super) fn encode_record(record: &Record) -> Vec<u8> {
    [&record.grant.to_le_bytes()[..], &record.seq.to_le_bytes()[..], &record.json[..]].concat()
}

fn decode_record(value: Slice) -> Option<Record> {
    let mut reader = Reader { rest: &value };
    let (grant, seq) = (reader.u32()?, reader.u64()?);
    Some(Record { grant, seq, json: Bytes::from(value).slice(RECORD_HEAD_BYTES..) })
}

fn event((key, value): (Slice, Slice)) -> Result<(Offset, Record), TablesError> {
    let record = decode_record(value).ok_or(TablesError::Row("events"))?;
    Ok((event_offset(&key)?, record))
}

fn event_offset(key: &[u8]) -> Result<Offset, TablesError> {
    let offset = key.get(8..16).and_then(be_u64).and_then(Offset::new);
    offset.ok_or(TablesError::Row("events"))
}

fn note_place(key: &[u8]) -> Result<(Offset, u32), TablesError> {
    let number = key.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    let tail = key.get(8..16).and_then(be_u64).and_then(Offset::new);
    tail.zip(number).ok_or(TablesError::Row("notes"))
}

fn be_u64(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

pub(super) fn session_id(key: &[u8]) -> Option<SessionId> {
    SessionId::parse(std::str::from_utf8(key).ok()?).ok()
}
