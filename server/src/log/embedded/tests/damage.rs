//! Flips and cuts bytes all over a store's files: nothing may be lost in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::super::guard::MARKER_FILE;
use super::super::journal;
use super::{EmbeddedStore, tables};
use crate::log::contract::{append, at, events, session};
use crate::log::{Batch, Entry, LoadCursor, LogStore, SessionSummary, StoreError};

const SESSIONS: [&str; 3] = ["a", "b", "c"];

/// Every file of a store by its path, without the zeros a journal ends in, and its full length.
type Files = BTreeMap<PathBuf, (Vec<u8>, u64)>;
/// All a store gives back of its sessions.
type Contents = (Vec<SessionSummary>, Vec<Session>);
/// One loaded from its checkpoint and from its start, and read.
type Session = (Vec<Entry>, Vec<Entry>, Vec<Bytes>);

/// What became of a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It opened with everything.
    Whole,
    /// It did not open, or not let itself be read, and named a file in it.
    RefusedWithFile,
    /// The same, but only the folder was named.
    RefusedWithFolder,
    /// Something was missing or different, and nobody said so.
    SilentLoss,
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip { byte: usize, bit: u8 },
    Cut { length: usize },
    Zero { from: usize, to: usize },
}

fn batch(first: u64, last: u64) -> Batch {
    let checkpoint =
        last.is_multiple_of(6).then(|| Bytes::from(format!("state at {last} FJL\x03")));
    let title = last.is_multiple_of(9).then(|| format!("title {last}"));
    let notes = vec![Bytes::from(format!("note {last}"))];
    Batch { notes, checkpoint, title, ..events(first, last) }
}

/// A store with tables, a journal and commits in both; returns its files, its contents, and what
/// they were before the last append.
async fn sample(directory: &Path) -> (Files, Contents, Contents) {
    let store = EmbeddedStore::open(directory).unwrap();
    let mut before = None;
    for round in 0..12 {
        for name in SESSIONS {
            before = Some(contents(&store).await.unwrap());
            append(&store, name, 3 * round, batch(3 * round + 1, 3 * round + 3)).await;
        }
        if round == 5 {
            let tables = tables(&store);
            for keyspace in [&tables.events, &tables.notes, &tables.sessions, &tables.meta] {
                keyspace.rotate_memtable_and_wait().unwrap();
            }
        }
    }
    let contents = contents(&store).await.unwrap();
    drop(store);
    (files(&directory.join("store")), contents, before.unwrap())
}

fn files(store: &Path) -> Files {
    let (mut files, mut folders) = (Files::new(), vec![store.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).unwrap();
            let length = bytes.len() as u64;
            while bytes.len() > 4096 && bytes[bytes.len() - 4096..] == [0; 4096] {
                bytes.truncate(bytes.len() - 4096);
            }
            if path.extension().is_some_and(|extension| extension == "jnl") {
                while bytes.last() == Some(&0) {
                    bytes.pop();
                }
            }
            files.insert(path.strip_prefix(store).unwrap().into(), (bytes, length));
        }
    }
    files
}

fn write(files: &Files, store: &Path) {
    for folder in 0..=6 {
        fs::create_dir_all(store.join(format!("keyspaces/{folder}/tables"))).unwrap();
    }
    for (path, (bytes, length)) in files {
        fs::write(store.join(path), bytes).unwrap();
        let file = fs::OpenOptions::new().write(true).open(store.join(path)).unwrap();
        file.set_len(*length).unwrap();
    }
}

