//! Heartbeats, with shortened clocks.

use serde_json::json;

use crate::support::{Incoming, TestServer};

const FAST: [&str; 4] = ["--heartbeat-ms", "50", "--heartbeat-grace-ms", "200"];

#[tokio::test]
async fn a_silent_client_is_pinged_and_then_closed() {
    let server = TestServer::start(&FAST).await;
    let mut client = server.client("user/ann").await;
    assert_eq!(client.frame().await, json!({"type": "ping"}));
    assert_eq!(client.next().await, Incoming::Closed(Some(4000)));
}

#[tokio::test]
async fn a_client_that_answers_is_kept() {
    let server = TestServer::start(&["--heartbeat-ms", "50", "--heartbeat-grace-ms", "5000"]).await;
    let mut client = server.client("user/ann").await;
    for _ in 0..10 {
        assert_eq!(client.frame().await, json!({"type": "ping"}));
        client.send(&json!({"type": "pong"})).await;
    }
    assert!(client.ask(json!({"type": "ping"})).await["type"] == "pong");
}
