//! Reading the parts of a request that several routes share.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::limits::FRAME_MAX_BYTES;
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::problem::{Refused, invalid};
use crate::hub::Session;
use crate::limits::{HTTP_BODY_TIMEOUT_MS, SURPLUS_DISCARD_MS};

/// The log's id, in requests and answers.
pub(super) const SESSION_LOG: HeaderName = HeaderName::from_static("session-log");
/// The offset of the last event delivered or appended, 20 digits.
pub(super) const NEXT_OFFSET: HeaderName = HeaderName::from_static("stream-next-offset");

/// The session a path names.
pub(super) struct SessionPath(pub(super) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| invalid(format!("the path is not valid: {error}")))?;
        let id =
            id.parse().map_err(|error| invalid(format!("the session id in the path {error}")))?;
        Ok(Self(id))
    }
}

/// A JSON request body as text.
pub(super) async fn json_text(headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    check_json(headers)?;
    text(headers, body).await
}

/// The same of a request that may have none.
pub(super) async fn json_text_if_any(
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<String>, Problem> {
    let text = text(headers, body).await?;
    if text.is_empty() {
        return Ok(None);
    }
    check_json(headers)?;
    Ok(Some(text))
}

fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    Err(invalid("send `Content-Type: application/json`"))
}

async fn text(headers: &HeaderMap, body: Body) -> Result<String, Problem> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    let read = timeout(Duration::from_millis(HTTP_BODY_TIMEOUT_MS), read(announced, body));
    let bytes = read.await.map_err(|_| invalid("the request's body did not come in time"))??;
    String::from_utf8(bytes).map_err(|_| invalid("the request's body is not UTF-8"))
}

async fn read(announced: usize, body: Body) -> Result<Vec<u8>, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::with_capacity(announced.min(FRAME_MAX_BYTES));
    while let Some(chunk) = stream.next().await {
        let chunk: Bytes = chunk.map_err(|_| invalid("the request's body broke off"))?;
        if bytes.len() + chunk.len() > FRAME_MAX_BYTES {
            // A client that is still sending would see a reset connection, not the answer.
            let discard = async { while let Some(Ok(_)) = stream.next().await {} };
            let _ = timeout(Duration::from_millis(SURPLUS_DISCARD_MS), discard).await;
            return Err(Problem::new(
                ErrorCode::TooLarge,
                format!("the request's body is over {FRAME_MAX_BYTES} bytes: send fewer events"),
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The log a request names in its `Session-Log`.
pub(super) fn named_log(headers: &HeaderMap) -> Result<Option<LogId>, Problem> {
    let Some(value) = headers.get(SESSION_LOG) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    text.parse().map(Some).map_err(|error| invalid(format!("`Session-Log` {error}")))
}

/// Refuses a request that names another log than the session has.
pub(super) fn check_log(headers: &HeaderMap, session: &Session) -> Result<(), Refused> {
    match named_log(headers)? {
        Some(log) if log != *session.log() => {
            let problem = Problem::new(
                ErrorCode::LogChanged,
                format!("the session's log is {}, not {log}: start over", session.log()),
            );
            Err(with_log(problem.into(), session))
        }
        Some(_) | None => Ok(()),
    }
}

/// Adds the session's `Session-Log` to a refusal.
pub(super) fn with_log(refused: Refused, session: &Session) -> Refused {
    match log_value(session) {
        Some(value) => refused.with(SESSION_LOG, value),
        None => refused,
    }
}

/// The session's log id as a header; it has no characters a header may not have.
pub(super) fn log_value(session: &Session) -> Option<HeaderValue> {
    HeaderValue::from_str(session.log().as_str()).ok()
}
