//! `GET /v1/sessions`: which sessions there are; `GET /v1/sessions/{id}`: one at a glance.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::frame::Member;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::{Deserialize, Serialize};

use super::App;
use super::problem::{Refused, invalid, unavailable};
use super::request::{SESSION_LOG, SessionPath, check_log, log_value};
use crate::auth;
use crate::hub::Description;
use crate::limits::{
    LISTING_DEFAULT_SESSIONS, LISTING_MAX_SESSIONS, LISTING_READ_SESSIONS, LISTING_TITLES_MAX_BYTES,
};
use crate::log::SessionSummary;

/// Which sessions are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    prefix: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    sessions: Vec<Line>,
    /// `after` for the sessions behind these.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<SessionId>,
}

#[derive(Serialize)]
struct Line {
    id: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    tail: Offset,
    log: LogId,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<u64>,
}

impl From<SessionSummary> for Line {
    fn from(summary: SessionSummary) -> Self {
        let SessionSummary { id, log, tail, title, updated_at } = summary;
        Self { id, title, tail, log, updated_at }
    }
}

#[derive(Serialize)]
struct Glance {
    #[serde(flatten)]
    description: Description,
    presence: Vec<Member>,
}

/// Sessions with events in the order of their ids' bytes. None of them is started for it.
pub(super) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<Listing>, QueryRejection>,
) -> Result<Response, Refused> {
    auth::of_request(&headers)?;
    let Query(listing) =
        query.map_err(|error| invalid(format!("the query is not valid: {error}")))?;
    let (prefix, after, limit) = listing.read()?;
    let listed = page(&app, &prefix, after, limit).await?;
    let body = serde_json::to_string(&listed).unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// As many sessions as were asked for, or as their titles allow.
async fn page(
    app: &App,
    prefix: &str,
    mut after: Option<SessionId>,
    limit: usize,
) -> Result<Listed, Problem> {
    let mut sessions = Vec::new();
    let mut title_bytes = 0;
    loop {
        // One more tells whether there are more.
        let wanted = (limit + 1 - sessions.len()).min(LISTING_READ_SESSIONS);
        let found = app.hub.list(prefix, after.as_ref(), wanted).await?;
        let is_end = found.len() < wanted;
        for summary in found {
            title_bytes += summary.title.as_ref().map_or(0, String::len);
            let is_too_large = title_bytes > LISTING_TITLES_MAX_BYTES && !sessions.is_empty();
            if sessions.len() == limit || is_too_large {
                return Ok(Listed { sessions, next: after });
            }
            after = Some(summary.id.clone());
            sessions.push(Line::from(summary));
        }
        if is_end {
            return Ok(Listed { sessions, next: None });
        }
    }
}

impl Listing {
    fn read(self) -> Result<(String, Option<SessionId>, usize), Problem> {
        let prefix = self.prefix.unwrap_or_default();
        if !prefix.is_empty() {
            // Whatever an id may begin with is an id itself.
            SessionId::parse(&prefix).map_err(|error| invalid(format!("`prefix` {error}")))?;
        }
        let after = self.after.as_deref().map(SessionId::parse).transpose();
        let after = after.map_err(|error| invalid(format!("`after` {error}")))?;
        let limit = match self.limit {
            None => LISTING_DEFAULT_SESSIONS,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=LISTING_MAX_SESSIONS).contains(limit))
                .ok_or_else(|| {
                    invalid(format!("`limit` is a whole number from 1 to {LISTING_MAX_SESSIONS}"))
                })?,
        };
        Ok((prefix, after, limit))
    }
}

/// The log's id and tail, the title, the open runs, and who follows it now.
pub(super) async fn describe(
    State(app): State<App>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    auth::of_request(&headers)?;
    let session = app.hub.existing(&id).await?;
    check_log(&headers, &session)?;
    let description = session.describe().await.await.map_err(|_| unavailable())?;
    let glance = Glance { description, presence: session.members() };
    let body = serde_json::to_string(&glance).unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    let mut response = (headers, body).into_response();
    if let Some(log) = log_value(&session) {
        response.headers_mut().insert(SESSION_LOG, log);
    }
    Ok(response)
}
