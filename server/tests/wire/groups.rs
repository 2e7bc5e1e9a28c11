//! The tabs of a browser share one socket: the newest of a group takes the place of the older one.

use futures_util::SinkExt;
use futures_util::future::join_all;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Incoming, TestServer, note};

const CONNECTIONS: &str = "durable_sessions_connections";

/// A socket of `user/NAME` in a group.
async fn tab(server: &TestServer, user: &str, group: &str) -> Client {
    server.greeted(json!({"as": format!("user/{user}"), "group": group})).await
}

async fn is_open(client: &mut Client) -> bool {
    client.ask(json!({"type": "ping"})).await["type"] == "pong"
}

#[tokio::test]
async fn a_newer_socket_of_a_group_takes_the_place_of_the_older_one() {
    let server = TestServer::start(&[]).await;
    let mut older = tab(&server, "ann", "g").await;
    let mut newer = tab(&server, "ann", "g").await;
    let error = older.frame().await;
    assert_eq!((&error["type"], &error["error"]["code"]), (&json!("error"), &json!("closed")));
    assert!(error["error"]["detail"].as_str().unwrap().contains("newer"), "{error}");
    assert_eq!(older.next().await, Incoming::Closed(Some(4290)));
    drop(older);
    server.until_metric(CONNECTIONS, 1).await;
    assert!(is_open(&mut newer).await);

    // The older one's end has not given the newer one's place away.
    let mut newest = tab(&server, "ann", "g").await;
    assert_eq!(newer.closed().await, Some(4290));
    assert!(is_open(&mut newest).await);
}

#[tokio::test]
async fn only_a_socket_of_the_same_principal_and_group_is_replaced() {
    let server = TestServer::start(&[]).await;
    let mut clients = vec![
        tab(&server, "ann", "g").await,
        tab(&server, "ann", "h").await,
        tab(&server, "bob", "g").await,
        server.greeted(json!({"as": "agent/ann", "group": "g"})).await,
        server.greeted(json!({"as": "user/ann", "client": "g"})).await,
        server.greeted(json!({"as": "user/ann", "client": "g"})).await,
    ];
    for client in &mut clients {
        assert!(is_open(client).await);
    }
    assert_eq!(server.metric(CONNECTIONS).await, clients.len() as u64);
}

#[tokio::test]
async fn a_storm_of_sockets_of_one_group_leaves_one() {
    let server = TestServer::start(&[]).await;
    let hello = json!({"type": "hello", "as": "user/ann", "group": "g"});
    let mut clients = join_all((0..100).map(async |_| {
        let mut client = Client::open(server.address).await;
        client.send(&hello).await;
        // One that is replaced at once need not be welcomed first.
        assert!(matches!(client.next().await, Incoming::Frame(_)));
        client
    }))
    .await;
    server.until_metric(CONNECTIONS, 1).await;
    let mut open = 0;
    for client in &mut clients {
        // Whoever is replaced cannot send any more, and answers nothing.
        let ping = json!({"type": "ping", "request": 1}).to_string();
        let _ = client.socket.send(Message::text(ping)).await;
        loop {
            match client.next().await {
                Incoming::Frame(frame) if frame["type"] == "pong" => break open += 1,
                Incoming::Frame(_) => {}
                Incoming::Closed(code) => break assert_eq!(code, Some(4290)),
            }
        }
    }
    assert_eq!(open, 1);
    assert_eq!(server.metric(CONNECTIONS).await, 1);
}

#[tokio::test]
async fn what_a_replaced_socket_had_under_way_is_asked_again_and_counts_once() {
    let server = TestServer::start(&[]).await;
    let mut older = tab(&server, "ann", "g").await;
    server.store.hold_sync();
    let publish =
        json!({"type": "publish", "request": 1, "session": "s", "events": [note("m", "x")]});
    older.send(&publish).await;
    server.store.until_waiting(1).await;
    let mut newer = tab(&server, "ann", "g").await;
    assert_eq!(older.closed().await, Some(4290));
    newer.send(&publish).await;
    server.store.release_sync();
    let ack = newer.frame_of("ack").await;
    assert_eq!((&ack["first"], &ack["last"]), (&json!(1), &json!(1)));
    assert_eq!(newer.attach("s").await["tail"], 1);
}
