//! `live=sse`: the log as it grows, in the events of Durable Streams.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::offset::Offset;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{App, Phase, reached};
use crate::hub::{Chunk, Reader, Session};
use crate::limits::{SSE_BATCH_BYTES, SSE_KEEP_ALIVE_MS, STREAM_CURSOR_INTERVAL_MS};
use crate::metrics::GaugeGuard;

/// Keeps nginx from collecting events before it passes them on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Where cursor intervals are counted from: 2024-10-09T00:00:00Z.
const CURSOR_EPOCH_MS: u64 = 1_728_432_000_000;
/// Cursors a client that is ahead of the clock is moved on by.
const CURSOR_JITTER_MAX: u64 = 180;
/// A comment: keeps the stream alive and means nothing.
const KEEP_ALIVE: &str = ":\n\n";

/// Streams the events after an offset until the client goes or the server shuts down.
pub(super) fn follow(
    app: &App,
    session: &Session,
    after: Offset,
    cursor: Option<String>,
) -> Response {
    let follower = Follower {
        session: session.clone(),
        reader: session.reader(after),
        cursor: Cursor { of_client: cursor.and_then(|cursor| cursor.parse().ok()) },
        phase: app.phase.clone(),
        is_started: false,
        _open: app.metrics.sse_streams.enter(),
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let text = follower.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), follower))
    });
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

struct Follower {
    session: Session,
    reader: Reader,
    cursor: Cursor,
    phase: watch::Receiver<Phase>,
    is_started: bool,
    _open: GaugeGuard,
}

impl Follower {
    /// What is sent next; `None` ends the stream. A client resumes from its last offset.
    async fn next(&mut self) -> Option<String> {
        if !self.is_started {
            self.is_started = true;
            // Says at once where the client stands, and that it is up to date when it is.
            if self.reader.cursor() >= self.session.tail() {
                return Some(self.control());
            }
        }
        let wait = Duration::from_millis(SSE_KEEP_ALIVE_MS);
        tokio::select! {
            chunk = timeout(wait, self.reader.next(SSE_BATCH_BYTES)) => match chunk {
                Ok(Ok(chunk)) => Some(self.data(&chunk)),
                Ok(Err(_)) => None,
                Err(_) => Some(KEEP_ALIVE.to_owned()),
            },
            () = reached(&mut self.phase, Phase::Draining) => None,
        }
    }

    /// A `data` event, and the `control` event that follows each of them. An event of the log is one
    /// line, so an array of them is too.
    fn data(&self, chunk: &Chunk) -> String {
        let (id, array, control) = (chunk.last().to_http(), chunk.array(), self.control());
        format!("event: data\nid: {id}\ndata: {array}\n\n{control}")
    }

    fn control(&self) -> String {
        let offset = self.reader.cursor();
        let cursor = self.cursor.next(now_ms());
        let up_to_date = if offset >= self.session.tail() { ",\"upToDate\":true" } else { "" };
        let offset = offset.to_http();
        format!(
            "event: control\ndata: {{\"streamNextOffset\":\"{offset}\",\"streamCursor\":\"{cursor}\"{up_to_date}}}\n\n"
        )
    }
}

/// The `streamCursor` that lets caches tell one live request from the next: the number of the
/// current interval, but always above the one the client sent.
#[derive(Debug)]
struct Cursor {
    of_client: Option<u64>,
}

impl Cursor {
    fn next(&self, now_ms: u64) -> u64 {
        let current = now_ms.saturating_sub(CURSOR_EPOCH_MS) / STREAM_CURSOR_INTERVAL_MS;
        match self.of_client {
            Some(client) if client >= current => {
                client.saturating_add(rand::random_range(1..=CURSOR_JITTER_MAX))
            }
            Some(_) | None => current,
        }
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_above_the_clients() {
        let now = CURSOR_EPOCH_MS + 10 * STREAM_CURSOR_INTERVAL_MS;
        assert_eq!(Cursor { of_client: None }.next(now), 10);
        assert_eq!(Cursor { of_client: Some(9) }.next(now), 10);
        assert!(Cursor { of_client: Some(10) }.next(now) > 10);
        assert!(Cursor { of_client: Some(99) }.next(now) > 99);
    }
}
