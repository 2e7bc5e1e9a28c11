//! Pages of a log, on the socket that asks for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use durable_sessions_server::log::{
    AppendError, Batch, BoxFuture, LoadCursor, LogStore, MemoryStore, Page, Record, SessionMeta,
    SessionSummary, StoreError,
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{Client, Request, TestServer, note};

const PAGE_MAX_BYTES: usize = 64 * 1024;

fn fetch(session: &str, log: &Value, after: u64) -> Value {
    json!({"type": "fetch", "session": session, "log": log, "after": after})
}

fn with(mut frame: Value, name: &str, value: impl Into<Value>) -> Value {
    frame[name] = value.into();
    frame
}

/// The offsets of a page, checked to be those it says.
fn offsets(page: &Value) -> Vec<u64> {
    assert_eq!(page["type"], "page", "{page}");
    let events = page["events"].as_array().unwrap();
    let offsets: Vec<u64> = events.iter().map(|event| event["offset"].as_u64().unwrap()).collect();
    let (first, last) = (page["first"].as_u64().unwrap(), page["last"].as_u64().unwrap());
    assert_eq!(offsets, (first..=last).collect::<Vec<_>>());
    offsets
}

/// Appends so many small events in one publish; the log's id.
async fn fill(server: &TestServer, session: &str, publishes: u64, each: usize) -> Value {
    let mut agent = server.client("agent/filler").await;
    let attach = json!({"type": "attach", "session": session, "producer": {"id": "p"}, "last": 0});
    let attached = agent.ask(attach).await;
    for seq in 0..publishes {
        let events = vec![json!({"kind": "data", "name": "n", "data": seq}); each];
        let producer = json!({"id": "p", "epoch": attached["producer"]["epoch"], "seq": seq});
        let publish =
            json!({"type": "publish", "session": session, "producer": producer, "events": events});
        assert_eq!(agent.ask(publish).await["type"], "ack");
    }
    attached["log"].clone()
}

#[tokio::test]
async fn a_page_has_the_events_after_an_offset_and_no_more_than_asked() {
    let server = TestServer::start(&[]).await;
    let log = fill(&server, "s", 1, 100).await;
    // Nothing is attached here.
    let mut client = server.client("user/ann").await;
    let page = client.ask(fetch("s", &log, 0)).await;
    assert_eq!(offsets(&page), (1..=100).collect::<Vec<_>>());
    assert_eq!((&page["session"], &page["log"]), (&json!("s"), &log));
    assert_eq!(offsets(&client.ask(fetch("s", &log, 97)).await), [98, 99, 100]);
    let page = client.ask(with(fetch("s", &log, 40), "limit", 2)).await;
    assert_eq!(offsets(&page), [41, 42]);
    assert!(client.until_quiet().await.is_empty(), "a fetch follows nothing");
    // Without a number there is an answer too.
    client.send(&fetch("s", &log, 99)).await;
    let page = client.frame().await;
    assert_eq!(offsets(&page), [100]);
    assert_eq!(page.get("request"), None);
}

#[tokio::test]
async fn a_page_at_the_tail_is_empty() {
    let server = TestServer::start(&[]).await;
    let log = fill(&server, "s", 1, 3).await;
    let mut client = server.client("user/ann").await;
    let page = client.ask(fetch("s", &log, 3)).await;
    assert!(offsets(&page).is_empty());
    assert_eq!((&page["first"], &page["last"]), (&json!(4), &json!(3)));
}

#[tokio::test]
async fn a_page_keeps_the_limits_of_events_and_bytes() {
    let server = TestServer::start(&[]).await;
    let log = fill(&server, "s", 3, 1024).await;
    let mut client = server.client("user/ann").await;
    let largest = {
        let mut reader = server.client("user/ann").await;
        reader.ask(with(fetch("s", &log, 0), "limit", 1_000_000)).await
    };
    let bytes = largest.to_string().len();
    assert!((PAGE_MAX_BYTES - 256..=PAGE_MAX_BYTES).contains(&bytes), "{bytes}");
    assert_eq!(offsets(&client.ask(fetch("s", &log, 0)).await), offsets(&largest));

    let mut writer = server.client("user/ann").await;
    let big = "x".repeat(200 * 1024);
    let log = writer.attach("big").await["log"].clone();
    for (id, text) in [("m1", "a"), ("m2", &*big), ("m3", "c"), ("m4", "d")] {
        assert_eq!(writer.publish("big", note(id, text)).await["type"], "ack");
    }
    let mut after = 0;
    let mut pages = Vec::new();
    while after < 4 {
        let page = offsets(&client.ask(fetch("big", &log, after)).await);
        after = *page.last().unwrap();
        pages.push(page);
    }
    assert_eq!(pages, [vec![1], vec![2], vec![3, 4]]);
}

