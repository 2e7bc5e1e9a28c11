//! Sessions leave memory while nobody uses them, and nobody notices.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, Request, TestServer, note};

const SESSIONS: &str = "durable_sessions_sessions";
/// Time for a session that must stay to leave a few times over.
const SEVERAL_TERMS: Duration = Duration::from_millis(120);

/// A server whose sessions leave as soon as nobody uses them.
async fn server() -> TestServer {
    TestServer::start(&["--idle-unload-ms", "20"]).await
}

fn question(id: &str) -> Value {
    json!({"kind": "message", "id": id, "role": "user", "text": "?"})
}

async fn post(server: &TestServer, principal: &str, event: &Value) -> u16 {
    let request = Request::post("/v1/sessions/s/events", event).header("session-as", principal);
    request.send(server.address).await.status.as_u16()
}

async fn glance(server: &TestServer) -> Value {
    Request::get("/v1/sessions/s").send(server.address).await.json()
}

#[tokio::test]
async fn a_session_nobody_uses_leaves_memory_and_comes_back_as_it_was() {
    let server = server().await;
    assert_eq!(post(&server, "user/ann", &note("m1", "x")).await, 204);
    let title = json!({"kind": "session.updated", "id": "u", "title": "kept"});
    assert_eq!(post(&server, "user/ann", &title).await, 204);
    let before = glance(&server).await;
    server.until_metric(SESSIONS, 0).await;
    assert_eq!(glance(&server).await, before);
    server.until_metric(SESSIONS, 0).await;
    assert_eq!(post(&server, "user/ann", &note("m1", "x")).await, 204, "the same again");
    assert_eq!(glance(&server).await, before);
    assert_eq!(post(&server, "user/ann", &note("m1", "y")).await, 422, "the id is taken");
    assert_eq!(before["tail"], 2);
    assert_eq!(before["title"], "kept");
}

#[tokio::test]
async fn a_session_that_was_never_written_leaves_nothing() {
    let server = server().await;
    let mut client = server.client("user/ann").await;
    client.attach("s").await;
    client.ask(json!({"type": "detach", "session": "s"})).await;
    server.until_metric(SESSIONS, 0).await;
    assert_eq!(Request::get("/v1/sessions/s").send(server.address).await.status, 404);
}

#[tokio::test]
async fn a_session_that_is_followed_stays_and_is_heard() {
    let server = server().await;
    let mut reader = server.client("user/reader").await;
    reader.attach("s").await;
    tokio::time::sleep(SEVERAL_TERMS).await;
    assert_eq!(server.metric(SESSIONS).await, 1);
    post(&server, "user/ann", &note("m1", "x")).await;
    assert_eq!(reader.frame_of("events").await["last"], 1);
    reader.ask(json!({"type": "detach", "session": "s"})).await;
    server.until_metric(SESSIONS, 0).await;
}

