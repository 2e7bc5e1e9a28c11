//! Health, readiness and metrics.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::problem::Refused;
use super::{App, problem};

/// The process runs.
pub(super) async fn healthz() -> Response {
    text("text/plain; charset=utf-8", "ok\n".to_owned())
}

/// The server takes requests and its store works.
pub(super) async fn readyz(State(app): State<App>) -> Result<Response, Refused> {
    app.check_serving()?;
    if !app.hub.is_ready() {
        return Err(problem::unavailable().into());
    }
    Ok(text("text/plain; charset=utf-8", "ready\n".to_owned()))
}

/// Counters for Prometheus.
pub(super) async fn metrics(State(app): State<App>) -> Response {
    text("text/plain; version=0.0.4; charset=utf-8", app.metrics.to_text())
}

fn text(content_type: &'static str, body: String) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")], body).into_response()
}
