//! `GET` and `HEAD …/events`: catch-up reads; live ones are in [`super::sse`].

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::offset::Offset;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::App;
use super::problem::{Refused, invalid, unavailable};
use super::request::{NEXT_OFFSET, SESSION_LOG, SessionPath, check_log, log_value, with_log};
use super::sse;
use crate::auth;
use crate::hub::Session;
use crate::limits::HTTP_PAGE_MAX_BYTES;

const UP_TO_DATE: HeaderName = HeaderName::from_static("stream-up-to-date");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a read asks for.
#[derive(Debug, Deserialize)]
pub(super) struct Read {
    /// `-1`: from the start; `now`: from the tail; else after that offset.
    offset: Option<String>,
    /// `sse` to follow the session.
    live: Option<String>,
    /// The `Stream-Cursor` of an earlier answer.
    cursor: Option<String>,
}

/// Reads events after an offset.
pub(super) async fn read(
    State(app): State<App>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
    query: Result<Query<Read>, QueryRejection>,
) -> Result<Response, Refused> {
    auth::of_request(&headers)?;
    let Query(read) = query.map_err(|error| invalid(format!("the query is not valid: {error}")))?;
    let session = app.hub.existing(&id).await?;
    check_log(&headers, &session)?;
    match read.live.as_deref() {
        None => {
            let after = start(&session, read.offset.as_deref())?;
            page(&session, after).await.map_err(|refused| with_log(refused, &session))
        }
        Some("sse") => {
            // A browser's own EventSource repeats its first URL; this header says how far it came.
            let resumed = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
            let after = start(&session, resumed.or(read.offset.as_deref()))?;
            Ok(with_metadata(sse::follow(&app, &session, after, read.cursor), &session))
        }
        Some("long-poll") => Err(Problem::new(
            ErrorCode::NotSupported,
            "this server does not support `live=long-poll`: use `live=sse`",
        )
        .into()),
        Some(_) => Err(invalid("`live` is `sse` or `long-poll`").into()),
    }
}

/// Where the log stands.
pub(super) async fn metadata(
    State(app): State<App>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    auth::of_request(&headers)?;
    let session = app.hub.existing(&id).await?;
    check_log(&headers, &session)?;
    let response = with_offset(json(String::new()), session.tail());
    Ok(with_metadata(response, &session))
}

async fn page(session: &Session, after: Offset) -> Result<Response, Refused> {
    let mut reader = session.reader(after);
    let chunk = reader.poll_page(HTTP_PAGE_MAX_BYTES).await.map_err(|_| unavailable())?;
    let array = chunk.map_or_else(|| "[]".to_owned(), |chunk| chunk.array().to_owned());
    let mut response = with_offset(json(array), reader.cursor());
    if reader.cursor() >= session.tail() {
        response.headers_mut().insert(UP_TO_DATE, HeaderValue::from_static("true"));
    }
    Ok(with_metadata(response, session))
}

/// The offset a read starts after.
fn start(session: &Session, offset: Option<&str>) -> Result<Offset, Refused> {
    let tail = session.tail();
    let after = match offset {
        None | Some("-1") => Offset::ZERO,
        Some("now") => tail,
        Some(text) => Offset::parse_http(text)
            .ok_or_else(|| invalid("`offset` is `-1`, `now` or a `Stream-Next-Offset`"))?,
    };
    if after > tail {
        let problem = Problem::new(
            ErrorCode::LogChanged,
            format!("the log ends at {tail}, before {after}: start over"),
        );
        return Err(with_log(problem.into(), session));
    }
    Ok(after)
}

fn json(body: String) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn with_offset(mut response: Response, offset: Offset) -> Response {
    if let Ok(offset) = offset.to_http().parse() {
        response.headers_mut().insert(NEXT_OFFSET, offset);
    }
    response
}

fn with_metadata(mut response: Response, session: &Session) -> Response {
    if let Some(log) = log_value(session) {
        response.headers_mut().insert(SESSION_LOG, log);
    }
    response
}