#[tokio::test]
async fn a_session_that_is_streamed_stays_until_the_stream_ends() {
    let server = server().await;
    post(&server, "user/ann", &note("m1", "x")).await;
    let stream =
        Request::get("/v1/sessions/s/events?offset=-1&live=sse").open(server.address).await;
    tokio::time::sleep(SEVERAL_TERMS).await;
    assert_eq!(server.metric(SESSIONS).await, 1);
    drop(stream);
    server.until_metric(SESSIONS, 0).await;
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let server = server().await;
    let mut reader = server.client("user/reader").await;
    post(&server, "user/ann", &note("m1", "x")).await;
    let attached = reader.attach("s").await;
    assert_eq!(reader.frame_of("events").await["last"], 1);
    reader.ask(json!({"type": "detach", "session": "s"})).await;
    server.until_metric(SESSIONS, 0).await;
    post(&server, "user/ann", &note("m2", "x")).await;
    server.until_metric(SESSIONS, 0).await;
    let position = json!({"log": attached["log"], "offset": 1});
    let again = reader.ask(json!({"type": "attach", "session": "s", "position": position})).await;
    assert_eq!(again["log"], attached["log"]);
    let events = reader.frame_of("events").await;
    assert_eq!((&events["first"], &events["last"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn waiting_input_of_a_session_out_of_memory_is_offered_and_claimed() {
    let server = server().await;
    post(&server, "user/ann", &question("m1")).await;
    server.until_metric(SESSIONS, 0).await;
    let mut worker = server.client("agent/w").await;
    worker.ask(json!({"type": "serve", "agent": "assistant", "slots": 1})).await;
    let wake = worker.frame_of("wake").await;
    assert_eq!((&wake["session"], &wake["input"]), (&json!("s"), &json!("m1")));
    assert_eq!(server.metric(SESSIONS).await, 0, "an offer needs no session");
    let producer = json!({"id": "p"});
    let attach = json!({"type": "attach", "session": "s", "last": 0, "producer": producer});
    assert_eq!(worker.ask(attach).await["type"], "attached");
    let start = json!({
        "kind": "run.started", "run": "r", "agent": "assistant", "in_reply_to": "m1",
    });
    assert_eq!(produce(&mut worker, 0, start).await["type"], "ack");
}

async fn produce(worker: &mut Client, seq: u64, event: Value) -> Value {
    let producer = json!({"id": "p", "epoch": 1, "seq": seq});
    let publish =
        json!({"type": "publish", "session": "s", "producer": producer, "events": [event]});
    worker.ask(publish).await
}

#[tokio::test]
async fn a_run_held_by_a_connection_keeps_its_session() {
    let server = server().await;
    post(&server, "user/ann", &question("m1")).await;
    let mut worker = server.client("agent/w").await;
    let attach = json!({"type": "attach", "session": "s", "last": 0, "producer": {"id": "p"}});
    assert_eq!(worker.ask(attach).await["type"], "attached");
    let start = json!({
        "kind": "run.started", "run": "r", "agent": "assistant", "in_reply_to": "m1",
    });
    assert_eq!(produce(&mut worker, 0, start).await["type"], "ack");
    tokio::time::sleep(SEVERAL_TERMS).await;
    assert_eq!(server.metric(SESSIONS).await, 1);
    let delta = json!({"kind": "delta", "run": "r", "message": "a", "text": "x"});
    assert_eq!(produce(&mut worker, 1, delta).await["type"], "ack");
}

#[tokio::test]
async fn looking_at_a_session_out_of_memory_does_not_lengthen_its_leases() {
    let server = server().await;
    let start = json!({"kind": "run.started", "run": "r", "agent": "assistant", "lease_ms": 1000});
    assert_eq!(post(&server, "agent/w", &start).await, 204);
    let looks = async {
        loop {
            server.until_metric(SESSIONS, 0).await;
            let events = Request::get("/v1/sessions/s/events").send(server.address).await.json();
            if let [_, ended] = events.as_array().unwrap().as_slice() {
                return ended.clone();
            }
        }
    };
    let ended = timeout(PATIENCE, looks).await.expect("the run ends while it is looked at");
    assert_eq!(ended["outcome"], "lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_writers_that_come_and_go_nothing_is_lost_or_left_without_an_answer() {
    let server = TestServer::start(&["--idle-unload-ms", "0"]).await;
    let writers = (0..4).map(|writer| {
        let address = server.address;
        tokio::spawn(async move {
            for number in 0..100 {
                let event = note(&format!("{writer}-{number}"), "x");
                let path = "/v1/sessions/s/events";
                let reply = Request::post(path, &event).send(address).await;
                assert_eq!(reply.status, 204, "{}", reply.text());
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let events = Request::get("/v1/sessions/s/events").send(server.address).await.json();
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), 400);
    for writer in 0..4 {
        let prefix = format!("{writer}-");
        let ids: Vec<_> = events
            .iter()
            .filter_map(|event| event["id"].as_str()?.strip_prefix(&prefix)?.parse::<u32>().ok())
            .collect();
        assert_eq!(ids, (0..100).collect::<Vec<_>>(), "in order, each once");
    }
    server.until_metric(SESSIONS, 0).await;
}
