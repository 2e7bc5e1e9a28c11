//! Tests of what only the embedded store does.

mod damage;
pub(crate) mod formats;

use std::sync::Arc;

use super::{EmbeddedStore, State, Tables};
use crate::log::contract::{append, at, events, log, read_all, session, texts};
use crate::log::{AppendError, LogStore, StoreError};

fn tables(store: &EmbeddedStore) -> Arc<Tables> {
    match &*store.shared.lock() {
        State::Open(running) => Arc::clone(&running.handle.tables),
        State::Closed { .. } => panic!("the store is closed"),
    }
}

fn fail_next_sync(store: &EmbeddedStore) {
    match &*store.shared.lock() {
        State::Open(running) => running.handle.health.fail_next_sync(),
        State::Closed { .. } => panic!("the store is closed"),
    }
}

#[tokio::test]
async fn a_second_opening_of_the_directory_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    let error = EmbeddedStore::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(directory.path().to_str().unwrap()));
    drop(store);
    EmbeddedStore::open(directory.path()).unwrap();
}

#[tokio::test]
async fn a_path_that_is_a_file_is_refused_with_its_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = EmbeddedStore::open(file.path()).unwrap_err();
    assert!(matches!(error, StoreError::Directory { .. }), "{error}");
    assert!(error.to_string().contains(file.path().to_str().unwrap()));
}

#[tokio::test]
async fn a_creation_that_was_interrupted_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("store.new/keyspaces/0")).unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    append(&store, "s", 0, events(1, 1)).await;
}

#[tokio::test]
async fn a_dropped_store_opens_with_everything_it_answered() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let store = EmbeddedStore::open(directory.path()).unwrap();
        assert_eq!(read_all(&store, "s").await, texts(1, round));
        append(&store, "s", round, events(round + 1, round + 1)).await;
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_answered_until_the_store_is_reopened_without_the_batch() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    append(&store, "s", 0, events(1, 2)).await;
    fail_next_sync(&store);
    let failed = store.append(&session("s"), &log("log"), at(2), events(3, 3)).await;
    assert!(matches!(failed, Err(AppendError::Store(StoreError::Write(_)))), "{failed:?}");
    let read = store.read(&session("s"), at(0), usize::MAX).await;
    assert!(matches!(read, Err(StoreError::Poisoned)), "{read:?}");
    let refused = store.append(&session("t"), &log("log"), at(0), events(1, 1)).await;
    assert!(matches!(refused, Err(AppendError::Store(StoreError::Poisoned))), "{refused:?}");
    store.reopen().await.unwrap();
    assert_eq!(read_all(&store, "s").await, texts(1, 2));
    append(&store, "s", 2, events(7, 7)).await;
    drop(store);
    let store = EmbeddedStore::open(directory.path()).unwrap();
    assert_eq!(read_all(&store, "s").await, [texts(1, 2), texts(7, 7)].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reopening_under_load_keeps_every_answered_append() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(EmbeddedStore::open(directory.path()).unwrap());
    let writers = (0..8).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let (id, log, mut answered) = (session(&format!("s{writer}")), log("log"), 0);
            loop {
                let batch = events(answered + 1, answered + 1);
                match store.append(&id, &log, at(answered), batch).await {
                    Ok(()) => answered += 1,
                    Err(_) => return answered,
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    while store.meta(&session("s0")).await.unwrap().is_none_or(|meta| meta.tail < at(20)) {
        tokio::task::yield_now().await;
    }
    store.reopen().await.unwrap();
    for (number, writer) in writers.into_iter().enumerate() {
        // A writer that missed the moment would go on for ever.
        store.reopen().await.unwrap();
        let answered = writer.await.unwrap();
        let texts = read_all(&*store, &format!("s{number}")).await;
        assert!(texts.len() as u64 >= answered, "{answered} answered, {} kept", texts.len());
    }
}

#[tokio::test]
async fn events_written_out_to_tables_are_read_and_continued() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    append(&store, "s", 0, events(1, 50)).await;
    tables(&store).events.rotate_memtable_and_wait().unwrap();
    append(&store, "s", 50, events(51, 60)).await;
    assert_eq!(read_all(&store, "s").await, texts(1, 60));
    drop(store);
    let store = EmbeddedStore::open(directory.path()).unwrap();
    append(&store, "s", 60, events(61, 61)).await;
    assert_eq!(read_all(&store, "s").await, texts(1, 61));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journals_and_tables_of_200_mb_of_events_open_again_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    let json = bytes::Bytes::from(format!("\"{}\"", "x".repeat(100_000)));
    let record = crate::log::Record { grant: 0, seq: 0, json };
    for tail in 0..100 {
        let events = vec![record.clone(); 20];
        let batch = crate::log::Batch { events, ..Default::default() };
        append(&store, "s", 20 * tail, batch).await;
    }
    drop(store);
    let store = EmbeddedStore::open(directory.path()).unwrap();
    let meta = store.meta(&session("s")).await.unwrap().unwrap();
    assert_eq!(meta.tail, at(2000));
    append(&store, "s", 2000, events(1, 1)).await;
    assert_eq!(store.read(&session("s"), at(1990), usize::MAX).await.unwrap().len(), 11);
}
