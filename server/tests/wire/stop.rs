//! `POST …/stop` is the event `stop.requested` without a socket.

use serde_json::{Value, json};

use crate::support::{Reply, Request, TestServer};

const STOP: &str = "/v1/sessions/s/stop";
const EVENTS: &str = "/v1/sessions/s/events";

/// A server with an open run `r` in the session `s`.
async fn server() -> TestServer {
    let server = TestServer::start(&[]).await;
    let started = json!({"kind": "run.started", "run": "r", "agent": "a"});
    let posted = Request::post(EVENTS, &started).header("session-as", "agent/a");
    assert_eq!(posted.send(server.address).await.status, 204);
    server
}

async fn stop(server: &TestServer, body: &str) -> Reply {
    let request = Request::new("POST", STOP).header("content-type", "application/json");
    request.header("session-as", "user/ann").body(body.to_owned()).send(server.address).await
}

/// The log's events from the second one on, as they are stored.
async fn stored(server: &TestServer) -> String {
    Request::get(&format!("{EVENTS}?offset=1")).send(server.address).await.text()
}

// DS-11.10, DS-2.1
#[tokio::test]
async fn a_stop_is_stored_as_it_was_posted() {
    let server = server().await;
    let body = r#"{ "data": {"cost": 1.50, "why": "\u00e4"}, "run": "r", "id": "st", "mood": 7 }"#;
    let stopped = stop(&server, body).await;
    assert_eq!(stopped.status, 202, "{}", stopped.text());
    let written = r#""kind":"stop.requested","data":{"cost":1.50,"why":"\u00e4"},"run":"r","id":"st","mood":7,"runs":["r"]}]"#;
    let stored = stored(&server).await;
    assert!(stored.ends_with(written), "{stored}");
}

// DS-4.3
#[tokio::test]
async fn stops_that_differ_in_a_field_are_two_acts() {
    let server = server().await;
    let first = r#"{"id":"st","run":"r","data":{"n":1}}"#;
    assert_eq!(stop(&server, first).await.status, 202);
    let others = [
        r#"{"id":"st","run":"r","data":{"n":2}}"#,
        r#"{"id":"st","run":"r","data":{"n":1},"mood":7}"#,
        r#"{"id":"st","run":"r","data":{"n":1},"cascade":true}"#,
        r#"{"id":"st","run":"r"}"#,
    ];
    for other in others {
        let refused = stop(&server, other).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (422, "id_conflict"),
            "{other}"
        );
    }
    let again = stop(&server, r#"{"data":{"n":1},"run":"r","id":"st"}"#).await;
    assert_eq!(again.json(), json!({"id": "st", "offset": 2, "runs": ["r"]}));
}

// DS-11.10, DS-4.3
#[tokio::test]
async fn a_stop_is_the_same_act_over_a_socket_and_here() {
    let server = server().await;
    let bodies: [Value; 2] = [
        json!({"id": "s1", "run": "r", "cascade": true, "data": {"by": "key"}}),
        json!({"id": "s2", "all": true, "cascade": true, "seen": 1, "mood": 7}),
    ];
    let mut client = server.client("user/ann").await;
    for (body, offset) in bodies.into_iter().zip(2..) {
        let mut event = body.clone();
        event["kind"] = "stop.requested".into();
        let publish = json!({"type": "publish", "session": "s", "events": [event]});
        let acknowledged = client.ask(publish.clone()).await;
        assert_eq!(acknowledged["first"], offset, "{acknowledged}");
        for same in [&body, &event] {
            let again = stop(&server, &same.to_string()).await;
            assert_eq!(again.status, 202, "{}", again.text());
            assert_eq!(again.json()["offset"], offset);
        }
    }
    let posted = r#"{"id":"s3","run":"r","cascade":true}"#;
    assert_eq!(stop(&server, posted).await.json()["offset"], 4);
    let event = json!({"kind": "stop.requested", "id": "s3", "run": "r", "cascade": true});
    let publish = json!({"type": "publish", "session": "s", "events": [event]});
    assert_eq!(client.ask(publish).await["first"], 4);
}

// DS-11.10, DS-2.9
#[tokio::test]
async fn a_stop_without_an_id_gets_one_and_is_another_each_time() {
    let server = server().await;
    for (body, offset) in [
        (r#"{"run":"r"}"#, 2),
        (r#"{"run":"r","id":null,"kind":null}"#, 3),
        (r#"{"\u006bind":"stop.requested","run":"r"}"#, 4),
    ] {
        let stopped = stop(&server, body).await;
        assert_eq!(stopped.status, 202, "{}", stopped.text());
        assert_eq!(stopped.json()["offset"], offset);
        assert!(stopped.json()["id"].as_str().unwrap().starts_with("stop-"));
    }
}

#[tokio::test]
async fn a_stop_that_is_no_event_is_refused() {
    let server = server().await;
    for body in [
        "",
        "[]",
        "{",
        "{}",
        r#"{"run":"r"} {}"#,
        r#"{"kind":"message","run":"r"}"#,
        r#"{"kind":7,"run":"r"}"#,
        r#"{"id":7,"run":"r"}"#,
        r#"{"run":"r","run":"r"}"#,
        r#"{"id":null,"id":"st","run":"r"}"#,
        r#"{"run":"r","data":{"a":1,"a":2}}"#,
        r#"{"run":"r","runs":[]}"#,
        r#"{"run":"r","from":null}"#,
    ] {
        let refused = stop(&server, body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (400, "invalid"),
            "{body}: {}",
            refused.text()
        );
    }
    assert_eq!(stored(&server).await, "[]");
}