#[tokio::test]
async fn a_page_of_tiny_events_has_1024() {
    let server = TestServer::start(&[]).await;
    // Smaller than a client's ever are: without a principal.
    let store = Arc::clone(&server.store);
    let (session, log) = (SessionId::parse("tiny").unwrap(), LogId::parse("l").unwrap());
    let events = (1..=2000).map(|offset| Record {
        json: format!(r#"{{"offset":{offset},"at":0,"kind":"data","name":""}}"#).into(),
        grant: 0,
        seq: 0,
    });
    let batch = Batch { events: events.collect(), ..Batch::default() };
    store.append(&session, &log, Offset::ZERO, batch).await.unwrap();
    let mut client = server.client("user/ann").await;
    for limit in [json!(null), json!(1024), json!(1025), json!(u64::MAX)] {
        let page = client.ask(with(fetch("tiny", &json!("l"), 500), "limit", limit)).await;
        assert_eq!((&page["first"], &page["last"]), (&json!(501), &json!(1524)), "{page}");
        assert_eq!(page["events"].as_array().unwrap().len(), 1024);
    }
}

#[tokio::test]
async fn a_page_with_joined_deltas_is_full_of_text() {
    let server = TestServer::start(&[]).await;
    let mut agent = server.client("agent/a").await;
    let attach = json!({"type": "attach", "session": "s", "producer": {"id": "p"}, "last": 0});
    let log = agent.ask(attach).await["log"].clone();
    for seq in 0..20 {
        let mut events =
            vec![json!({"kind": "delta", "run": "r", "message": "m", "text": "1234"}); 1000];
        if seq == 0 {
            events[0] = json!({"kind": "run.started", "run": "r", "agent": "a"});
        }
        let producer = json!({"id": "p", "epoch": 1, "seq": seq});
        let publish =
            json!({"type": "publish", "session": "s", "producer": producer, "events": events});
        assert_eq!(agent.ask(publish).await["type"], "ack");
    }
    let mut client = server.client("user/ann").await;
    let (mut after, mut texts) = (0, Vec::new());
    while after < 20_000 {
        // A limit of events is none of offsets.
        let page = with(with(fetch("s", &log, after), "merge", true), "limit", 1);
        let page = client.ask(page).await;
        assert_eq!(page["first"], after + 1);
        assert!(page.to_string().len() <= PAGE_MAX_BYTES);
        after = page["last"].as_u64().unwrap();
        let events = page["events"].as_array().unwrap().iter();
        texts.extend(events.filter_map(|event| Some(event["text"].as_str()?.len())));
    }
    assert_eq!(texts.iter().sum::<usize>(), 19_999 * 4);
    assert_eq!(texts.len(), 2, "a page is full before another begins");
    let page = client.ask(with(fetch("s", &log, 20_000), "merge", true)).await;
    assert_eq!(
        (&page["first"], &page["last"], &page["events"]),
        (&json!(20_001), &json!(20_000), &json!([]))
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let server = TestServer::start(&[]).await;
    let log = fill(&server, "s", 1, 3).await;
    let mut client = server.client("user/ann").await;
    let refused = async |client: &mut Client, frame: Value| {
        let refused = client.ask(frame).await;
        assert_eq!(refused["type"], "refused", "{refused}");
        refused["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&mut client, fetch("s", &json!("other"), 0)).await, "log_changed");
    assert_eq!(refused(&mut client, fetch("s", &log, 4)).await, "log_changed");
    assert_eq!(refused(&mut client, fetch("nobody", &log, 0)).await, "not_found");
    let empty = client.attach("empty").await["log"].clone();
    assert_eq!(refused(&mut client, fetch("empty", &empty, 0)).await, "not_found");
    // Asking has made nothing.
    assert_eq!(Request::get("/v1/sessions/nobody").send(server.address).await.status, 404);
    assert!(client.ask(json!({"type": "ping"})).await["type"] == "pong");
}

#[tokio::test]
async fn the_pages_of_a_huge_log_are_the_log_to_the_byte() {
    let server = TestServer::start(&[]).await;
    let mut writer = server.client("user/ann").await;
    let log = writer.attach("s").await["log"].clone();
    // More than is kept in memory, and spelled as no serializer would.
    for n in 0..300 {
        let text = format!(
            r#"{{"type":"publish","request":{n},"session":"s","events":[{{"kind":"message",
              "id":"m{n}","role":"user","to":null,"text":"\u00fc{}","data":[1.50,1e2]}}]}}"#,
            "x".repeat(8000)
        );
        writer.send_message(text.into()).await;
    }
    while writer.frame_of("ack").await["request"] != 299 {}

    let mut client = server.client("user/ann").await;
    let (mut after, mut texts) = (0, String::new());
    while after < 300 {
        client.send(&fetch("s", &log, after)).await;
        let page = client.socket.next().await.unwrap().unwrap().into_text().unwrap();
        let events = page.split_once(r#""events":["#).unwrap().1.strip_suffix("]}").unwrap();
        texts.push_str(if texts.is_empty() { "" } else { "," });
        texts.push_str(events);
        after = serde_json::from_str::<Value>(&page).unwrap()["last"].as_u64().unwrap();
    }
    let (mut offset, mut wanted) = ("-1".to_owned(), String::new());
    loop {
        let read = Request::get(&format!("/v1/sessions/s/events?offset={offset}"));
        let read = read.send(server.address).await;
        wanted.push_str(if wanted.is_empty() { "" } else { "," });
        wanted.push_str(read.text().strip_prefix('[').unwrap().strip_suffix(']').unwrap());
        offset = read.header("stream-next-offset").to_owned();
        if read.header("stream-up-to-date") == "true" {
            break;
        }
    }
    assert!(wanted.contains(r"\u00fc") && wanted.contains("[1.50,1e2]"));
    assert!(texts == wanted, "{} and {} bytes", texts.len(), wanted.len());
}

