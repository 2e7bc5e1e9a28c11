//! `GET …/transcript`: the fold of the log, for first paint, agents' history and curl; of all of it
//! or of some messages, and then not much more than those is read.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::fold::Transcript;
use durable_sessions_protocol::offset::Offset;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::problem::{Refused, invalid, unavailable};
use super::request::{NEXT_OFFSET, SESSION_LOG, SessionPath, check_log, log_value};
use crate::auth;
use crate::hub::{Part, Session};
use crate::limits::HTTP_PAGE_MAX_BYTES;

/// Which messages are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    last: Option<u64>,
    before: Option<String>,
}

/// Folds what it takes for the messages wanted, as of the tail.
pub(super) async fn transcript(
    State(app): State<App>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refused> {
    auth::of_request(&headers)?;
    let Query(wanted) =
        query.map_err(|error| invalid(format!("the query is not valid: {error}")))?;
    let before = wanted.before.as_deref().map(|before| {
        Offset::parse_http(before).ok_or_else(|| invalid("`before` is not an offset"))
    });
    let before = before.transpose()?;
    let session = app.hub.existing(&id).await?;
    check_log(&headers, &session)?;
    let part = session.part(wanted.last, before).await.ok_or_else(unavailable)?;
    let transcript = fold(&session, &part).await?;
    let is_part = wanted.last.is_some() || before.is_some();
    let mut body =
        if is_part { transcript.page(&part.shown, part.before) } else { transcript.to_json() };
    if let Value::Object(fields) = &mut body {
        // It may have been set before the part begins.
        fields.insert("title".to_owned(), json!(part.title));
    }
    let body = body.to_string();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    let mut response = (headers, body).into_response();
    if let Ok(offset) = part.tail.to_http().parse() {
        response.headers_mut().insert(NEXT_OFFSET, offset);
    }
    if let Some(log) = log_value(&session) {
        response.headers_mut().insert(SESSION_LOG, log);
    }
    Ok(response)
}

async fn fold(session: &Session, part: &Part) -> Result<Transcript, Problem> {
    let mut transcript = Transcript::part(session.log().clone(), part.first);
    for &at in &part.earlier {
        apply_one(session, at, &mut transcript).await?;
    }
    for (id, run) in &part.left_out {
        transcript.leave_out(&json!({"id": id, "run": run}));
    }
    let mut reader = session.reader(part.first.prev());
    while reader.cursor() < part.until {
        let page = reader.poll_page(HTTP_PAGE_MAX_BYTES).await.map_err(|_| unavailable())?;
        let Some(page) = page else { break };
        let wanted = part.until.since(page.first().prev());
        for event in page.events().take(usize::try_from(wanted).unwrap_or(usize::MAX)) {
            transcript.apply(&parse(event)?);
        }
        // A long log is folded without holding up the other sessions of this thread.
        tokio::task::yield_now().await;
    }
    for (id, run) in &part.hidden {
        transcript.hide(id, run.as_ref());
    }
    for &at in &part.later {
        apply_one(session, at, &mut transcript).await?;
    }
    if !part.stopping.is_empty() {
        // Their stops may stand anywhere before.
        transcript.apply(&json!({"kind": "stop.requested", "runs": part.stopping}));
    }
    transcript.advance(part.tail);
    Ok(transcript)
}

/// Reads a single event.
async fn apply_one(
    session: &Session,
    at: Offset,
    transcript: &mut Transcript,
) -> Result<(), Problem> {
    let page = session.reader(at.prev()).poll_page(1).await.map_err(|_| unavailable())?;
    if let Some(event) = page.iter().flat_map(|page| page.events()).next() {
        transcript.apply(&parse(event)?);
    }
    Ok(())
}

fn parse(event: &str) -> Result<Value, Problem> {
    serde_json::from_str(event).map_err(|_| unavailable())
}
