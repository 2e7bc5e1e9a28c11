use std::sync::Arc;

use durable_sessions_protocol::event::Principal;

use super::super::alarms::Alarm;
use super::super::{Device, Hub, Writer};
use super::{ask, data, open, open_with, pass, publish, read_all, session};
use crate::log::{LogStore, MemoryStore};

const MINUTE_MS: u64 = 60_000;

#[tokio::test(start_paused = true)]
async fn a_session_leaves_a_minute_after_it_was_last_used_and_not_before() {
    let store = Arc::new(MemoryStore::new());
    let (hub, config) = open(&store).await;
    publish(&hub.session(&session("s")).await.unwrap(), None, &data("1")).await.unwrap();
    pass(MINUTE_MS / 2).await;
    publish(&hub.session(&session("s")).await.unwrap(), None, &data("2")).await.unwrap();
    pass(MINUTE_MS - 1).await;
    assert_eq!(config.sessions.value(), 1);
    pass(2).await;
    assert_eq!(config.sessions.value(), 0);
    assert!(hub.live(&session("s")).is_none());
    let again = hub.session(&session("s")).await.unwrap();
    assert_eq!(publish(&again, None, &data("1")).await.unwrap().first.as_u64(), 1);
    assert_eq!(read_all(&again).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handle_a_reader_and_a_guest_keep_a_session_each_by_itself() {
    let store = Arc::new(MemoryStore::new());
    let (hub, config) = open(&store).await;
    let handle = hub.session(&session("s")).await.unwrap();
    pass(3 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 1, "a handle");
    let reader = handle.reader(handle.tail());
    drop(handle);
    pass(3 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 1, "a reader");
    let handle = hub.live(&session("s")).unwrap();
    let device = Device::of(&Principal::parse("user/ann").unwrap(), None, None, 1);
    let (guest, presence) = handle.enter(device);
    drop((handle, reader, presence));
    pass(3 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 1, "a guest");
    drop(guest);
    pass(3 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_session_out_of_memory_is_lost_when_its_lease_ends() {
    let store = Arc::new(MemoryStore::new());
    let (hub, config) = open(&store).await;
    let start =
        r#"{"kind":"run.started","run":"r","agent":"assistant","lease_ms":3600000,"id":"x"}"#;
    publish(&hub.session(&session("s")).await.unwrap(), None, start).await.unwrap();
    for _ in 0..5 {
        pass(10 * MINUTE_MS).await;
        assert_eq!(config.sessions.value(), 0);
        // Whoever looks brings it into memory, which is no sign of life of its agent.
        assert_eq!(read_all(&hub.session(&session("s")).await.unwrap()).await.len(), 1);
    }
    pass(11 * MINUTE_MS).await;
    let events = read_all(&hub.session(&session("s")).await.unwrap()).await;
    assert_eq!(events[1]["outcome"], "lost");
    let lived = events[1]["at"].as_u64().unwrap() - events[0]["at"].as_u64().unwrap();
    assert_eq!(lived, 60 * MINUTE_MS);
    assert!(store.indexed().await.unwrap().is_empty());
    pass(3 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 0, "it leaves again, for good");
}

#[tokio::test(start_paused = true)]
async fn clocks_of_sessions_out_of_memory_run_on_in_their_order_and_over_a_failed_store() {
    let store = Arc::new(MemoryStore::new());
    let (hub, config) = open(&store).await;
    for (name, hours) in [("late", 3), ("early", 1), ("middle", 2)] {
        let start = format!(
            r#"{{"kind":"run.started","run":"r","agent":"a","lease_ms":{}}}"#,
            hours * 60 * MINUTE_MS
        );
        publish(&hub.session(&session(name)).await.unwrap(), None, &start).await.unwrap();
    }
    let ended = async |name: &str| {
        store.read(&session(name), Default::default(), usize::MAX).await.unwrap().len() == 2
    };
    pass(90 * MINUTE_MS).await;
    assert!(ended("early").await && !ended("middle").await && !ended("late").await);
    assert_eq!(config.sessions.value(), 0);
    // The next one cannot be written down at first: all start anew, with fresh leases.
    store.fail_next_sync();
    pass(3 * 60 * MINUTE_MS).await;
    assert!(ended("middle").await && !ended("late").await);
    pass(3 * 60 * MINUTE_MS).await;
    assert!(ended("late").await);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_of_a_session_in_memory_does_not_keep_the_others_from_ringing() {
    let store = Arc::new(MemoryStore::new());
    let (hub, _) = open(&store).await;
    let _handle = hub.session(&session("s")).await.unwrap();
    hub.0.alarms.set(&session("s"), Alarm { at: 0, leases: Vec::new(), failed_loads: 0 });
    pass(1).await;
    assert_eq!(hub.0.alarms.first(), None);
    assert_eq!(hub.0.alarms.take(&session("s")), None, "no later start takes it for its own");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_a_connection_wrote_to_stays_until_the_connection_leaves() {
    let store = Arc::new(MemoryStore::new());
    let (hub, config) = open(&store).await;
    let connection = hub.connect(None);
    let handle = hub.session(&session("s")).await.unwrap();
    let principal = Principal::parse("agent/w").unwrap();
    let writer = Writer { principal, connection: Some(connection.clone()) };
    let start = r#"{"kind":"run.started","run":"r","agent":"a","lease_ms":86400000}"#;
    publish(&handle, None, start).await.unwrap();
    handle.renew(writer, vec![super::id("r")]).await;
    // As if its inbox had lost the handle: the lease alone keeps the session.
    drop(handle);
    pass(3 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 1);
    hub.live(&session("s")).unwrap().leave(&connection).await;
    pass(3 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 0);
}

/// Writes to the session, and holds it no longer.
async fn write_a_hundred(hub: &Hub) {
    let handle = hub.session(&session("s")).await.unwrap();
    for number in 0..100 {
        publish(&handle, None, &data(&number.to_string())).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_fails_at_the_end_costs_nothing_but_a_reopening() {
    let store = Arc::new(MemoryStore::new());
    let (hub, config) = open(&store).await;
    write_a_hundred(&hub).await;
    store.fail_next_sync();
    pass(2 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 0);
    let handle = hub.session(&session("s")).await.unwrap();
    assert_eq!(read_all(&handle).await.len(), 100);
    publish(&handle, None, &data("more")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_while_a_session_is_about_to_leave_is_answered() {
    let store = Arc::new(MemoryStore::new());
    let (hub, config) = open(&store).await;
    write_a_hundred(&hub).await;
    store.hold_sync();
    pass(2 * MINUTE_MS).await;
    assert_eq!((store.waiting(), config.sessions.value()), (1, 1), "its checkpoint is on the way");
    let handle = hub.live(&session("s")).unwrap();
    let answer = ask(&handle, None, &data("late")).await;
    drop(handle);
    store.release_sync();
    assert_eq!(answer.await.expect("an answer").unwrap().first.as_u64(), 101);
    pass(2 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 0);
}

/// How often the sessions of a test have to leave and come back before it has shown anything.
const LOADS_MIN: usize = 60;

/// Sessions leave at once, and everybody comes and goes: whoever has a handle is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handle_speaks_to_a_session_that_has_left() {
    let store = Arc::new(MemoryStore::new());
    let (hub, config) = open_with(&store, |config| {
        config.idle_unload_ms = 0;
        config.checkpoint_min_entries = 10;
    })
    .await;
    let writers = (0..6).map(|writer: u64| {
        let (hub, store) = (hub.clone(), store.clone());
        tokio::spawn(async move {
            let (name, mut seq) = (format!("p{writer}"), 0);
            while seq < 100 || store.loads() < LOADS_MIN {
                let handle = hub.session(&session(&format!("s{}", writer % 2))).await.unwrap();
                if (seq + writer).is_multiple_of(7) {
                    tokio::task::yield_now().await;
                }
                let event = r#"{"kind":"data","name":"n","data":1}"#;
                publish(&handle, Some((&name, seq)), event).await.unwrap();
                drop(handle);
                seq += 1;
                if seq.is_multiple_of(5) {
                    pass(writer % 3 + 1).await;
                }
            }
            seq
        })
    });
    let mut published = 0;
    for writer in writers.collect::<Vec<_>>() {
        published += writer.await.unwrap();
    }
    let mut found = 0;
    for name in ["s0", "s1"] {
        found += read_all(&hub.session(&session(name)).await.unwrap()).await.len() as u64;
    }
    assert_eq!(found, published);
    while config.sessions.value() > 0 {
        tokio::task::yield_now().await;
    }
}
