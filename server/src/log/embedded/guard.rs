//! Decides whether a store may be opened, before the storage engine touches it.
//!
//! A torn last write, which was never answered, is cut off. Anything else that is not as it was
//! written stops the start with the file's name, and nothing is changed. Checked are: each batch of
//! each journal, that commits follow one another without a gap, that the last answered commit is
//! there, and the manifests and tables.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::Format;
use super::journal::{self, JournalBatch, Rest};
use super::manifest::{self, Depth};
use super::marker;
use crate::log::StoreError;

/// Beside the journals.
pub(super) const MARKER_FILE: &str = "answered";

/// How much of a journal is read at a time.
const READ_BYTES: usize = 256 * 1024;
/// How far the engine's background work can move its sequence between our look and the commit.
const SEQUENCE_SLACK: u64 = 1024;

/// Which commits may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Whatever is whole, answered or not: a new process cannot know.
    Whole,
    /// Up to this one: a later one failed, and after a failed sync the page cache does not tell what
    /// is on the disk.
    UpTo(u64),
}

/// What the guard found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checked {
    /// The engine must come up with this commit or a later one; 0 = none.
    pub(super) commit: u64,
}

/// Checks the store and cuts off a torn last write.
pub(super) fn check(store: &Path, keep: Keep) -> Result<Checked, StoreError> {
    Format::read(store)?;
    manifest::verify(store, Depth::Start)?;
    let answered = marker::read(&store.join(MARKER_FILE)).map_err(directory(store))?;
    let mut walk = Walk { keep, previous: None, change: None };
    let journals = journals(store)?;
    for (place, (_, path)) in journals.iter().enumerate() {
        walk.file(path, place + 1 == journals.len(), answered.unwrap_or(0))?;
    }
    let last = walk.previous.map_or(0, |batch| batch.commit);
    if let (Some(answered), Some(_), Some((_, path))) = (answered, walk.previous, journals.last())
        && last < answered
    {
        let detail = format!("commit {answered} was answered, but its journals end at {last}");
        return Err(StoreError::Damaged { path: path.clone(), detail });
    }
    if let Some(change) = walk.change {
        change.apply().map_err(directory(store))?;
    }
    Ok(Checked { commit: last.max(answered.unwrap_or(0)) })
}

/// Turns an IO error into advice about the data directory.
pub(super) fn directory(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |error| StoreError::Directory { path: path.into(), error: Arc::new(error) }
}

/// The journal files, oldest first.
fn journals(store: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(store).map_err(directory(store))? {
        let path = entry.map_err(directory(store))?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl"));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort_unstable();
    if journals.is_empty() {
        return Err(damaged(store, "its journal files (*.jnl) are gone"));
    }
    Ok(journals)
}

/// The file without the zeros at its end: a journal is made 64 MiB long, and no batch ends in zero.
fn read_used(path: &Path) -> std::io::Result<Vec<u8>> {
    let (mut file, mut bytes, mut chunk) = (File::open(path)?, Vec::new(), vec![0; READ_BYTES]);
    let (zeros, mut skipped) = (vec![0; READ_BYTES], 0);
    loop {
        let count = file.read(&mut chunk)?;
        match (chunk.get(..count), zeros.get(..count)) {
            (None | Some([]), _) | (_, None) => break,
            (part, zeros) if part == zeros => skipped += count,
            (Some(part), _) => {
                bytes.resize(bytes.len() + skipped, 0);
                bytes.extend_from_slice(part);
                skipped = 0;
            }
        }
    }
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    Ok(bytes)
}

struct Walk {
    keep: Keep,
    previous: Option<JournalBatch>,
    change: Option<Change>,
}

/// What to do to a journal once everything is known to be well.
struct Change {
    path: PathBuf,
    /// The file ends here from now on.
    end: usize,
    /// Whole batches that may never have reached the disk, although the page cache shows them.
    rewrite: Vec<u8>,
}

impl Walk {
    fn file(&mut self, path: &Path, is_last: bool, answered: u64) -> Result<(), StoreError> {
        let file = read_used(path).map_err(directory(path))?;
        let (mut batches, mut unanswered, mut dropped) = (0_u64, None, None);
        let (end, rest) = journal::walk(&file, |batch| {
            batches += 1;
            self.batch(path, batch)?;
            if batch.commit > answered {
                unanswered.get_or_insert(batch.start);
            }
            if matches!(self.keep, Keep::UpTo(last) if batch.commit > last) {
                dropped.get_or_insert(batch.start);
            } else {
                self.previous = Some(batch);
            }
            Ok(())
        })?;
        match rest {
            Rest::Damaged(what) => {
                return Err(damaged(path, &format!("from byte {end} on, {what}")));
            }
            Rest::Torn if !is_last => {
                return Err(damaged(path, &format!("from byte {end} on it cannot be read")));
            }
            Rest::Clean if !is_last && batches == 0 => return Err(damaged(path, "it is empty")),
            Rest::Torn | Rest::Clean => {}
        }
        // Behind an intact batch the walk's end tells; a journal's first one must speak for itself.
        if rest == Rest::Torn && self.previous.is_none() && answered > 0 {
            let is_new = journal::commit_at(&file, end).is_some_and(|commit| commit > answered);
            if !is_new {
                return Err(damaged(path, "its first batch was answered but cannot be read"));
            }
        }
        let end = dropped.unwrap_or(end);
        if rest == Rest::Torn || dropped.is_some() || unanswered.is_some() {
            let start = unanswered.unwrap_or(end).min(end);
            let rewrite = file.get(start..end).unwrap_or_default().to_vec();
            self.change = Some(Change { path: path.into(), end, rewrite });
        }
        Ok(())
    }

    fn batch(&self, path: &Path, batch: JournalBatch) -> Result<(), StoreError> {
        let at = batch.start;
        let expected = batch.expected_sequence..=batch.expected_sequence + SEQUENCE_SLACK;
        let follows = self.previous.is_none_or(|previous| batch.sequence > previous.sequence);
        if !expected.contains(&batch.sequence) || !follows {
            return Err(damaged(path, &format!("the head of the batch at byte {at} is wrong")));
        }
        if let Some(previous) = self.previous
            && batch.commit != previous.commit + 1
        {
            let (found, missing) = (batch.commit, previous.commit + 1);
            return Err(damaged(
                path,
                &format!("the batch at byte {at} is commit {found}, but {missing} is missing"),
            ));
        }
        Ok(())
    }
}

impl Change {
    fn apply(self) -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        let end = self.end as u64;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end - self.rewrite.len() as u64))?;
        file.write_all(&self.rewrite)?;
        file.sync_all()
    }
}

fn damaged(path: &Path, detail: &str) -> StoreError {
    StoreError::Damaged { path: path.into(), detail: detail.into() }
}
