use std::sync::Arc;

use durable_sessions_protocol::offset::Offset;

use super::{data, id, open, open_with, pass, publish, read_all, session};
use crate::log::{Batch, EmbeddedStore, Entry, LogStore, MemoryStore, written_in_format};

/// The first entries a load gives.
async fn first_page(store: &MemoryStore) -> Vec<Entry> {
    store.load(&session("s"), None).await.unwrap().0
}

/// How many entries a load has behind its checkpoint; `None` without one.
fn behind(page: &[Entry]) -> Option<usize> {
    matches!(page.first(), Some(Entry::Checkpoint(_))).then(|| page.len() - 1)
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_is_written_down_every_so_many_entries() {
    let store = Arc::new(MemoryStore::new());
    let (hub, _) = open_with(&store, |config| config.checkpoint_min_entries = 100).await;
    let handle = hub.session(&session("s")).await.unwrap();
    // The first publish of a producer writes a note, too.
    for seq in 0..98 {
        publish(&handle, Some(("p", seq)), r#"{"kind":"data","name":"n"}"#).await.unwrap();
    }
    assert_eq!(behind(&first_page(&store).await), None);
    publish(&handle, Some(("p", 98)), r#"{"kind":"data","name":"n"}"#).await.unwrap();
    assert_eq!(behind(&first_page(&store).await), Some(0));
    publish(&handle, Some(("p", 99)), r#"{"kind":"data","name":"n"}"#).await.unwrap();
    assert_eq!(behind(&first_page(&store).await), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_leaves_is_written_down_if_that_saves_a_replay() {
    let store = Arc::new(MemoryStore::new());
    let (hub, _) = open(&store).await;
    for round in [10, 100, 10, 100] {
        let handle = hub.session(&session("s")).await.unwrap();
        let before = handle.tail();
        for number in 0..round {
            publish(&handle, None, &data(&format!("{before}-{number}"))).await.unwrap();
        }
        drop(handle);
        pass(61_000).await;
        let expected = match before.as_u64() {
            0 => None,
            110 => Some(10),
            _ => Some(0),
        };
        assert_eq!(behind(&first_page(&store).await), expected, "after {before}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_session_knew_it_knows_after_a_load_from_its_checkpoint() {
    let store = Arc::new(MemoryStore::new());
    let (hub, _) = open(&store).await;
    let handle = hub.session(&session("s")).await.unwrap();
    let title = r#"{"kind":"session.updated","id":"t","title":"kept"}"#;
    publish(&handle, None, title).await.unwrap();
    for seq in 0..100 {
        publish(&handle, Some(("p", seq)), r#"{"kind":"data","name":"n"}"#).await.unwrap();
    }
    let described = handle.describe().await.await.unwrap();
    drop(handle);
    pass(61_000).await;
    assert_eq!(behind(&first_page(&store).await), Some(0));
    let handle = hub.session(&session("s")).await.unwrap();
    assert_eq!(handle.describe().await.await.unwrap(), described);
    let again = publish(&handle, Some(("p", 40)), r#"{"kind":"data","name":"n"}"#).await.unwrap();
    assert!(again.duplicate && again.first.as_u64() == 42, "{again:?}");
    assert_eq!(publish(&handle, None, title).await.unwrap().first.as_u64(), 1);
    let next = publish(&handle, Some(("p", 100)), r#"{"kind":"data","name":"n"}"#).await.unwrap();
    assert_eq!(next.first.as_u64(), 102);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_read_is_passed_by() {
    let store = Arc::new(MemoryStore::new());
    let (hub, _) = open(&store).await;
    let handle = hub.session(&session("s")).await.unwrap();
    for number in 0..10 {
        publish(&handle, None, &data(&number.to_string())).await.unwrap();
    }
    let (log, tail) = (handle.log().clone(), handle.tail());
    drop(handle);
    pass(61_000).await;
    let checkpoint = Some(b"\x01 nothing of ours".as_slice().into());
    let batch = Batch { checkpoint, ..Batch::default() };
    store.append(&session("s"), &log, tail, batch).await.unwrap();
    let handle = hub.session(&session("s")).await.unwrap();
    assert_eq!(publish(&handle, None, &data("3")).await.unwrap().first.as_u64(), 4);
    assert_eq!(publish(&handle, None, &data("new")).await.unwrap().first.as_u64(), 11);
    assert_eq!(read_all(&handle).await.len(), 11);
}

#[tokio::test(start_paused = true)]
async fn another_default_agent_gets_what_waited_for_the_one_before() {
    let store = Arc::new(MemoryStore::new());
    let (hub, _) = open_with(&store, |config| config.checkpoint_min_entries = 1).await;
    let handle = hub.session(&session("s")).await.unwrap();
    publish(&handle, None, &data("1")).await.unwrap();
    drop(handle);
    assert_eq!(behind(&first_page(&store).await), Some(0));
    let (hub, _) = open_with(&store, |config| config.default_agent = id("other")).await;
    // Its checkpoint is of another time; the log says the same at any.
    let handle = hub.session(&session("s")).await.unwrap();
    assert_eq!(publish(&handle, None, &data("1")).await.unwrap().first, handle.tail());
}

#[tokio::test]
async fn a_store_of_an_earlier_version_gets_its_indexes_at_the_first_start() {
    let directory = written_in_format(1);
    let store = Arc::new(EmbeddedStore::open(directory.path()).unwrap());
    // As if the indexes had never been written.
    let meta = store.meta(&session("shop-2")).await.unwrap().unwrap();
    let nothing = Batch { due: Some(false), pending: Some(false), ..Batch::default() };
    store.append(&session("shop-2"), &meta.log, meta.tail, nothing).await.unwrap();
    assert!(store.indexed().await.unwrap().is_empty());
    let (hub, config) = open(&store).await;
    assert!(store.has_complete_indexes().await.unwrap());
    assert_eq!(store.indexed().await.unwrap(), [session("shop-2")]);
    assert_eq!(config.sessions.value(), 1, "the one that waits is in memory");
    let listed = hub.list("", None, 9).await.unwrap();
    assert_eq!(listed.len(), 3);
    let handle = hub.session(&session("shop-1")).await.unwrap();
    assert_eq!(read_all(&handle).await.len(), 5);
    assert_eq!(handle.tail(), Offset::new(5).unwrap());
}