#[tokio::test]
async fn a_reader_that_fetches_while_a_run_streams_misses_nothing() {
    let server = TestServer::start(&[]).await;
    let mut agent = server.client("agent/a").await;
    let attach = json!({"type": "attach", "session": "s", "producer": {"id": "p"}, "last": 0});
    let grant = agent.ask(attach).await;
    let log = grant["log"].clone();
    let publish = |seq: u64, event: Value| {
        let producer = json!({"id": "p", "epoch": 1, "seq": seq});
        json!({"type": "publish", "request": seq, "session": "s", "producer": producer, "events": [event]})
    };
    agent.send(&publish(0, json!({"kind": "run.started", "run": "r", "agent": "a"}))).await;
    let mut client = server.client("user/ann").await;
    client.attach("s").await;
    let streams = async {
        for seq in 1..500 {
            let delta = json!({"kind": "delta", "run": "r", "message": "m", "text": "x"});
            agent.send(&publish(seq, delta)).await;
            agent.frame_of("ack").await;
        }
    };
    let reads = async {
        let (mut after, mut followed) = (0, 0);
        while after < 500 || followed < 500 {
            if after < 500 {
                let frame = with(fetch("s", &log, after), "limit", 7);
                let page = with(frame, "request", after);
                client.send(&page).await;
            }
            let frame = client.frame().await;
            match frame["type"].as_str().unwrap() {
                "page" if frame["request"] == after => {
                    offsets(&frame);
                    after = frame["last"].as_u64().unwrap();
                }
                "page" => {}
                "events" => {
                    assert_eq!(frame["first"], followed + 1);
                    followed = frame["last"].as_u64().unwrap();
                    let seen = json!({"type": "seen", "session": "s", "offset": followed});
                    client.send(&seen).await;
                }
                "refused" if frame["error"]["code"] == "not_found" => assert_eq!(after, 0),
                "refused" => assert_eq!(frame["error"]["code"], "rate_limited"),
                _ => {}
            }
        }
    };
    futures_util::future::join(streams, reads).await;
}

