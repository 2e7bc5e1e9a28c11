//! Tests of the disk a test can play.

use std::sync::Arc;

use super::*;
use crate::log::contract::{append, at, events, log, read_all, session, texts};

type Waiting = tokio::task::JoinHandle<Result<(), AppendError>>;

/// A store with one event, and a second one that waits for a held sync.
async fn held() -> (Arc<MemoryStore>, Waiting) {
    let store = Arc::new(MemoryStore::new());
    append(&*store, "s", 0, events(1, 1)).await;
    store.hold_sync();
    let writer = Arc::clone(&store);
    let waiting = tokio::spawn(async move {
        writer.append(&session("s"), &log("log"), at(1), events(2, 2)).await
    });
    store.until_waiting(1).await;
    (store, waiting)
}

#[tokio::test]
async fn an_append_is_neither_answered_nor_read_before_its_sync_returns() {
    let (store, waiting) = held().await;
    assert!(!waiting.is_finished());
    assert_eq!(read_all(&*store, "s").await, texts(1, 1));
    assert_eq!(store.meta(&session("s")).await.unwrap().unwrap().tail, at(1));
    store.release_sync();
    waiting.await.unwrap().unwrap();
    assert_eq!(read_all(&*store, "s").await, texts(1, 2));
    assert_eq!(store.waiting(), 0);
}

#[tokio::test]
async fn a_crash_loses_what_was_not_synced_and_tells_nobody_it_lasted() {
    let (store, waiting) = held().await;
    store.crash();
    assert!(matches!(waiting.await.unwrap(), Err(AppendError::Store(StoreError::Closed))));
    assert!(store.meta(&session("s")).await.is_err());
    store.reopen().await.unwrap();
    assert_eq!(read_all(&*store, "s").await, texts(1, 1));
    append(&*store, "s", 1, events(3, 3)).await;
}

#[tokio::test]
async fn a_crash_after_the_sync_keeps_the_batch_nobody_heard_of() {
    let (store, waiting) = held().await;
    store.crash_keeping_writes();
    assert!(matches!(waiting.await.unwrap(), Err(AppendError::Store(StoreError::Closed))));
    store.reopen().await.unwrap();
    assert_eq!(read_all(&*store, "s").await, texts(1, 2));
}

#[tokio::test]
async fn a_failed_sync_poisons_the_store_until_it_is_reopened() {
    let (store, waiting) = held().await;
    store.fail_next_sync();
    let failed = waiting.await.unwrap();
    assert!(matches!(failed, Err(AppendError::Store(StoreError::Write(_)))), "{failed:?}");
    let read = store.read(&session("s"), at(0), 1).await;
    assert!(matches!(read, Err(StoreError::Poisoned)), "{read:?}");
    store.reopen().await.unwrap();
    assert_eq!(read_all(&*store, "s").await, texts(1, 1));
}
