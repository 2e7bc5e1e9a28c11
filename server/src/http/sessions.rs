//! `GET /v1/sessions/{id}`: a session at a glance.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::frame::Member;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;

use super::App;
use super::problem::{Refused, unavailable};
use super::request::{SESSION_LOG, SessionPath, check_log, log_value};
use crate::auth;
use crate::hub::Description;

#[derive(Serialize)]
struct Glance {
    #[serde(flatten)]
    description: Description,
    presence: Vec<Member>,
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
