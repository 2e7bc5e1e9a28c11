//! The suite every store passes. A store's factory is called once per test; what must outlive the
//! store (a directory) goes along with it.

mod checkpoints;
mod listing;

use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

use self::checkpoints::{
    a_checkpoint_alone_is_kept_and_moves_nothing, a_checkpoint_and_a_title_may_hold_any_bytes,
    a_checkpoint_is_its_own_sessions_and_outlives_a_reopening,
    a_checkpoint_larger_than_a_page_comes_back_whole, a_checkpoint_of_a_moved_batch_does_not_count,
    a_load_begins_with_the_newest_checkpoint_and_goes_on_behind_it,
    a_load_from_the_start_passes_the_checkpoint_by,
};
use self::listing::{
    a_listing_has_the_ids_of_a_prefix_in_order_from_behind_a_given_one,
    a_session_without_events_is_not_listed, sessions_are_listed_with_their_title_tail_and_time,
};
use super::{AppendError, Batch, EmbeddedStore, Entry, LoadCursor, LogStore, MemoryStore, Record};

/// A store and whatever it stands on.
type Made = (Arc<dyn LogStore>, Option<tempfile::TempDir>);

macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test((std::sync::Arc::new(super::MemoryStore::new()), None)).await;
            })*
        }
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let directory = tempfile::tempdir().unwrap();
                let store = super::EmbeddedStore::open(directory.path()).unwrap();
                super::$test((std::sync::Arc::new(store), Some(directory))).await;
            })*
        }
    };
}

contract![
    a_session_never_written_has_no_meta_no_events_and_nothing_to_load,
    appended_events_are_read_back_in_order_with_dense_offsets,
    an_append_at_another_tail_or_log_is_moved_and_writes_nothing,
    a_batch_of_notes_alone_creates_the_session,
    an_append_of_nothing_creates_the_session,
    read_gives_at_most_the_limit_but_at_least_one_event,
    load_replays_events_and_notes_in_the_order_they_were_written,
    load_pages_join_without_loss_or_repetition,
    a_session_is_indexed_once_while_it_is_due_or_pending,
    index_changes_of_a_moved_batch_do_not_count,
    sessions_appended_at_the_same_time_stay_apart,
    of_two_appends_at_one_tail_exactly_one_succeeds,
    queued_appends_of_one_session_commit_in_the_order_they_were_made,
    a_session_name_that_begins_with_another_has_its_own_log,
    a_quarter_megabyte_event_comes_back_whole,
    reopening_keeps_everything_that_was_answered,
    new_sessions_after_reopening_do_not_touch_older_ones,
    a_load_begins_with_the_newest_checkpoint_and_goes_on_behind_it,
    a_load_from_the_start_passes_the_checkpoint_by,
    a_checkpoint_alone_is_kept_and_moves_nothing,
    a_checkpoint_of_a_moved_batch_does_not_count,
    a_checkpoint_larger_than_a_page_comes_back_whole,
    a_checkpoint_and_a_title_may_hold_any_bytes,
    a_checkpoint_is_its_own_sessions_and_outlives_a_reopening,
    sessions_are_listed_with_their_title_tail_and_time,
    a_listing_has_the_ids_of_a_prefix_in_order_from_behind_a_given_one,
    a_session_without_events_is_not_listed,
];

pub(super) fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

pub(super) fn log(name: &str) -> LogId {
    LogId::parse(name).unwrap()
}

pub(super) fn at(offset: u64) -> Offset {
    Offset::new(offset).unwrap()
}

