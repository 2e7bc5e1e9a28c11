//! `Session-Log` is on every answer about a session that has events.

use std::sync::Arc;

use crate::support::{Request, TestServer, note};

const SESSIONS: &str = "durable_sessions_sessions";

/// Requests that are refused before the session is opened.
fn refused(session: &str) -> Vec<(&'static str, Request)> {
    let path = |rest: &str| format!("/v1/sessions/{session}{rest}");
    let post = |rest: &str, body: &str| {
        Request::new("POST", &path(rest))
            .header("content-type", "application/json")
            .body(body.to_owned())
    };
    vec![
        ("two offsets", Request::get(&path("/events?offset=1&offset=1"))),
        ("no JSON", post("/events", "{")),
        ("no content type", Request::new("POST", &path("/events")).body("{}")),
        ("half a producer", post("/events", "{}").header("producer-id", "p")),
        ("a body that is too large", post("/events", &" ".repeat(1024 * 1024 + 1))),
        ("a stop of nothing", post("/stop", "{}")),
        ("a wrong last", Request::get(&path("/transcript?last=x"))),
        ("a wrong before", Request::get(&path("/transcript?before=x"))),
        ("a PUT", Request::new("PUT", &path("/events"))),
        ("a DELETE", Request::new("DELETE", &path("/events"))),
        ("a wrong method", Request::new("PATCH", &path("/events"))),
        ("a wrong method of the session", Request::new("PATCH", &path(""))),
    ]
}

/// Requests that are refused after that.
fn refused_when_open(session: &str) -> Vec<(&'static str, Request)> {
    let read = |query: &str| Request::get(&format!("/v1/sessions/{session}/events{query}"));
    vec![
        ("a wrong offset", read("?offset=abc")),
        ("an offset past the tail", read("?offset=7")),
        ("a long poll", read("?live=long-poll")),
        ("another live mode", read("?live=yes")),
        ("no log id", read("").header("session-log", "a b")),
        ("another log", read("").header("session-log", "other")),
    ]
}

// DS-11.2
#[tokio::test]
async fn a_refusal_tells_the_log_and_opens_no_session_for_it() {
    let mut server = TestServer::start(&[]).await;
    let posted = Request::post("/v1/sessions/s/events", &note("m", "x")).send(server.address).await;
    let log = posted.header("session-log").to_owned();
    assert!(!log.is_empty());

    for (name, request) in refused("s").into_iter().chain(refused_when_open("s")) {
        let reply = request.send(server.address).await;
        assert!(reply.status.is_client_error() || reply.status == 501, "{name}: {}", reply.text());
        assert_eq!(reply.header("session-log"), log, "{name}, in memory");
    }
    let store = Arc::clone(&server.store);
    server.shut_down();
    server.ended().await;
    let server = TestServer::start_on(&[], Arc::clone(&store), store).await;
    for (name, request) in refused("s") {
        let reply = request.send(server.address).await;
        assert_eq!(reply.header("session-log"), log, "{name}, on disk");
        assert_eq!(server.metric(SESSIONS).await, 0, "{name} starts the session");
    }
}

#[tokio::test]
async fn who_is_not_let_in_and_who_asks_for_no_session_is_told_no_log() {
    let server = TestServer::start(&[]).await;
    let events = "/v1/sessions/s/events";
    for (name, request) in refused("s").into_iter().chain(refused_when_open("s")) {
        let reply = request.send(server.address).await;
        assert_eq!(reply.header("session-log"), "", "{name}");
    }
    Request::post(events, &note("m", "x")).send(server.address).await;
    for request in [
        Request::get(events).header("session-as", "ann"),
        Request::get(events).header("host", "example.com"),
        Request::get(events).header("origin", "http://example.com"),
        Request::get("/v1/sessions/a%20b/events"),
    ] {
        let reply = request.send(server.address).await;
        assert!(reply.status.is_client_error(), "{}", reply.text());
        assert_eq!(reply.header("session-log"), "", "{}", reply.text());
    }
}
