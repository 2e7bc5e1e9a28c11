//! `POST …/stop`: a stop without a socket.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::event::{Draft, Event, StopRequested, stop_target};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::App;
use super::problem::{Refused, invalid, outcome_unknown};
use super::request::{SESSION_LOG, SessionPath, json_text, log_value, named_log, with_log};
use crate::auth;
use crate::hub::{Publish, Writer};

/// A stop as a request's body.
#[derive(Debug, Deserialize)]
struct Stop {
    /// Makes it safe to send again; made up when absent.
    id: Option<Id>,
    run: Option<Id>,
    message: Option<Id>,
    all: Option<bool>,
    seen: Option<Offset>,
    cascade: Option<bool>,
    reason: Option<String>,
}

/// Appends a stop and answers with its receipt.
pub(super) async fn stop(
    State(app): State<App>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let writer = Writer { principal: auth::of_request(&headers)?, connection: None };
    let log = named_log(&headers)?;
    let text = json_text(&headers, body).await?;
    let stop: Stop = serde_json::from_str(&text)
        .map_err(|error| invalid(format!("the request's body is not a stop: {error}")))?;
    let event = Event::StopRequested(StopRequested {
        target: stop_target(stop.run, stop.message, stop.all, stop.seen)?,
        id: match stop.id {
            Some(id) => id,
            None => random_id().ok_or_else(|| invalid("a stop needs an `id`"))?,
        },
        cascade: stop.cascade.unwrap_or(true),
        reason: stop.reason,
        runs: None,
    });
    // Parsed like every event of a client: a long reason is over the same limit.
    let draft = Draft::parse(&event.to_json())?;
    app.check_serving()?;

    let session = app.hub.existing(&id).await?;
    let publish =
        Publish { writer, log, producer: None, declare_epoch: true, drafts: Ok(vec![draft]) };
    let answer = session.publish(publish).await;
    let published = answer
        .await
        .map_err(|_| outcome_unknown())?
        .map_err(|refusal| with_log(Refused::by_rule(refusal), &session))?;
    app.metrics.published(&published);

    let receipt = serde_json::to_string(&published.receipt).unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    let mut response = (StatusCode::ACCEPTED, headers, receipt).into_response();
    if let Some(log) = log_value(&session) {
        response.headers_mut().insert(SESSION_LOG, log);
    }
    Ok(response)
}

fn random_id() -> Option<Id> {
    Id::parse(&format!("stop-{:032x}", rand::random::<u128>())).ok()
}
