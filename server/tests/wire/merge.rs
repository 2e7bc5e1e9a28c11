//! Who joins late or reads slowly gets merged batches: less to read, the same transcript.

use std::time::{Duration, Instant};

use durable_sessions_protocol::fold::Transcript;
use durable_sessions_protocol::id::LogId;
use serde_json::{Value, json};

use crate::support::{Client, TestServer};

const FRAME_MAX_BYTES: usize = 64 * 1024;

/// An agent with a run in session `s`.
struct Agent {
    client: Client,
    seq: u64,
}

impl Agent {
    async fn start(server: &TestServer) -> Self {
        let mut client = server.client("agent/a").await;
        let attach = json!({"type": "attach", "session": "s", "producer": {"id": "p"}, "last": 0});
        assert_eq!(client.ask(attach).await["type"], "attached");
        let mut agent = Self { client, seq: 0 };
        agent.publish(vec![json!({"kind": "run.started", "run": "r", "agent": "a"})]).await;
        agent
    }

    async fn publish(&mut self, events: Vec<Value>) {
        let producer = json!({"id": "p", "epoch": 1, "seq": self.seq});
        self.seq += 1;
        let publish =
            json!({"type": "publish", "session": "s", "producer": producer, "events": events});
        let ack = self.client.ask(publish).await;
        assert_eq!(ack["type"], "ack", "{ack}");
    }

    /// So many deltas to each of the messages, one message after the other.
    async fn stream(&mut self, messages: usize, each: usize) {
        for message in 0..messages {
            for start in (0..each).step_by(1000) {
                let deltas = (start..each.min(start + 1000)).map(|n| {
                    let message = format!("m{message}");
                    json!({"kind": "delta", "run": "r", "message": message, "text": format!("tok{n} ")})
                });
                self.publish(deltas.collect()).await;
            }
        }
    }
}

/// What a reader took in.
struct Read {
    transcript: Transcript,
    frames: usize,
    bytes: usize,
    events: usize,
    took: Duration,
}

/// Attaches to session `s` and reads it to an offset.
async fn read(server: &TestServer, merge: bool, to: u64) -> Read {
    let mut client = server.client("user/late").await;
    let attached = client.ask(json!({"type": "attach", "session": "s", "merge": merge})).await;
    go_on(&mut client, attached["log"].as_str().unwrap(), to).await
}

/// Reads from the start to an offset.
async fn go_on(client: &mut Client, log: &str, to: u64) -> Read {
    let begun = Instant::now();
    let transcript = Transcript::new(LogId::parse(log).unwrap());
    let mut read = Read { transcript, frames: 0, bytes: 0, events: 0, took: Duration::ZERO };
    let mut cursor = 0;
    while cursor < to {
        let frame = client.frame_of("events").await;
        assert_eq!(frame["first"], cursor + 1, "without gap or overlap");
        cursor = frame["last"].as_u64().unwrap();
        let seen = json!({"type": "seen", "session": "s", "offset": cursor});
        client.send(&seen).await;
        let bytes = frame.to_string().len();
        assert!(bytes <= FRAME_MAX_BYTES, "{bytes}");
        read.frames += 1;
        read.bytes += bytes;
        for event in frame["events"].as_array().unwrap() {
            read.events += 1;
            read.transcript.apply(event);
        }
    }
    read.took = begun.elapsed();
    read
}

#[tokio::test]
async fn a_session_of_100_000_deltas_is_joined_in_few_frames() {
    let server = TestServer::start(&[]).await;
    Agent::start(&server).await.stream(20, 5_000).await;
    let merged = read(&server, true, 100_001).await;
    let raw = read(&server, false, 100_001).await;
    println!(
        "merged: {} frames, {} events, {} bytes; raw: {} frames, {} events, {} bytes",
        merged.frames, merged.events, merged.bytes, raw.frames, raw.events, raw.bytes
    );
    assert_eq!(raw.events, 100_001);
    assert_eq!(merged.transcript.to_json(), raw.transcript.to_json());
    let text: usize = raw.transcript.messages().iter().map(|message| message.text.len()).sum();
    // A frame is full of text, and no frame begins without need.
    assert!(merged.frames <= text / (FRAME_MAX_BYTES - 1024) + 1, "{}", merged.frames);
    assert!(merged.events <= 1 + 20 + merged.frames, "{}", merged.events);
    assert!(merged.bytes < text + 300 * (merged.events + merged.frames), "{}", merged.bytes);
}

#[tokio::test]
async fn a_slow_reader_gets_larger_steps_and_the_same_transcript() {
    let server = TestServer::start(&[]).await;
    let mut agent = Agent::start(&server).await;
    let mut slow = server.client("user/slow").await;
    let attached = slow.attach("s").await;
    // Each frame is one publish, and none is seen: the window of 256 KiB is full before the end.
    agent.stream(3, 4_000).await;
    let slow = go_on(&mut slow, attached["log"].as_str().unwrap(), 12_001).await;
    let raw = read(&server, false, 12_001).await;
    assert_eq!(slow.transcript.to_json(), raw.transcript.to_json());
    assert!(slow.frames < raw.frames && slow.events < raw.events / 2, "{}", slow.events);
}

#[tokio::test]
async fn who_is_at_the_tail_gets_the_events_as_they_are() {
    let server = TestServer::start(&[]).await;
    let mut agent = Agent::start(&server).await;
    let mut reader = server.client("user/ann").await;
    reader.attach("s").await;
    assert_eq!(reader.frame_of("events").await["last"], 1);
    for _ in 0..20 {
        agent.stream(1, 100).await;
        let frame = reader.frame_of("events").await;
        let events = frame["events"].as_array().unwrap();
        assert_eq!(events.len(), 100);
        assert!(events.iter().all(|event| event.get("first").is_none()));
        let seen = json!({"type": "seen", "session": "s", "offset": frame["last"]});
        reader.send(&seen).await;
    }
}

#[tokio::test]
async fn nothing_is_merged_for_who_does_not_want_it_nor_over_http() {
    let server = TestServer::start(&[]).await;
    Agent::start(&server).await.stream(1, 3_000).await;
    let raw = read(&server, false, 3_001).await;
    assert_eq!(raw.events, 3_001);
    let read = crate::support::Request::get("/v1/sessions/s/events?offset=-1");
    let events: Value = serde_json::from_str(&read.send(server.address).await.text()).unwrap();
    let offsets: Vec<u64> =
        events.as_array().unwrap().iter().map(|event| event["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, (1..=3_001).collect::<Vec<_>>());
}

/// `cargo test --release -p durable-sessions-server --test wire -- --ignored --nocapture merged_catch_up`
#[tokio::test]
#[ignore = "a measurement"]
async fn merged_catch_up_of_20_000_deltas_beside_raw() {
    let server = TestServer::start(&[]).await;
    Agent::start(&server).await.stream(20, 1_000).await;
    for _ in 0..3 {
        for merge in [true, false] {
            let Read { frames, bytes, events, took, .. } = read(&server, merge, 20_001).await;
            println!("merge {merge}: {frames} frames, {events} events, {bytes} bytes, {took:?}");
        }
    }
}
