//! Back-pressure: a slow client loses nothing and costs little.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Request, TestServer, note};

const UNSEEN_MAX_BYTES: usize = 256 * 1024;

/// Fills a session with events of 8 KiB.
async fn fill(server: &TestServer, session: &str, count: usize) {
    let mut client = server.client("user/writer").await;
    let text = "x".repeat(8 * 1024);
    for n in 0..count {
        let ack = client.publish(session, note(&format!("{session}-{n}"), &text)).await;
        assert_eq!(ack["type"], "ack", "{ack}");
    }
}

fn bytes(frames: &[Value]) -> usize {
    frames.iter().map(|frame| frame.to_string().len()).sum()
}

async fn seen(client: &mut Client, session: &str, offset: &Value) {
    client.send(&json!({"type": "seen", "session": session, "offset": offset})).await;
}

/// Everything the server sends of its own accord until the window is full or the log ends.
async fn all_sent(client: &mut Client, last: u64) -> Vec<Value> {
    let mut frames = Vec::new();
    while bytes(&frames) <= UNSEEN_MAX_BYTES - 64 * 1024 {
        frames.push(client.frame_of("events").await);
        if frames.last().unwrap()["last"] == last {
            break;
        }
    }
    for _ in 0..4 {
        frames.extend(client.until_quiet().await);
    }
    frames
}

#[tokio::test]
async fn a_client_that_sees_nothing_gets_no_more_than_the_window() {
    let server = TestServer::start(&[]).await;
    fill(&server, "s", 100).await;
    let mut client = server.client("user/ann").await;
    client.attach("s").await;
    let mut frames = all_sent(&mut client, 100).await;
    let sent = bytes(&frames);
    assert!(sent <= UNSEEN_MAX_BYTES, "{sent}");
    assert!(sent > UNSEEN_MAX_BYTES - 64 * 1024, "{sent}");
    assert!(frames.iter().all(|frame| frame.to_string().len() <= 64 * 1024));

    while frames.last().unwrap()["last"] != 100 {
        let last = frames.last().unwrap()["last"].clone();
        seen(&mut client, "s", &last).await;
        let more = all_sent(&mut client, 100).await;
        assert!(bytes(&more) <= UNSEEN_MAX_BYTES);
        frames.extend(more);
    }
    let offsets: Vec<_> = frames
        .iter()
        .flat_map(|frame| frame["events"].as_array().unwrap())
        .map(|event| event["offset"].as_u64().unwrap())
        .collect();
    assert_eq!(offsets, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn frames_of_small_events_keep_their_limit() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("agent/a").await;
    let attach = json!({"type": "attach", "session": "s", "producer": {"id": "p"}});
    assert_eq!(client.ask(attach).await["type"], "attached");
    let mut sizes = Vec::new();
    // More than is kept in memory: the later attach reads the store first.
    for seq in 0..12 {
        let events = vec![json!({"kind": "data", "name": "x".repeat(seq)}); 1024];
        let producer = json!({"id": "p", "epoch": 1, "seq": seq});
        let publish =
            json!({"type": "publish", "session": "s", "producer": producer, "events": events});
        assert_eq!(client.ask(publish).await["type"], "ack");
        sizes.extend(take(&mut client, (seq as u64 + 1) * 1024).await);
    }
    let mut late = server.client("user/ann").await;
    late.attach("s").await;
    sizes.extend(take(&mut late, 12 * 1024).await);
    let largest = sizes.into_iter().max().unwrap();
    assert!(largest <= 64 * 1024, "{largest}");
    assert!(largest > 64 * 1024 - 512, "{largest}");
}

/// Takes the events of session `s` up to an offset; the sizes of their frames.
async fn take(client: &mut Client, last: u64) -> Vec<usize> {
    let mut sizes = Vec::new();
    loop {
        let frame = client.frame_of("events").await;
        sizes.push(frame.to_string().len());
        seen(client, "s", &frame["last"]).await;
        if frame["last"] == last {
            return sizes;
        }
    }
}

#[tokio::test]
async fn a_long_catch_up_does_not_hold_up_another_session() {
    let server = TestServer::start(&[]).await;
    fill(&server, "long", 200).await;
    fill(&server, "short", 1).await;
    let mut client = server.client("user/ann").await;
    client.send(&json!({"type": "attach", "session": "long"})).await;
    client.send(&json!({"type": "attach", "session": "short"})).await;
    let mut before = 0;
    loop {
        let frame = client.frame_of("events").await;
        if frame["session"] == "short" {
            break;
        }
        before += 1;
        seen(&mut client, "long", &frame["last"]).await;
    }
    assert!(before < 10, "{before} of about 26 frames of the long session came first");
}

#[tokio::test]
async fn a_window_is_one_sessions_own() {
    let server = TestServer::start(&[]).await;
    fill(&server, "full", 100).await;
    let mut client = server.client("user/ann").await;
    client.attach("full").await;
    all_sent(&mut client, 100).await;
    client.attach("other").await;
    fill(&server, "other", 1).await;
    assert_eq!(client.frame_of("events").await["session"], "other");
}

#[tokio::test]
async fn a_client_that_reads_no_answers_is_closed() {
    let server = TestServer::start(&[]).await;
    let client = server.client("user/ann").await;
    let (mut sink, mut stream) = client.socket.split();
    let ping = json!({"type": "ping", "request": 1, "pad": "x".repeat(200)}).to_string();
    let flood = async {
        // A frame of garbage takes as long to answer as one that is right.
        while sink.feed(Message::text(ping.clone())).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let closed = async { while server.metric("durable_sessions_connections").await > 0 {} };
    tokio::select! {
        () = flood => {}
        closed = tokio::time::timeout(crate::support::PATIENCE, closed) => closed.expect("it is closed"),
    }
    let code = loop {
        match stream.next().await {
            Some(Ok(Message::Close(frame))) => break frame.map(|frame| u16::from(frame.code)),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break None,
        }
    };
    assert_eq!(code, Some(4003));
    assert_eq!(Request::get("/healthz").send(server.address).await.status, 200);
}

#[tokio::test]
async fn a_client_that_reads_no_events_delays_nobody() {
    let server = TestServer::start(&[]).await;
    let mut idle = server.client("user/idle").await;
    idle.send(&json!({"type": "attach", "session": "s"})).await;
    let mut awake = server.client("user/awake").await;
    awake.attach("s").await;
    fill(&server, "s", 200).await;
    let mut offset = 0;
    while offset < 200 {
        let frame = awake.frame_of("events").await;
        offset = frame["last"].as_u64().unwrap();
        seen(&mut awake, "s", &frame["last"]).await;
    }
}

#[tokio::test]
async fn a_socket_follows_so_many_sessions_and_no_more() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    for n in 0..1024 {
        client.send(&json!({"type": "attach", "session": format!("s{n}")})).await;
    }
    client.until_quiet().await;
    let attach = |session: &str| json!({"type": "attach", "session": session});
    let refused = client.ask(attach("one-more")).await;
    assert_eq!(refused["error"]["code"], "rate_limited");
    assert_eq!(client.ask(attach("s7")).await["type"], "attached", "again is not one more");
    client.ask(json!({"type": "detach", "session": "s8"})).await;
    assert_eq!(client.ask(attach("one-more")).await["type"], "attached");
}
