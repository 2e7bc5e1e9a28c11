//! A server that goes says so, and finishes what it has taken.

use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{Client, Incoming, Request, TestServer, note};

#[tokio::test]
async fn clients_hear_when_to_come_back() {
    let mut server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    let mut silent = Client::open(server.address).await;
    server.shut_down();
    let draining = client.frame().await;
    assert_eq!(draining["type"], "draining");
    assert!(draining["retry_after_ms"].as_u64().unwrap() < 2_000);
    assert_eq!(client.next().await, Incoming::Closed(Some(4002)));
    assert_eq!(silent.next().await, Incoming::Closed(Some(4002)));
    // Their ends of the sockets close, as a browser's do.
    drop((client, silent));
    let address = server.address;
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_was_taken_is_answered_before_the_end() {
    let mut server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    let address = server.address;
    client.attach("s").await;
    server.store.hold_sync();
    let publish = |request: u64| {
        json!({"type": "publish", "request": request, "session": "s",
               "events": [note(&format!("m{request}"), "x")]})
    };
    client.send(&publish(70)).await;
    let posted =
        tokio::spawn(Request::post("/v1/sessions/t/events", &note("h", "x")).send(server.address));
    server.store.until_waiting(2).await;

    server.shut_down();
    assert_eq!(client.frame_of("draining").await["type"], "draining");
    client.send(&publish(71)).await;
    let refused = client.frame().await;
    assert_eq!((&refused["request"], &refused["error"]["code"]), (&json!(71), &json!("draining")));
    server.store.release_sync();
    assert_eq!(client.frame_of("ack").await["request"], 70);
    assert_eq!(posted.await.unwrap().status, 204);
    assert_eq!(client.closed().await, Some(4002));
    drop(client);
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}
