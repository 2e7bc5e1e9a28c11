//! Which sessions there are.

use super::{Made, append, at, events, log, notes, session};
use crate::log::{Batch, Record, SessionSummary};

pub(super) async fn sessions_are_listed_with_their_title_tail_and_time((store, _dir): Made) {
    let stamped = |at: u64| Record {
        grant: 0,
        seq: 0,
        json: format!(r#"{{"offset":1,"at":{at},"data":{{"at":1}}}}"#).into(),
    };
    let titled = |title: &str, batch| Batch { title: Some(title.into()), ..batch };
    let one = Batch { events: vec![stamped(5), stamped(7)], ..Batch::default() };
    append(&*store, "s", 0, titled("first", one)).await;
    append(&*store, "s", 2, titled("second", events(3, 3))).await;
    append(&*store, "s", 3, Batch { events: vec![stamped(9)], ..Batch::default() }).await;
    let id = session("s");
    let expected = SessionSummary {
        id,
        log: log("log"),
        tail: at(4),
        title: Some("second".into()),
        updated_at: Some(9),
    };
    assert_eq!(store.list("", None, 9).await.unwrap(), std::slice::from_ref(&expected));
    store.reopen().await.unwrap();
    assert_eq!(store.list("", None, 9).await.unwrap(), [expected]);
}

pub(super) async fn a_listing_has_the_ids_of_a_prefix_in_order_from_behind_a_given_one(
    (store, _dir): Made,
) {
    for name in ["b", "a-2", "a", "a-1", "a-10", "a~", "B"] {
        append(&*store, name, 0, events(1, 1)).await;
    }
    let list = async |prefix: &str, after: Option<&str>, limit| {
        let found = store.list(prefix, after.map(session).as_ref(), limit).await.unwrap();
        found.iter().map(|found| found.id.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list("", None, 9).await, "B a a-1 a-10 a-2 a~ b");
    assert_eq!(list("a", None, 9).await, "a a-1 a-10 a-2 a~");
    assert_eq!(list("a-", None, 2).await, "a-1 a-10");
    assert_eq!(list("a-", Some("a-10"), 9).await, "a-2");
    assert_eq!(list("a-", Some("a-11"), 9).await, "a-2");
    assert_eq!(list("a-", Some("a"), 9).await, "a-1 a-10 a-2", "behind one before the prefix");
    assert_eq!(list("a-", Some("b"), 9).await, "", "behind one past the prefix");
    assert_eq!(list("c", None, 9).await, "");
    assert_eq!(list("", None, 0).await, "");
}

pub(super) async fn a_session_without_events_is_not_listed((store, _dir): Made) {
    append(&*store, "a", 0, Batch { notes: notes(&["grant"]), ..Batch::default() }).await;
    append(&*store, "b", 0, events(1, 1)).await;
    let found = store.list("", None, 1).await.unwrap();
    assert_eq!(found.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["b"]);
}