#[tokio::test]
async fn a_flood_of_fetches_is_bounded_and_each_has_one_answer() {
    const FLOOD: u64 = 1000;
    let server = TestServer::start(&[]).await;
    let log = fill(&server, "s", 1, 1024).await;
    let mut flooder = server.client("user/flooder").await;
    // Nothing is read meanwhile: 64 MiB of pages fit no socket's buffers.
    for request in 0..FLOOD {
        flooder.send(&with(fetch("s", &log, 0), "request", request)).await;
    }
    let mut other = server.client("user/other").await;
    assert_eq!(offsets(&other.ask(with(fetch("s", &log, 5), "limit", 1)).await), [6]);
    let (mut pages, mut refused) = (BTreeSet::new(), BTreeSet::new());
    while pages.len() + refused.len() < usize::try_from(FLOOD).unwrap() {
        let frame = flooder.frame().await;
        let request = frame["request"].as_u64().unwrap();
        let is_new = if frame["type"] == "refused" {
            assert_eq!(frame["error"]["code"], "rate_limited");
            refused.insert(request)
        } else {
            assert_eq!(frame["type"], "page");
            pages.insert(request)
        };
        assert!(is_new && (pages.is_disjoint(&refused)), "{request} twice");
    }
    assert!(pages.len() >= 64, "{}", pages.len());
    assert!(refused.len() > 500, "{}", refused.len());
}

#[tokio::test]
async fn a_read_that_takes_long_holds_nothing_else_up() {
    let before = TestServer::start(&[]).await;
    let log = fill(&before, "s", 1, 10).await;
    let store = Arc::clone(&before.store);
    // A server that has just started has nothing in memory: it reads the store.
    let held = Arc::new(HeldReads { store: Arc::clone(&store), held: watch::Sender::new(true) });
    let server = TestServer::start_on(&[], store, held.clone()).await;
    let mut client = server.client("user/ann").await;
    let fetch = |request: u64| with(fetch("s", &log, 0), "request", request);
    client.send(&fetch(101)).await;
    client.send(&fetch(102)).await;
    client.ask(json!({"type": "attach", "session": "t"})).await;
    assert_eq!(client.publish("t", note("m", "x")).await["type"], "ack");
    let events = client.frame_of("events").await;
    assert_eq!((&events["session"], &events["last"]), (&json!("t"), &json!(1)));
    held.held.send_replace(false);
    for request in [101, 102] {
        let page = client.frame_of("page").await;
        assert_eq!(page["request"], request);
        assert_eq!(offsets(&page).len(), 10);
    }
}

/// A store whose reads of events wait while they are held.
struct HeldReads {
    store: Arc<MemoryStore>,
    held: watch::Sender<bool>,
}

impl LogStore for HeldReads {
    fn meta(&self, session: &SessionId) -> BoxFuture<'_, Result<Option<SessionMeta>, StoreError>> {
        self.store.meta(session)
    }

    fn append(
        &self,
        session: &SessionId,
        log: &LogId,
        expected_tail: Offset,
        batch: Batch,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        self.store.append(session, log, expected_tail, batch)
    }

    fn read(
        &self,
        session: &SessionId,
        after: Offset,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        let read = self.store.read(session, after, limit_bytes);
        let mut held = self.held.subscribe();
        Box::pin(async move {
            let _ = held.wait_for(|held| !held).await;
            read.await
        })
    }

    fn load(
        &self,
        session: &SessionId,
        cursor: Option<LoadCursor>,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        self.store.load(session, cursor)
    }

    fn indexed(&self) -> BoxFuture<'_, Result<Vec<SessionId>, StoreError>> {
        self.store.indexed()
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SessionSummary>, StoreError>> {
        self.store.list(prefix, after, limit)
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.store.reopen()
    }
}
