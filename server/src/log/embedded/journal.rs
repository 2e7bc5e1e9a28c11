//! Reads the storage engine's journal files without changing them.
//!
//! The engine itself stops at the first byte it does not understand, wherever that is, and cuts the
//! file there without a word. It also takes the head of a batch on trust: only items are under the
//! checksum. This walk is stricter, and it looks at what lies behind the damage.
//!
//! A journal is a row of batches, then zeros up to the preallocated size:
//!
//! ```text
//! start  1, item count u32, sequence number u64
//! item   2, kind u8, compression u8, keyspace u64, key length u16, value length u32,
//!        stored length u32, key, value
//! end    3, xxh3 of the items' bytes u64, "FJL" 3                       (little endian)
//! ```

use xxhash_rust::xxh3::xxh3_64;

use super::tables::{COMMIT_KEY, Commit};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const START_BYTES: usize = 1 + 4 + 8;
pub(super) const TRAILER: &[u8; 4] = b"FJL\x03";

/// An intact batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JournalBatch {
    /// The engine's sequence number.
    pub(super) sequence: u64,
    /// What the committer saw of it; the engine's may be a little higher.
    pub(super) expected_sequence: u64,
    /// The number our committer gave it.
    pub(super) commit: u64,
    /// Where it begins in the file.
    pub(super) start: usize,
    /// Where the next one begins.
    pub(super) end: usize,
}

/// What follows the last intact batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Zeros or nothing.
    Clean,
    /// Bytes that can be one write that did not finish.
    Torn,
    /// Bytes that cannot be one unfinished write.
    Damaged(&'static str),
}

/// Calls `visit` with each intact batch from the start of the file, and judges what follows.
/// `file` comes without the zeros at its end.
pub(super) fn walk<E>(
    file: &[u8],
    mut visit: impl FnMut(JournalBatch) -> Result<(), E>,
) -> Result<(usize, Rest), E> {
    let mut position = 0;
    while let Some(batch) = parse(file, position) {
        visit(batch)?;
        position = batch.end;
    }
    Ok((position, judge(file, position)))
}

fn judge(file: &[u8], position: usize) -> Rest {
    let rest = file.get(position..).unwrap_or_default();
    if rest.is_empty() {
        return Rest::Clean;
    }
    // Text of events holds no control characters and other rows are stuffed, so a trailer inside a
    // batch is one.
    let trailer = rest.windows(TRAILER.len()).position(|window| window == TRAILER);
    if trailer.is_some_and(|at| at + TRAILER.len() < rest.len()) {
        return Rest::Damaged("more than one batch would be cut off");
    }
    let intact_behind = (1..rest.len()).any(|skip| parse(file, position + skip).is_some());
    if intact_behind {
        return Rest::Damaged("an intact batch lies behind the damage");
    }
    Rest::Torn
}

/// The commit number at the head of a batch, whether or not the batch is whole.
pub(super) fn commit_at(file: &[u8], start: usize) -> Option<u64> {
    let mut reader = Reader { rest: file.get(start + START_BYTES..)? };
    parse_commit(&mut reader).map(|commit| commit.number)
}

/// The batch at `start`, if its structure, checksum and first item are as we write them.
fn parse(file: &[u8], start: usize) -> Option<JournalBatch> {
    let mut reader = Reader { rest: file.get(start..)? };
    if reader.u8()? != START {
        return None;
    }
    let items = reader.u32()?;
    let sequence = reader.u64()?;
    let commit = parse_commit(&mut reader.clone())?;
    for _ in 0..items {
        parse_item(&mut reader)?;
    }
    let end = file.len() - reader.rest.len();
    let checksum = xxh3_64(file.get(start + START_BYTES..end)?);
    let whole = reader.u8()? == END && reader.u64()? == checksum && reader.bytes(4)? == TRAILER;
    whole.then(|| JournalBatch {
        sequence,
        expected_sequence: commit.sequence,
        commit: commit.number,
        start,
        end: file.len() - reader.rest.len(),
    })
}

fn parse_commit(reader: &mut Reader<'_>) -> Option<Commit> {
    let (key, value) = parse_item(reader)?;
    if key == COMMIT_KEY { Commit::decode(value) } else { None }
}

fn parse_item<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8], &'a [u8])> {
    if reader.u8()? != ITEM {
        return None;
    }
    let (_kind, compression, _keyspace) = (reader.u8()?, reader.u8()?, reader.u64()?);
    let key_bytes = usize::from(reader.u16()?);
    let (value_bytes, stored_bytes) = (reader.u32()?, reader.u32()?);
    if compression != 0 || value_bytes != stored_bytes {
        return None;
    }
    Some((reader.bytes(key_bytes)?, reader.bytes(usize::try_from(stored_bytes).ok()?)?))
}

/// A cursor over little-endian bytes; `None` once they run out.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
}
