//! `GET …/transcript`: the fold of the log, for first paint, agents' history and curl.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::Transcript;
use durable_sessions_protocol::offset::Offset;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;

use super::App;
use super::problem::{Refused, invalid, unavailable};
use super::request::{NEXT_OFFSET, SESSION_LOG, SessionPath, check_log, log_value};
use crate::auth;
use crate::hub::Session;
use crate::limits::HTTP_PAGE_MAX_BYTES;

/// Which part of the transcript is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    last: Option<String>,
    before: Option<String>,
}

/// Folds the log up to its tail.
pub(super) async fn transcript(
    State(app): State<App>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
    query: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Refused> {
    auth::of_request(&headers)?;
    let Query(part) = query.map_err(|error| invalid(format!("the query is not valid: {error}")))?;
    if part.last.is_some() || part.before.is_some() {
        let problem = Problem::new(
            ErrorCode::NotSupported,
            "this server does not support `last` and `before`: leave them out",
        );
        return Err(problem.into());
    }
    let session = app.hub.existing(&id).await?;
    check_log(&headers, &session)?;
    let transcript = fold(&session).await?;
    let body = transcript.to_json().to_string();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    let mut response = (headers, body).into_response();
    if let Ok(offset) = transcript.offset().to_http().parse() {
        response.headers_mut().insert(NEXT_OFFSET, offset);
    }
    if let Some(log) = log_value(&session) {
        response.headers_mut().insert(SESSION_LOG, log);
    }
    Ok(response)
}

async fn fold(session: &Session) -> Result<Transcript, Problem> {
    let mut transcript = Transcript::new(session.log().clone());
    let mut reader = session.reader(Offset::ZERO);
    // The tail of now: a busy session must not keep the answer waiting for ever.
    let tail = session.tail();
    while reader.cursor() < tail {
        let page = reader.poll_page(HTTP_PAGE_MAX_BYTES).await.map_err(|_| unavailable())?;
        let Some(page) = page else { break };
        for event in page.events() {
            transcript.apply(&serde_json::from_str(event).map_err(|_| unavailable())?);
        }
        // A long log is folded without holding up the other sessions of this thread.
        tokio::task::yield_now().await;
    }
    Ok(transcript)
}
