//! Whatever a client sends: a documented code, the server lives, other sessions do not notice.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::{Client, Incoming, Request, TestServer, note};

/// What a message is answered with.
#[derive(Debug)]
enum Expect {
    /// `refused` with this code; the connection lives.
    Refused(&'static str),
    /// An `error` frame with this code; the connection lives.
    Error(&'static str),
    /// An `error` frame with this code, then this close code.
    Closed(&'static str, u16),
    /// Nothing; the connection lives.
    Ignored,
}
use Expect::{Closed, Error, Ignored, Refused};

fn text(frame: Value) -> Message {
    Message::text(frame.to_string())
}

fn publish(event: Value) -> Message {
    text(json!({"type": "publish", "request": 1, "session": "s", "events": [event]}))
}

fn raw_event(event: &str) -> Message {
    Message::text(format!(r#"{{"type":"publish","request":1,"session":"s","events":[{event}]}}"#))
}

fn table() -> Vec<(&'static str, Message, Expect)> {
    let over_frame = "x".repeat(1024 * 1024 + 1);
    let over_event = note("m", &"x".repeat(256 * 1024));
    let many: Vec<Value> = (0..1025).map(|n| note(&format!("m{n}"), "x")).collect();
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let bad_utf8 = Frame::message(&b"{\"type\":\"\xff\"}"[..], OpCode::Data(Data::Text), true);
    let attach = |fields: Value| {
        let mut frame = json!({"type": "attach", "request": 1, "session": "s"});
        frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        text(frame)
    };
    vec![
        ("no JSON", Message::text("hello"), Closed("invalid", 4200)),
        ("an empty message", Message::text(""), Closed("invalid", 4200)),
        ("an array", Message::text(r#"["ping"]"#), Closed("invalid", 4200)),
        ("no type", text(json!({"request": 1})), Closed("invalid", 4200)),
        ("a type that is no text", text(json!({"type": 1})), Closed("invalid", 4200)),
        ("two types", Message::text(r#"{"type":"ping","type":"ping"}"#), Closed("invalid", 4200)),
        ("binary", Message::binary(&b"{}"[..]), Closed("invalid", 4200)),
        ("bad UTF-8", Message::Frame(bad_utf8), Closed("invalid", 4200)),
        ("an oversize frame", Message::text(over_frame), Closed("too_large", 4204)),
        ("a second hello", text(json!({"type": "hello"})), Closed("invalid", 4202)),
        (
            "a bad second hello",
            text(json!({"type": "hello", "client": 5})),
            Closed("invalid", 4202),
        ),
        ("an unknown frame", text(json!({"type": "dance", "request": 1})), Ignored),
        ("a token without a key", text(json!({"type": "token", "token": "t"})), Ignored),
        ("a wrong session id", attach(json!({"session": "a b"})), Refused("invalid")),
        ("an empty session id", attach(json!({"session": ""})), Refused("invalid")),
        ("a long session id", attach(json!({"session": "s".repeat(129)})), Refused("invalid")),
        (
            "a negative offset",
            attach(json!({"position": {"log": "l", "offset": -1}})),
            Refused("invalid"),
        ),
        (
            "an offset beyond 2^53",
            attach(json!({"position": {"log": "l", "offset": 1u64 << 53}})),
            Refused("invalid"),
        ),
        (
            "a position and last",
            attach(json!({"position": {"log": "l", "offset": 0}, "last": 0})),
            Refused("invalid"),
        ),
        ("the last half", attach(json!({"last": 0.5})), Refused("invalid")),
        (
            "a claim for too many runs",
            attach(json!({"producer": {"id": "p", "runs": vec!["r"; 1025]}})),
            Refused("invalid"),
        ),
        (
            "a wrong offset in seen",
            text(json!({"type": "seen", "session": "s", "offset": "x"})),
            Error("invalid"),
        ),
        (
            "seen of a session not followed",
            text(json!({"type": "seen", "session": "nobody", "offset": 7})),
            Ignored,
        ),
        ("detach without a session", text(json!({"type": "detach"})), Error("invalid")),
        (
            "a fetch of nothing",
            text(json!({"type": "fetch", "request": 1, "session": "s", "log": "l", "after": 0,
                        "limit": 0})),
            Refused("invalid"),
        ),
        (
            "a fetch from no log",
            text(json!({"type": "fetch", "request": 1, "session": "s", "after": 0})),
            Refused("invalid"),
        ),
        (
            "a browser without a tab",
            text(json!({"type": "seen", "session": "s", "offset": 0, "tabs": 0})),
            Error("invalid"),
        ),
        (
            "a ping of too many runs",
            text(json!({"type": "ping", "runs": vec!["r"; 1025]})),
            Error("invalid"),
        ),
        (
            "no events",
            text(json!({"type": "publish", "request": 1, "session": "s", "events": []})),
            Refused("invalid"),
        ),
        (
            "events that are no array",
            text(json!({"type": "publish", "request": 1, "session": "s", "events": 5})),
            Refused("invalid"),
        ),
        (
            "too many events",
            text(json!({"type": "publish", "request": 1, "session": "s", "events": many})),
            Refused("too_large"),
        ),
        (
            "two events without a producer",
            text(json!({"type": "publish", "request": 1, "session": "s",
                        "events": [note("a", "x"), note("b", "x")]})),
            Refused("invalid"),
        ),
        ("an oversize event", publish(over_event), Refused("too_large")),
        ("an event that is no object", publish(json!("x")), Refused("invalid")),
        ("an event without a kind", publish(json!({"id": "m"})), Refused("invalid")),
        ("an unknown kind", publish(json!({"kind": "dance", "id": "d"})), Refused("not_supported")),
        (
            "a message without an id",
            publish(json!({"kind": "message", "role": "user", "text": ""})),
            Refused("invalid"),
        ),
        (
            "a duplicate key",
            raw_event(r#"{"kind":"message","id":"m","role":"user","text":"a","text":"b"}"#),
            Refused("invalid"),
        ),
        (
            "a duplicate key deep in the data",
            raw_event(r#"{"kind":"data","name":"n","data":{"a":[{"b":1,"\u0062":2}]}}"#),
            Refused("invalid"),
        ),
        (
            "JSON without end",
            raw_event(&format!(r#"{{"kind":"data","name":"n","data":{deep}}}"#)),
            Refused("invalid"),
        ),
        (
            "a forged from",
            publish(json!({"kind": "message", "id": "m", "role": "user", "text": "",
                           "from": {"kind": "user", "id": "ann"}})),
            Refused("invalid"),
        ),
        (
            "a forged offset",
            publish(json!({"kind": "data", "name": "n", "offset": 1})),
            Refused("invalid"),
        ),
        (
            "an unknown run",
            publish(json!({"kind": "delta", "id": "d", "run": "no", "message": "m", "text": "x"})),
            Refused("not_found"),
        ),
        (
            "a write after the end",
            publish(
                json!({"kind": "delta", "id": "d", "run": "ended", "message": "m", "text": "x"}),
            ),
            Refused("run_ended"),
        ),
        (
            "a stop of an unknown run",
            publish(json!({"kind": "stop.requested", "id": "st", "run": "no"})),
            Refused("not_found"),
        ),
        (
            "another log",
            text(json!({"type": "publish", "request": 1, "session": "s", "log": "other",
                        "events": [note("m", "x")]})),
            Refused("log_changed"),
        ),
    ]
}

#[tokio::test]
async fn every_malformed_frame_has_its_answer_and_harms_nobody_else() {
    let server = TestServer::start(&[]).await;
    let mut agent = server.client("agent/a").await;
    for event in [
        json!({"kind": "run.started", "run": "ended", "agent": "a"}),
        json!({"kind": "run.ended", "run": "ended", "outcome": "completed"}),
    ] {
        assert_eq!(agent.publish("s", event).await["type"], "ack");
    }

    let mut bystander = server.client("user/bystander").await;
    bystander.attach("other").await;
    for (row, (name, message, expect)) in table().into_iter().enumerate() {
        let mut client = server.client("agent/a").await;
        client.send_message(message).await;
        match expect {
            Refused(code) => {
                let answer = client.frame_of("refused").await;
                assert_eq!(answer["error"]["code"], code, "{name}: {answer}");
                assert_eq!(answer["request"], 1, "{name}");
                assert!(client.until_quiet().await.is_empty(), "{name}");
            }
            Error(code) => {
                let answer = client.frame().await;
                assert_eq!(answer["type"], "error", "{name}: {answer}");
                assert_eq!(answer["error"]["code"], code, "{name}");
                assert!(client.until_quiet().await.is_empty(), "{name}");
            }
            Closed(code, close) => {
                let answer = client.frame().await;
                assert_eq!(answer["type"], "error", "{name}: {answer}");
                assert_eq!(answer["error"]["code"], code, "{name}");
                assert_eq!(client.next().await, Incoming::Closed(Some(close)), "{name}");
            }
            Ignored => assert!(client.until_quiet().await.is_empty(), "{name}"),
        }
        let ack = bystander.publish("other", note(&format!("b{row}"), name)).await;
        assert_eq!(ack["first"], row + 1, "{name}: {ack}");
        bystander.send(&json!({"type": "seen", "session": "other", "offset": row + 1})).await;
    }
}

#[tokio::test]
async fn the_first_frame_is_a_hello_that_can_be_read() {
    let server = TestServer::start(&[]).await;
    for (first, close) in [
        (Message::text(r#"{"type":"ping"}"#), 4201),
        (Message::text(r#"{"type":"dance"}"#), 4201),
        (Message::text(r#"{"type":"hello","as":"root/ann"}"#), 4201),
        (Message::text(r#"{"type":"hello","client":7}"#), 4201),
        (Message::text("hello"), 4200),
        (Message::binary(&b"{\"type\":\"hello\"}"[..]), 4200),
        (Message::text("x".repeat(1024 * 1024 + 1)), 4204),
    ] {
        let name = format!("{first:.60}");
        let mut client = Client::open(server.address).await;
        client.send_message(first).await;
        assert_eq!(client.frame().await["type"], "error", "{name}");
        assert_eq!(client.next().await, Incoming::Closed(Some(close)), "{name}");
    }
    server.client("user/ann").await;
}

#[tokio::test]
async fn no_hello_in_time_closes_with_4001() {
    let server = TestServer::start(&["--hello-timeout-ms", "50"]).await;
    let mut client = Client::open(server.address).await;
    assert_eq!(client.next().await, Incoming::Closed(Some(4001)));
}

#[tokio::test]
async fn every_bad_request_has_its_status_and_code() {
    let server = TestServer::start(&[]).await;
    let events = "/v1/sessions/s/events";
    let made = Request::post(events, &note("m0", "x")).send(server.address).await;
    assert_eq!(made.status, 204);

    let post = |body: &str| {
        Request::new("POST", events)
            .header("content-type", "application/json")
            .body(body.to_owned())
    };
    let note = note("m1", "x");
    let stop = |body: Value| Request::post("/v1/sessions/s/stop", &body);
    let table = [
        ("an unknown route", Request::get("/v1/nothing"), 404, "not_found"),
        ("an unknown session", Request::get("/v1/sessions/no/events"), 404, "not_found"),
        ("an unknown transcript", Request::get("/v1/sessions/no/transcript"), 404, "not_found"),
        ("an unknown session's head", Request::get("/v1/sessions/no"), 404, "not_found"),
        ("a wrong session id", Request::get("/v1/sessions/a%20b/events"), 400, "invalid"),
        ("a session id in bad UTF-8", Request::get("/v1/sessions/%ff/events"), 400, "invalid"),
        ("a wrong method", Request::new("PATCH", events), 405, "invalid"),
        ("a listing of none", Request::get("/v1/sessions?limit=0"), 400, "invalid"),
        ("a user's wish for work", Request::new("POST", "/v1/agents/a/next"), 403, "forbidden"),
        ("a PUT", Request::new("PUT", events), 501, "not_supported"),
        ("a DELETE", Request::new("DELETE", events), 501, "not_supported"),
        ("a long poll", Request::get(&format!("{events}?live=long-poll")), 501, "not_supported"),
        ("another live mode", Request::get(&format!("{events}?live=yes")), 400, "invalid"),
        ("a wrong offset", Request::get(&format!("{events}?offset=x")), 400, "invalid"),
        ("an empty offset", Request::get(&format!("{events}?offset=")), 400, "invalid"),
        ("two offsets", Request::get(&format!("{events}?offset=1&offset=1")), 400, "invalid"),
        (
            "an offset past the tail",
            Request::get(&format!("{events}?offset=2")),
            410,
            "log_changed",
        ),
        ("another log", Request::get(events).header("session-log", "other"), 410, "log_changed"),
        ("no log id", Request::get(events).header("session-log", "a b"), 400, "invalid"),
        ("a wrong principal", Request::get(events).header("session-as", "ann"), 400, "invalid"),
        ("the last half", Request::get("/v1/sessions/s/transcript?last=0.5"), 400, "invalid"),
        ("no content type", Request::new("POST", events).body(note.to_string()), 400, "invalid"),
        ("an empty body", post(""), 400, "invalid"),
        ("no JSON", post("{"), 400, "invalid"),
        ("an empty array", post("[]"), 400, "invalid"),
        ("an array in an array", post("[[]]"), 400, "invalid"),
        (
            "bad UTF-8",
            Request::new("POST", events)
                .header("content-type", "application/json")
                .body(&b"{\"kind\":\"\xff\"}"[..]),
            400,
            "invalid",
        ),
        ("an oversize body", post(&" ".repeat(1024 * 1024 + 1)), 413, "too_large"),
        (
            "an oversize event",
            post(&format!("[{}]", super::support::note("m", &"x".repeat(256 * 1024)))),
            413,
            "too_large",
        ),
        ("an unknown kind", post(r#"{"kind":"dance"}"#), 501, "not_supported"),
        ("a duplicate key", post(r#"{"kind":"data","name":"n","name":"n"}"#), 400, "invalid"),
        ("a forged from", post(r#"{"kind":"data","name":"n","from":null}"#), 400, "invalid"),
        (
            "a steer that says nothing",
            post(r#"{"kind":"steer","id":"s","run":"r"}"#),
            400,
            "invalid",
        ),
        (
            "a steer of an unknown run",
            post(r#"{"kind":"steer","id":"s","run":"no","text":"x"}"#)
                .header("session-as", "agent/a"),
            422,
            "not_found",
        ),
        (
            "a delta of an unknown run",
            post(r#"{"kind":"delta","id":"d","run":"no","message":"m","text":"x"}"#)
                .header("session-as", "agent/a"),
            422,
            "not_found",
        ),
        (
            "a write to another log",
            post(&note.to_string()).header("session-log", "other"),
            410,
            "log_changed",
        ),
        (
            "half a producer",
            post(&note.to_string()).header("producer-id", "p").header("producer-seq", "0"),
            400,
            "invalid",
        ),
        (
            "a producer without a number",
            post(&note.to_string())
                .header("producer-id", "p")
                .header("producer-epoch", "+1")
                .header("producer-seq", "0"),
            400,
            "invalid",
        ),
        ("a stop of nothing", stop(json!({})), 400, "invalid"),
        ("a stop of two things", stop(json!({"run": "r", "all": true})), 400, "invalid"),
        ("a stop of an unknown run", stop(json!({"run": "no"})), 422, "not_found"),
        ("a plain GET of the socket", Request::get("/v1/connect"), 426, "invalid"),
    ];
    for (name, request, status, code) in table {
        let reply = request.send(server.address).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        assert_eq!(reply.problem(), code, "{name}");
    }

    let left = Request::get(events).send(server.address).await;
    assert_eq!(left.json().as_array().unwrap().len(), 1, "nothing was appended");
}