async fn contents(store: &EmbeddedStore) -> Result<Contents, StoreError> {
    let mut all = (store.list("", None, usize::MAX).await?, Vec::new());
    for name in SESSIONS {
        let mut loaded = [Vec::new(), Vec::new()];
        for (entries, from) in loaded.iter_mut().zip([None, Some(LoadCursor::START)]) {
            let mut cursor = from;
            loop {
                let (page, next) = store.load(&session(name), cursor).await?;
                entries.extend(page);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        let [from_checkpoint, whole] = loaded;
        let texts = store.read(&session(name), at(0), usize::MAX).await?;
        all.1.push((from_checkpoint, whole, texts));
    }
    Ok(all)
}

async fn open_damaged(files: &Files, path: &Path, damage: Damage, expected: &Contents) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let mut files = files.clone();
    let (bytes, length) = files.get_mut(path).unwrap();
    match damage {
        Damage::Flip { byte, bit } => bytes[byte] ^= 1 << bit,
        Damage::Zero { from, to } => bytes[from..to].fill(0),
        Damage::Cut { length: cut } => {
            bytes.truncate(cut);
            *length = cut as u64;
        }
    }
    let store = directory.path().join("store");
    write(&files, &store);
    let result = match EmbeddedStore::open(directory.path()) {
        Ok(store) => contents(&store).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(found) if found == *expected => Outcome::Whole,
        Ok(_) => Outcome::SilentLoss,
        Err(StoreError::Damaged { path, .. } | StoreError::Directory { path, .. })
            if path != store && path.starts_with(&store) =>
        {
            Outcome::RefusedWithFile
        }
        Err(_) => Outcome::RefusedWithFolder,
    }
}

/// Places to damage: all of a small file, and spread over a large one.
fn places(bytes: usize, most: usize) -> Vec<usize> {
    let count = bytes.min(most);
    (0..count).map(|n| n * bytes / count).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_flipped_or_cut_byte_of_an_answered_commit_is_lost_in_silence() {
    let directory = tempfile::tempdir().unwrap();
    let (files, expected, _) = sample(directory.path()).await;
    let most: usize = std::env::var("DAMAGE_PLACES").map_or(12, |most| most.parse().unwrap());
    let mut outcomes: BTreeMap<(String, &str, Outcome), usize> = BTreeMap::new();
    let mut lost = Vec::new();
    for (path, (bytes, _)) in &files {
        let is_journal = path.extension().is_some_and(|extension| extension == "jnl");
        let most = if is_journal { 16 * most } else { most };
        let flips = places(bytes.len(), most).into_iter();
        let flips = flips.map(|byte| ("flip", Damage::Flip { byte, bit: (byte % 8) as u8 }));
        let cuts = places(bytes.len(), most / 3).into_iter();
        let cuts = cuts.map(|length| ("cut", Damage::Cut { length }));
        let zeros = places(bytes.len(), most / 3).into_iter();
        let zeros =
            zeros.map(|from| ("zero", Damage::Zero { from, to: bytes.len().min(from + 64) }));
        for (name, damage) in flips.chain(cuts).chain(zeros) {
            let outcome = open_damaged(&files, path, damage, &expected).await;
            let kind = path.components().map(|part| {
                let part = part.as_os_str().to_string_lossy().into_owned();
                if part.parse::<u64>().is_ok() { "N".to_owned() } else { part }
            });
            let kind = kind.collect::<Vec<_>>().join("/");
            *outcomes.entry((kind, name, outcome)).or_default() += 1;
            if outcome == Outcome::SilentLoss {
                lost.push((path.clone(), damage));
            }
        }
    }
    for ((kind, name, outcome), count) in &outcomes {
        println!("{kind:28} {name:5} {outcome:?}: {count}");
    }
    assert!(lost.is_empty(), "{} of them: {lost:?}", lost.len());
}

/// The files as they are when the machine stopped inside the last commit: the marker speaks of the
/// one before, the journal has some of the bytes.
fn torn(files: &Files) -> (Files, PathBuf, usize, usize) {
    let journal = files.keys().rfind(|path| path.extension().is_some_and(|e| e == "jnl"));
    let journal = journal.unwrap().clone();
    let mut last = None;
    let file = &files[&journal].0;
    let _ = journal::walk(file, |batch| {
        last = Some(batch);
        Ok::<_, ()>(())
    });
    let last = last.unwrap();
    let mut files = files.clone();
    // The slot of the last commit; the other one holds the commit before.
    let slot = (last.commit % 2) as usize * 512;
    files.get_mut(Path::new(MARKER_FILE)).unwrap().0[slot..slot + 16].fill(0);
    (files, journal, last.start, last.end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_last_write_is_cut_off_and_everything_before_it_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (files, _, expected) = sample(directory.path()).await;
    let (files, journal, start, end) = torn(&files);
    let cuts = places(end - start, 40).into_iter().map(|n| Damage::Cut { length: start + n });
    let zeros = places(end - start, 40).into_iter();
    let zeros = zeros.map(|n| Damage::Zero { from: start + n, to: end });
    let holes = places(end - start - 40, 20).into_iter();
    let holes = holes.map(|n| Damage::Zero { from: start + n, to: start + n + 40 });
    for damage in cuts.chain(zeros).chain(holes) {
        let outcome = open_damaged(&files, &journal, damage, &expected).await;
        assert_eq!(outcome, Outcome::Whole, "{damage:?} in {start}..{end}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_store_goes_on_and_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let (files, ..) = sample(directory.path()).await;
    let (mut files, journal, start, end) = torn(&files);
    files.get_mut(&journal).unwrap().0[start + 50..end].fill(0);
    let directory = tempfile::tempdir().unwrap();
    write(&files, &directory.path().join("store"));
    let last = SESSIONS[2];
    for tail in [33, 36, 39] {
        let store = EmbeddedStore::open(directory.path()).unwrap();
        append(&store, last, tail, batch(tail + 1, tail + 3)).await;
        assert_eq!(store.meta(&session(last)).await.unwrap().unwrap().tail, at(tail + 3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_file_stops_the_start_unless_nothing_depends_on_it() {
    let directory = tempfile::tempdir().unwrap();
    let (files, expected, _) = sample(directory.path()).await;
    let mut refused = 0;
    for gone in files.keys() {
        let mut files = files.clone();
        files.remove(gone);
        let directory = tempfile::tempdir().unwrap();
        write(&files, &directory.path().join("store"));
        match EmbeddedStore::open(directory.path()) {
            Ok(store) => assert_eq!(contents(&store).await.unwrap(), expected, "{gone:?} is gone"),
            Err(error) => {
                assert!(error.to_string().contains("store"), "{error}");
                refused += 1;
            }
        }
    }
    // The journal, the format, the version, and of each keyspace `current` and its manifest.
    assert!(refused >= 3 + 2 * 7, "only {refused} missing files were noticed");
}
