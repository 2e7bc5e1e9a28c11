//! Ranges of events a client asked for. They are read one at a time and only when the socket can
//! take the page, so a flood of requests costs no more than the requests themselves.

use std::collections::VecDeque;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::frame::{Fetch, RequestId, page_frame};
use durable_sessions_protocol::limits::{BATCH_TARGET_BYTES, FETCHES_MAX_WAITING, PAGE_MAX_EVENTS};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::http::problem::unavailable;
use crate::hub::Hub;
use crate::log::BoxFuture;

/// The fetches of a socket that have no answer yet.
#[derive(Default)]
pub(super) struct Fetches {
    waiting: VecDeque<Box<Fetch>>,
    reading: Option<BoxFuture<'static, Fetched>>,
}

/// The answer to a fetch.
pub(super) struct Fetched {
    pub(super) request: Option<RequestId>,
    pub(super) page: Result<Utf8Bytes, Problem>,
}

impl Fetches {
    /// Takes one more, unless too many wait.
    pub(super) fn push(&mut self, fetch: Box<Fetch>) -> Result<(), Problem> {
        if self.waiting.len() + usize::from(self.reading.is_some()) >= FETCHES_MAX_WAITING {
            return Err(Problem::new(
                ErrorCode::RateLimited,
                format!("at most {FETCHES_MAX_WAITING} fetches of a connection wait at a time"),
            ));
        }
        self.waiting.push_back(fetch);
        Ok(())
    }

    /// Whether all are answered.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.reading.is_none()
    }

    /// The next answer; `None` when nothing is asked. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, hub: &Hub) -> Option<Fetched> {
        if self.reading.is_none() {
            let fetch = self.waiting.pop_front()?;
            let hub = hub.clone();
            self.reading = Some(Box::pin(async move {
                Fetched { request: fetch.request, page: page(&hub, &fetch).await }
            }));
        }
        let fetched = self.reading.as_mut()?.await;
        self.reading = None;
        Some(fetched)
    }
}

async fn page(hub: &Hub, fetch: &Fetch) -> Result<Utf8Bytes, Problem> {
    let Fetch { request, session, log, after, limit, merge } = fetch;
    let session = hub.existing(session).await?;
    if session.log() != log {
        let problem = Problem::new(
            ErrorCode::LogChanged,
            format!("the session's log is {}: start over", session.log()),
        );
        return Err(problem);
    }
    let tail = session.tail();
    if *after > tail {
        let problem = Problem::new(
            ErrorCode::LogChanged,
            format!("the log ends at {tail}, before {after}: start over"),
        );
        return Err(problem);
    }
    let mut reader = session.reader(*after).merging(*merge);
    let chunk = reader.poll_page(BATCH_TARGET_BYTES).await.map_err(|_| unavailable())?;
    let events = chunk.iter().flat_map(|chunk| chunk.events());
    let limit = limit.and_then(|limit| usize::try_from(limit.get()).ok());
    let limit = limit.map_or(PAGE_MAX_EVENTS, |limit| limit.min(PAGE_MAX_EVENTS));
    let (limit, last) = if *merge {
        (usize::MAX, reader.cursor())
    } else {
        (limit, after.plus(events.clone().take(limit).count() as u64))
    };
    let events = events.take(limit);
    Ok(page_frame(*request, session.id(), log, after.next(), last, events).into())
}
