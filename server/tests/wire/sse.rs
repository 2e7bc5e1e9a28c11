//! Following a session over SSE.

use std::net::SocketAddr;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use crate::support::{PATIENCE, Request, TestServer, note};

const EVENTS: &str = "/v1/sessions/s/events";

/// An SSE stream, event by event.
struct Stream {
    body: Incoming,
    text: String,
}

impl Stream {
    async fn open(address: SocketAddr, request: Request) -> Self {
        let response = request.open(address).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event's name and data; `None` when the stream ends.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.unwrap_or_default().trim().to_owned()
                };
                let data = serde_json::from_str(&field("data:")).unwrap();
                return Some((field("event:"), data));
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("something comes")?;
            let bytes = frame.ok()?.into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    async fn expect(&mut self, name: &str) -> Value {
        let (event, data) = self.next().await.expect("an event");
        assert_eq!(event, name);
        data
    }
}

async fn post(server: &TestServer, id: &str) {
    let posted = Request::post(EVENTS, &note(id, "x")).send(server.address).await;
    assert_eq!(posted.status, 204);
}

#[tokio::test]
async fn a_stream_replays_and_then_follows_with_a_control_after_every_data() {
    let server = TestServer::start(&[]).await;
    post(&server, "m1").await;
    let mut stream =
        Stream::open(server.address, Request::get(&format!("{EVENTS}?offset=-1&live=sse"))).await;
    assert_eq!(stream.expect("data").await[0]["id"], "m1");
    let control = stream.expect("control").await;
    assert_eq!(control["streamNextOffset"], "00000000000000000001");
    assert_eq!(control["upToDate"], true);
    assert!(control["streamCursor"].is_string());

    post(&server, "m2").await;
    assert_eq!(stream.expect("data").await[0]["id"], "m2");
    assert_eq!(stream.expect("control").await["streamNextOffset"], "00000000000000000002");
    assert_eq!(server.metric("durable_sessions_sse_streams").await, 1);
}

#[tokio::test]
async fn a_stream_with_nothing_to_say_says_that_it_is_up_to_date() {
    let server = TestServer::start(&[]).await;
    post(&server, "m1").await;
    let mut stream =
        Stream::open(server.address, Request::get(&format!("{EVENTS}?offset=now&live=sse"))).await;
    let control = stream.expect("control").await;
    assert_eq!(control["streamNextOffset"], "00000000000000000001");
    assert_eq!(control["upToDate"], true);
    post(&server, "m2").await;
    assert_eq!(stream.expect("data").await[0]["offset"], 2);
}

#[tokio::test]
async fn a_browsers_event_source_resumes_where_it_was() {
    let server = TestServer::start(&[]).await;
    for id in ["m1", "m2", "m3"] {
        post(&server, id).await;
    }
    let request = Request::get(&format!("{EVENTS}?offset=-1&live=sse"))
        .header("last-event-id", "00000000000000000002");
    let mut stream = Stream::open(server.address, request).await;
    let events = stream.expect("data").await;
    assert_eq!((events[0]["id"].as_str(), events.as_array().unwrap().len()), (Some("m3"), 1));
}

#[tokio::test]
async fn a_stream_ends_when_the_server_shuts_down() {
    let mut server = TestServer::start(&[]).await;
    post(&server, "m1").await;
    let mut stream =
        Stream::open(server.address, Request::get(&format!("{EVENTS}?live=sse"))).await;
    stream.expect("data").await;
    stream.expect("control").await;
    server.shut_down();
    assert_eq!(stream.next().await, None);
    server.ended().await;
}