fn record(number: u64) -> Record {
    let json = format!(r#"{{"n":{number}}}"#).into();
    Record { grant: u32::try_from(number % 3).unwrap(), seq: number, json }
}

/// Events numbered `first..=last`.
pub(super) fn events(first: u64, last: u64) -> Batch {
    Batch { events: (first..=last).map(record).collect(), ..Batch::default() }
}

fn notes(texts: &[&'static str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
}

pub(super) async fn append(store: &dyn LogStore, name: &str, tail: u64, batch: Batch) {
    store.append(&session(name), &log("log"), at(tail), batch).await.unwrap();
}

pub(super) async fn read_all(store: &dyn LogStore, name: &str) -> Vec<Bytes> {
    store.read(&session(name), Offset::ZERO, usize::MAX).await.unwrap()
}

pub(super) fn texts(first: u64, last: u64) -> Vec<Bytes> {
    (first..=last).map(|number| record(number).json).collect()
}

async fn load_all(store: &dyn LogStore, name: &str) -> (Vec<Entry>, usize) {
    load_from(store, name, None).await
}

/// Everything from a cursor on, and how many pages it took.
pub(super) async fn load_from(
    store: &dyn LogStore,
    name: &str,
    mut cursor: Option<LoadCursor>,
) -> (Vec<Entry>, usize) {
    let (mut entries, mut pages) = (Vec::new(), 0);
    loop {
        let (page, next) = store.load(&session(name), cursor).await.unwrap();
        entries.extend(page);
        pages += 1;
        cursor = match next {
            Some(next) => Some(next),
            None => return (entries, pages),
        };
    }
}

async fn a_session_never_written_has_no_meta_no_events_and_nothing_to_load((store, _dir): Made) {
    assert_eq!(store.meta(&session("s")).await.unwrap(), None);
    assert!(read_all(&*store, "s").await.is_empty());
    assert_eq!(store.load(&session("s"), None).await.unwrap(), (Vec::new(), None));
    assert!(store.indexed().await.unwrap().is_empty());
}

async fn appended_events_are_read_back_in_order_with_dense_offsets((store, _dir): Made) {
    append(&*store, "s", 0, events(1, 3)).await;
    append(&*store, "s", 3, events(4, 4)).await;
    let meta = store.meta(&session("s")).await.unwrap().unwrap();
    assert_eq!((meta.log, meta.tail), (log("log"), at(4)));
    assert_eq!(read_all(&*store, "s").await, texts(1, 4));
    assert_eq!(store.read(&session("s"), at(2), usize::MAX).await.unwrap(), texts(3, 4));
    assert!(store.read(&session("s"), at(4), usize::MAX).await.unwrap().is_empty());
    assert!(store.read(&session("s"), at(99), usize::MAX).await.unwrap().is_empty());
    assert!(store.read(&session("s"), Offset::MAX, usize::MAX).await.unwrap().is_empty());
    let offsets: Vec<_> = load_all(&*store, "s")
        .await
        .0
        .into_iter()
        .map(|entry| match entry {
            Entry::Event { offset, record } => (offset.as_u64(), record),
            Entry::Note(_) | Entry::Checkpoint(_) => panic!("there are only events"),
        })
        .collect();
    assert_eq!(offsets, (1..=4).map(|n| (n, record(n))).collect::<Vec<_>>());
}

async fn an_append_at_another_tail_or_log_is_moved_and_writes_nothing((store, _dir): Made) {
    let moved = |result| match result {
        Err(AppendError::Moved { tail }) => tail.as_u64(),
        other => panic!("{other:?}"),
    };
    let (id, ours) = (session("s"), log("log"));
    assert_eq!(moved(store.append(&id, &ours, at(1), events(1, 1)).await), 0);
    assert_eq!(store.meta(&id).await.unwrap(), None);
    append(&*store, "s", 0, events(1, 2)).await;
    assert_eq!(moved(store.append(&id, &ours, at(1), events(9, 9)).await), 2);
    assert_eq!(moved(store.append(&id, &ours, at(3), events(9, 9)).await), 2);
    assert_eq!(moved(store.append(&id, &log("other"), at(2), events(9, 9)).await), 2);
    assert_eq!(read_all(&*store, "s").await, texts(1, 2));
    append(&*store, "s", 2, events(3, 3)).await;
    assert_eq!(read_all(&*store, "s").await, texts(1, 3));
}

async fn a_batch_of_notes_alone_creates_the_session((store, _dir): Made) {
    let batch = Batch { notes: notes(&["grant"]), ..Batch::default() };
    append(&*store, "s", 0, batch.clone()).await;
    let meta = store.meta(&session("s")).await.unwrap().unwrap();
    assert_eq!((meta.log, meta.tail), (log("log"), Offset::ZERO));
    let other = store.append(&session("s"), &log("other"), Offset::ZERO, batch).await;
    assert!(matches!(other, Err(AppendError::Moved { .. })), "its log is taken: {other:?}");
    append(&*store, "s", 0, events(1, 1)).await;
    assert_eq!(read_all(&*store, "s").await, texts(1, 1));
}

async fn an_append_of_nothing_creates_the_session((store, _dir): Made) {
    append(&*store, "s", 0, Batch::default()).await;
    assert_eq!(store.meta(&session("s")).await.unwrap().unwrap().tail, Offset::ZERO);
    append(&*store, "t", 0, events(1, 1)).await;
    assert!(read_all(&*store, "s").await.is_empty());
}

async fn read_gives_at_most_the_limit_but_at_least_one_event((store, _dir): Made) {
    append(&*store, "s", 0, events(1, 9)).await;
    let id = session("s");
    let one = record(1).json.len();
    assert_eq!(store.read(&id, at(0), 0).await.unwrap(), texts(1, 1));
    assert_eq!(store.read(&id, at(0), 3 * one).await.unwrap(), texts(1, 3));
    assert_eq!(store.read(&id, at(4), 3 * one - 1).await.unwrap(), texts(5, 6));
}

async fn load_replays_events_and_notes_in_the_order_they_were_written((store, _dir): Made) {
    let with = |batch: Batch, texts| Batch { notes: notes(texts), ..batch };
    append(&*store, "s", 0, with(Batch::default(), &["a", "b"])).await;
    append(&*store, "s", 0, with(Batch::default(), &["c"])).await;
    append(&*store, "s", 0, with(events(1, 2), &["d"])).await;
    append(&*store, "s", 2, with(Batch::default(), &["e", "f"])).await;
    append(&*store, "s", 2, events(3, 3)).await;
    append(&*store, "s", 3, with(events(4, 4), &["g"])).await;
    let order: String = load_all(&*store, "s").await.0.iter().map(word).collect();
    assert_eq!(order, "abc12def34g");
}

/// An entry in a word: the event's offset, the note, or the checkpoint in brackets.
fn word(entry: &Entry) -> String {
    match entry {
        Entry::Checkpoint(text) => format!("[{}]", std::str::from_utf8(text).unwrap()),
        Entry::Event { offset, .. } => offset.to_string(),
        Entry::Note(text) => String::from_utf8(text.to_vec()).unwrap(),
    }
}

async fn words(store: &dyn LogStore, name: &str) -> String {
    load_all(store, name).await.0.iter().map(word).collect()
}

async fn load_pages_join_without_loss_or_repetition((store, _dir): Made) {
    let note = |number: u64| Bytes::from(format!("{number:0>20000}"));
    let mut expected = Vec::new();
    for round in 0..30_u64 {
        let numbers = [note(2 * round), note(2 * round + 1)];
        let batch = Batch { notes: numbers.to_vec(), ..events(round + 1, round + 1) };
        expected.push(Entry::Event { offset: at(round + 1), record: record(round + 1) });
        expected.extend(numbers.map(Entry::Note));
        append(&*store, "s", round, batch).await;
    }
    let (entries, pages) = load_all(&*store, "s").await;
    assert!(pages > 2, "1.2 MB came in {pages} pages");
    assert_eq!(entries, expected);
}

async fn a_session_is_indexed_once_while_it_is_due_or_pending((store, _dir): Made) {
    let flags = |due, pending| Batch { due, pending, ..Batch::default() };
    append(&*store, "a", 0, flags(Some(true), Some(true))).await;
    append(&*store, "b", 0, flags(None, Some(true))).await;
    append(&*store, "c", 0, flags(Some(true), None)).await;
    append(&*store, "d", 0, flags(Some(false), None)).await;
    let indexed = async || {
        let mut found = store.indexed().await.unwrap();
        found.sort();
        found.iter().map(ToString::to_string).collect::<String>()
    };
    assert_eq!(indexed().await, "abc");
    append(&*store, "a", 0, flags(Some(false), None)).await;
    append(&*store, "b", 0, flags(None, None)).await;
    append(&*store, "c", 0, flags(Some(false), None)).await;
    assert_eq!(indexed().await, "ab");
    append(&*store, "a", 0, flags(None, Some(false))).await;
    assert_eq!(indexed().await, "b");
}

async fn index_changes_of_a_moved_batch_do_not_count((store, _dir): Made) {
    append(&*store, "s", 0, events(1, 1)).await;
    let batch = Batch { due: Some(true), ..events(2, 2) };
    store.append(&session("s"), &log("log"), Offset::ZERO, batch).await.unwrap_err();
    assert!(store.indexed().await.unwrap().is_empty());
}

async fn sessions_appended_at_the_same_time_stay_apart((store, _dir): Made) {
    let writers = (0..20).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for tail in 0..20 {
                let first = writer * 100 + 2 * tail;
                append(&*store, &format!("s{writer}"), 2 * tail, events(first, first + 1)).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for writer in 0..20 {
        let expected = texts(writer * 100, writer * 100 + 39);
        assert_eq!(read_all(&*store, &format!("s{writer}")).await, expected);
    }
}

async fn of_two_appends_at_one_tail_exactly_one_succeeds((store, _dir): Made) {
    for tail in 0..20 {
        let (id, ours) = (session("s"), log("log"));
        let (one, two) = tokio::join!(
            store.append(&id, &ours, at(tail), events(tail + 1, tail + 1)),
            store.append(&id, &ours, at(tail), events(tail + 1, tail + 1)),
        );
        assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1);
        let lost = if one.is_ok() { two } else { one };
        assert!(matches!(lost, Err(AppendError::Moved { tail: t }) if t == at(tail + 1)));
    }
    assert_eq!(read_all(&*store, "s").await, texts(1, 20));
}

async fn queued_appends_of_one_session_commit_in_the_order_they_were_made((store, _dir): Made) {
    let (id, ours) = (session("s"), log("log"));
    let appends = (0..50).map(|n| store.append(&id, &ours, at(n), events(n + 1, n + 1)));
    for result in futures_util::future::join_all(appends).await {
        result.unwrap();
    }
    assert_eq!(read_all(&*store, "s").await, texts(1, 50));
}

async fn a_session_name_that_begins_with_another_has_its_own_log((store, _dir): Made) {
    append(&*store, "a", 0, events(1, 2)).await;
    append(&*store, "a.b", 0, events(3, 3)).await;
    append(&*store, "a", 2, events(4, 4)).await;
    assert_eq!(read_all(&*store, "a.b").await, texts(3, 3));
    assert_eq!(read_all(&*store, "a").await.len(), 3);
}

async fn a_quarter_megabyte_event_comes_back_whole((store, _dir): Made) {
    let json = Bytes::from(format!("\"{}\"", "x".repeat(256 * 1024 - 2)));
    let events = vec![Record { grant: u32::MAX, seq: u64::MAX, json: json.clone() }; 3];
    append(&*store, "s", 0, Batch { events: events.clone(), ..Batch::default() }).await;
    assert_eq!(store.read(&session("s"), at(1), json.len() * 2).await.unwrap(), vec![json; 2]);
    let (entries, _) = load_all(&*store, "s").await;
    let expected = (1..).zip(events).map(|(n, record)| Entry::Event { offset: at(n), record });
    assert_eq!(entries, expected.collect::<Vec<_>>());
}

async fn reopening_keeps_everything_that_was_answered((store, _dir): Made) {
    let batch = Batch { notes: notes(&["a"]), due: Some(true), ..events(1, 5) };
    append(&*store, "s", 0, batch).await;
    append(&*store, "s", 5, Batch { notes: notes(&["b"]), ..Batch::default() }).await;
    let before = load_all(&*store, "s").await.0;
    store.reopen().await.unwrap();
    assert_eq!(load_all(&*store, "s").await.0, before);
    assert_eq!(store.indexed().await.unwrap(), [session("s")]);
    append(&*store, "s", 5, Batch { notes: notes(&["c"]), ..events(6, 6) }).await;
    assert_eq!(load_all(&*store, "s").await.0.len(), before.len() + 2);
    assert_eq!(read_all(&*store, "s").await, texts(1, 6));
}

async fn new_sessions_after_reopening_do_not_touch_older_ones((store, _dir): Made) {
    append(&*store, "a", 0, events(1, 2)).await;
    append(&*store, "b", 0, Batch::default()).await;
    store.reopen().await.unwrap();
    append(&*store, "c", 0, events(3, 3)).await;
    append(&*store, "b", 0, events(4, 4)).await;
    assert_eq!(read_all(&*store, "a").await, texts(1, 2));
    assert_eq!(read_all(&*store, "b").await, texts(4, 4));
    assert_eq!(read_all(&*store, "c").await, texts(3, 3));
}
