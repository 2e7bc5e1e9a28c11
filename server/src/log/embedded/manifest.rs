//! Checks the storage engine's table files against their manifests, without changing anything.
//!
//! Each keyspace has a file `current` that names its manifest and holds the manifest's checksum; the
//! manifest lists the table files with theirs. The engine writes these checksums but does not look
//! at them when it opens: a flipped bit in a manifest makes it delete tables it no longer sees.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

use super::journal::Reader;
use super::tables::KEYSPACES;
use crate::log::StoreError;

/// At most so many bytes of tables are read in full at every start. Beyond it, blocks are checked
/// as they are read.
const VERIFY_AT_START_BYTES: u64 = 1024 * 1024 * 1024;
/// How much of a file is read at a time.
const READ_BYTES: usize = 256 * 1024;

/// One table file a manifest lists.
struct Table {
    path: PathBuf,
    checksum: u128,
}

/// How much of the tables to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What a start can afford.
    Start,
    /// Everything, to find the file behind an error.
    Full,
}

/// Checks every keyspace's manifest and its tables.
pub(super) fn verify(store: &Path, depth: Depth) -> Result<(), StoreError> {
    let mut budget_bytes = match depth {
        Depth::Start => VERIFY_AT_START_BYTES,
        Depth::Full => u64::MAX,
    };
    // Keyspace 0 is the engine's own list of keyspaces; ours were made in order behind it.
    for keyspace in 0..=KEYSPACES.len() {
        let folder = store.join("keyspaces").join(keyspace.to_string());
        for table in tables(&folder)? {
            verify_table(&table, &mut budget_bytes)?;
        }
    }
    Ok(())
}

fn tables(folder: &Path) -> Result<Vec<Table>, StoreError> {
    let current = folder.join("current");
    let bytes = read(&current)?;
    let mut reader = Reader { rest: &bytes };
    let (Some(version), Some(checksum)) = (reader.u64(), reader.u128()) else {
        return Err(damaged(&current, "it is too short"));
    };
    let manifest = folder.join(format!("v{version}"));
    let bytes = read(&manifest)?;
    if xxh3_128(&bytes) != checksum {
        return Err(damaged(&manifest, "its checksum differs from the one in `current`"));
    }
    list(&bytes, folder).ok_or_else(|| damaged(&manifest, "its list of tables cannot be read"))
}

fn list(manifest: &[u8], folder: &Path) -> Option<Vec<Table>> {
    let archive = sfa::Reader::from_reader(&mut io::Cursor::new(manifest)).ok()?;
    let section = archive.toc().section(b"tables")?;
    let start = usize::try_from(section.pos()).ok()?;
    let mut reader = Reader { rest: manifest.get(start..)? };
    let mut tables = Vec::new();
    for _level in 0..reader.u8()? {
        for _run in 0..reader.u8()? {
            for _table in 0..reader.u32()? {
                let (id, _checksum_type) = (reader.u64()?, reader.u8()?);
                let (checksum, _sequence) = (reader.u128()?, reader.u64()?);
                tables.push(Table { path: folder.join("tables").join(id.to_string()), checksum });
            }
        }
    }
    Some(tables)
}

fn verify_table(table: &Table, budget_bytes: &mut u64) -> Result<(), StoreError> {
    let unreadable =
        |error: io::Error| damaged(&table.path, &format!("it cannot be read: {error}"));
    let mut file = File::open(&table.path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let Some(rest) = budget_bytes.checked_sub(bytes) else {
        return Ok(());
    };
    *budget_bytes = rest;
    let mut hasher = Xxh3Default::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = file.read(&mut buffer).map_err(unreadable)?;
        match buffer.get(..count) {
            None | Some([]) => break,
            Some(part) => hasher.update(part),
        }
    }
    if hasher.digest128() == table.checksum {
        Ok(())
    } else {
        Err(damaged(&table.path, "its checksum differs from the one in the manifest"))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|error| damaged(path, &format!("it cannot be read: {error}")))
}

fn damaged(path: &Path, detail: &str) -> StoreError {
    StoreError::Damaged { path: path.into(), detail: detail.into() }
}
