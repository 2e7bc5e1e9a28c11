//! The number of the last commit that was answered, beside the journal.
//!
//! A damaged last batch looks like a write that never finished. The marker tells them apart: it is
//! written after the sync of the journal and before the answers, so it never claims more than was
//! durable. It is not synced itself: a killed process leaves it in the page cache, and a power cut
//! within the seconds until it reaches the disk only makes it claim less.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::journal::Reader;

/// Two slots in separate sectors take turns, so that a torn write leaves the one before.
const SLOT_BYTES: u64 = 512;

/// Writes the marker file of an open store.
#[derive(Debug)]
pub(super) struct Marker {
    file: File,
}

impl Marker {
    /// Opens or makes the file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(Self { file })
    }

    /// Says that every commit up to `commit` was synced.
    pub(super) fn write(&mut self, commit: u64) -> io::Result<()> {
        let number = commit.to_le_bytes();
        let mut slot = [0; 16];
        let (head, tail) = slot.split_at_mut(8);
        head.copy_from_slice(&number);
        tail.copy_from_slice(&xxh3_64(&number).to_le_bytes());
        self.file.seek(SeekFrom::Start(SLOT_BYTES * (commit % 2)))?;
        self.file.write_all(&slot)
    }

    /// Makes the file durable, for a clean start and end.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// The last commit known to have been answered; `None` when the file is missing or unreadable.
pub(super) fn read(path: &Path) -> io::Result<Option<u64>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut best = None;
    for slot in 0..2 {
        let mut bytes = Vec::with_capacity(16);
        file.seek(SeekFrom::Start(SLOT_BYTES * slot))?;
        (&file).take(16).read_to_end(&mut bytes)?;
        best = best.max(parse(&bytes));
    }
    Ok(best)
}

fn parse(slot: &[u8]) -> Option<u64> {
    let mut reader = Reader { rest: slot };
    let (commit, checksum) = (reader.u64()?, reader.u64()?);
    (xxh3_64(&commit.to_le_bytes()) == checksum).then_some(commit)
}
