//! Loads that begin where the state is known.

use bytes::Bytes;
use durable_sessions_protocol::offset::Offset;

use super::{
    Made, append, at, events, load_all, load_from, log, notes, read_all, record, session, texts,
    word, words,
};
use crate::log::{Batch, Entry, LoadCursor};

fn checkpoint(batch: Batch, text: &'static str) -> Batch {
    Batch { checkpoint: Some(Bytes::from_static(text.as_bytes())), ..batch }
}

pub(super) async fn a_load_begins_with_the_newest_checkpoint_and_goes_on_behind_it(
    (store, _dir): Made,
) {
    let with = |batch: Batch, texts| Batch { notes: notes(texts), ..batch };
    append(&*store, "s", 0, with(events(1, 2), &["a"])).await;
    append(&*store, "s", 2, checkpoint(with(events(3, 3), &["b", "c"]), "one")).await;
    assert_eq!(words(&*store, "s").await, "[one]");
    append(&*store, "s", 3, with(Batch::default(), &["d"])).await;
    append(&*store, "s", 3, with(events(4, 4), &["e"])).await;
    assert_eq!(words(&*store, "s").await, "[one]d4e");
    append(&*store, "s", 4, checkpoint(events(5, 5), "two")).await;
    append(&*store, "s", 5, events(6, 6)).await;
    assert_eq!(words(&*store, "s").await, "[two]6");
    assert_eq!(read_all(&*store, "s").await, texts(1, 6));
}

pub(super) async fn a_load_from_the_start_passes_the_checkpoint_by((store, _dir): Made) {
    append(&*store, "s", 0, Batch { notes: notes(&["a"]), ..Batch::default() }).await;
    append(&*store, "s", 0, checkpoint(events(1, 2), "one")).await;
    let (entries, _) = load_from(&*store, "s", Some(LoadCursor::START)).await;
    assert_eq!(entries.iter().map(word).collect::<String>(), "a12");
}

pub(super) async fn a_checkpoint_alone_is_kept_and_moves_nothing((store, _dir): Made) {
    append(&*store, "s", 0, events(1, 3)).await;
    append(&*store, "s", 3, checkpoint(Batch::default(), "late")).await;
    assert_eq!(words(&*store, "s").await, "[late]");
    assert_eq!(store.meta(&session("s")).await.unwrap().unwrap().tail, at(3));
    append(&*store, "s", 3, events(4, 4)).await;
    assert_eq!(words(&*store, "s").await, "[late]4");
}

pub(super) async fn a_checkpoint_of_a_moved_batch_does_not_count((store, _dir): Made) {
    append(&*store, "s", 0, checkpoint(events(1, 1), "one")).await;
    let late = Batch { title: Some("late".into()), ..checkpoint(events(2, 2), "late") };
    store.append(&session("s"), &log("log"), Offset::ZERO, late).await.unwrap_err();
    assert_eq!(words(&*store, "s").await, "[one]");
    assert_eq!(store.list("", None, 9).await.unwrap()[0].title, None);
}

pub(super) async fn a_checkpoint_larger_than_a_page_comes_back_whole((store, _dir): Made) {
    let large = Bytes::from(vec![b'x'; 3_000_000]);
    let batch = Batch { checkpoint: Some(large.clone()), ..events(1, 1) };
    append(&*store, "s", 0, batch).await;
    append(&*store, "s", 1, events(2, 2)).await;
    let (entries, pages) = load_all(&*store, "s").await;
    let tail = Entry::Event { offset: at(2), record: record(2) };
    assert!(entries == [Entry::Checkpoint(large), tail] && pages > 1, "{pages} pages");
}

pub(super) async fn a_checkpoint_and_a_title_may_hold_any_bytes((store, _dir): Made) {
    // Among them what ends a batch in a journal.
    let any = Bytes::from([&(0..=255).collect::<Vec<u8>>()[..], b"FJL\x03FJL\0FJL"].concat());
    let title = "FJL\u{3} 表題 FJL".to_owned();
    let batch = Batch { checkpoint: Some(any.clone()), title: Some(title.clone()), ..events(1, 1) };
    append(&*store, "s", 0, batch).await;
    store.reopen().await.unwrap();
    assert_eq!(load_all(&*store, "s").await.0, [Entry::Checkpoint(any)]);
    assert_eq!(store.list("", None, 9).await.unwrap()[0].title, Some(title));
}

pub(super) async fn a_checkpoint_is_its_own_sessions_and_outlives_a_reopening((store, _dir): Made) {
    append(&*store, "a", 0, checkpoint(events(1, 1), "of a")).await;
    append(&*store, "b", 0, events(1, 1)).await;
    append(&*store, "c", 0, checkpoint(Batch::default(), "of c")).await;
    store.reopen().await.unwrap();
    append(&*store, "a", 1, events(2, 2)).await;
    assert_eq!(words(&*store, "a").await, "[of a]2");
    assert_eq!(words(&*store, "b").await, "1");
    assert_eq!(words(&*store, "c").await, "[of c]");
}
