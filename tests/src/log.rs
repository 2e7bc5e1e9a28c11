//! Logs as they are read over HTTP.

use std::net::SocketAddr;

use serde_json::Value;

use crate::http;

/// All events of a session, page by page. Fails the test unless their offsets are 1, 2, 3 and so on.
pub async fn read(server: SocketAddr, session: &str) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let after = events.len();
        let path = format!("/v1/sessions/{session}/events?offset={after:020}");
        let page = http::get(server, &path).await.expect("a server that lives");
        assert_eq!(page.status, 200, "{path}: {}", String::from_utf8_lossy(&page.body));
        let Value::Array(more) = page.json() else { panic!("{path}: not an array") };
        for event in more {
            assert_eq!(event["offset"], events.len() as u64 + 1, "{session}: offsets are dense");
            events.push(event);
        }
        assert_eq!(page.offset(), events.len() as u64, "{path}: the offset it reached");
        if page.headers.contains_key("stream-up-to-date") {
            return events;
        }
    }
}

/// The folded transcript.
pub async fn transcript(server: SocketAddr, session: &str) -> Value {
    let path = format!("/v1/sessions/{session}/transcript");
    let answer = http::get(server, &path).await.expect("a server that lives");
    assert_eq!(answer.status, 200, "{path}");
    answer.json()
}

/// Waits until the log is as wanted.
pub async fn until<T>(
    server: SocketAddr,
    session: &str,
    wanted: impl Fn(&[Value]) -> Option<T>,
) -> T {
    loop {
        if let Some(found) = wanted(&read(server, session).await) {
            return found;
        }
        // Polling a file of the server's; there is nothing to be told by.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The first event of a kind with a field of a value.
pub fn find<'a>(events: &'a [Value], kind: &str, field: &str, value: &str) -> Option<&'a Value> {
    events.iter().find(|event| event["kind"] == kind && event[field] == value)
}

/// The offsets of a run's deltas.
pub fn deltas(events: &[Value], run: &str) -> Vec<u64> {
    let own = events.iter().filter(|event| event["kind"] == "delta" && event["run"] == run);
    own.map(|event| event["offset"].as_u64().unwrap()).collect()
}

/// The text of a run's deltas.
pub fn text(events: &[Value], run: &str) -> String {
    let own = events.iter().filter(|event| event["kind"] == "delta" && event["run"] == run);
    own.map(|event| event["text"].as_str().unwrap()).collect()
}
