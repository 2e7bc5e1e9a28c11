//! What every request passes: the Host and Origin rules, CORS, and headers all answers have.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::ErrorCode;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::App;
use super::problem::Refused;
use crate::auth::Origin;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
const REQUEST_HEADERS: &str = "Authorization, Content-Type, If-None-Match, Last-Event-ID, \
     Producer-Id, Producer-Epoch, Producer-Seq, Session-As, Session-Log";
const RESPONSE_HEADERS: &str = "Producer-Epoch, Producer-Expected-Seq, Producer-Received-Seq, \
     Producer-Seq, Retry-After, Session-Log, Stream-Cursor, Stream-Next-Offset, Stream-Up-To-Date";
/// How long a browser may remember a preflight.
const PREFLIGHT_MAX_AGE_S: u32 = 600;

/// Lets a request pass or refuses it, and finishes its answer.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    app.metrics.http_requests.add(1);
    let mut response = match app.borders.check(request.headers()) {
        Ok(origin) => {
            let is_preflight = request.method() == Method::OPTIONS
                && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
            let mut response = match &origin {
                Origin::Allowed(_) if is_preflight => preflight(),
                Origin::None | Origin::Own | Origin::Allowed(_) => next.run(request).await,
            };
            let policy = match origin {
                Origin::Allowed(origin) => {
                    allow(response.headers_mut(), &origin);
                    "cross-origin"
                }
                Origin::None | Origin::Own => "same-origin",
            };
            response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static(policy));
            response
        }
        Err(mut problem) => {
            if request.uri().path().ends_with("/events") {
                // There 403 means that a producer is fenced.
                problem.status = StatusCode::UNPROCESSABLE_ENTITY.as_u16();
            }
            Refused::from(problem).into_response()
        }
    };
    if let Some(&code) = response.extensions().get::<ErrorCode>() {
        app.metrics.refuse(code);
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !app.borders.allow_origins.is_empty() {
        headers.append(VARY, ORIGIN.into());
    }
    response
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE_S.into());
    response
}

fn allow(headers: &mut HeaderMap, origin: &str) {
    if let Ok(origin) = HeaderValue::from_str(origin) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
    }
}
