//! `Session-Log` on every answer about a session, also on those that came before it was looked up.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;

use super::App;
use super::problem::Refused;
use super::request::{SESSION_LOG, SessionPath};
use crate::auth;

/// Adds the log of the session that the path names to an answer that does not tell it. Who is not
/// let in is not told, and no session is started for it.
pub(super) async fn tell(
    State(app): State<App>,
    session: Result<SessionPath, Refused>,
    request: Request,
    next: Next,
) -> Response {
    let is_let_in = auth::of_request(request.headers()).is_ok();
    let mut response = next.run(request).await;
    if is_let_in
        && !response.headers().contains_key(SESSION_LOG)
        && let Ok(SessionPath(id)) = session
        && let Ok(Some(log)) = app.hub.log_of(&id).await
        && let Ok(log) = HeaderValue::from_str(log.as_str())
    {
        response.headers_mut().insert(SESSION_LOG, log);
    }
    response
}
