//! A store that fails answers nothing it does not know.

use serde_json::json;

use crate::support::{Request, TestServer, note};

#[tokio::test]
async fn nothing_is_answered_or_shown_before_it_is_durable() {
    let server = TestServer::start(&[]).await;
    let mut reader = server.client("user/reader").await;
    reader.attach("s").await;
    let mut client = server.client("user/ann").await;
    server.store.hold_sync();
    client
        .send(&json!({"type": "publish", "request": 1, "session": "s", "events": [note("m", "x")]}))
        .await;
    server.store.until_waiting(1).await;
    assert!(client.until_quiet().await.is_empty());
    assert!(reader.until_quiet().await.is_empty());
    assert_eq!(Request::get("/v1/sessions/s/events").send(server.address).await.status, 404);
    server.store.release_sync();
    assert_eq!(client.frame().await["type"], "ack");
    assert_eq!(reader.frame().await["type"], "events");
}

#[tokio::test]
async fn a_failed_sync_closes_the_socket_unanswered_and_the_retry_counts_once() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    client.publish("s", note("m1", "x")).await;
    server.store.fail_next_sync();
    let publish =
        json!({"type": "publish", "request": 9, "session": "s", "events": [note("m2", "x")]});
    client.send(&publish).await;
    assert_eq!(client.closed().await, Some(4004));

    let retried = loop {
        let mut client = server.client("user/ann").await;
        let answer = client.ask(publish.clone()).await;
        if answer["type"] == "ack" {
            break answer;
        }
        assert_eq!(answer["error"]["code"], "unavailable");
    };
    assert_eq!(retried["first"], 2);
    assert_eq!(Request::get("/readyz").send(server.address).await.status, 200);
}

#[tokio::test]
async fn a_failed_sync_over_http_says_that_the_outcome_is_unknown() {
    let server = TestServer::start(&[]).await;
    let path = "/v1/sessions/s/events";
    Request::post(path, &note("m1", "x")).send(server.address).await;
    server.store.fail_next_sync();
    let failed = Request::post(path, &note("m2", "x")).send(server.address).await;
    assert_eq!((failed.status.as_u16(), failed.problem().as_str()), (503, "unavailable"));
    assert_eq!(failed.json()["side_effects"], "unknown");
    assert_eq!(failed.json()["retryable"], true);
}
