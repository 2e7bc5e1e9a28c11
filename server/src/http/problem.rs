//! Errors over HTTP: RFC 9457 `application/problem+json`.

use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::{ErrorCode, Problem, SideEffects};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Serialize;

use crate::hub::Refusal;

/// A request that was not done, and the headers its answer has.
#[derive(Debug)]
pub(super) struct Refused {
    problem: Problem,
    index: Option<usize>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// The same refusal with one more header.
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A refusal by a rule of the session. A missing run or message is no missing session, and on
    /// `…/events` 403 and 409 have only Durable Streams' meanings.
    pub(super) fn by_rule(refusal: Refusal) -> Self {
        let Refusal { mut problem, index } = refusal;
        if matches!(problem.code, ErrorCode::NotFound | ErrorCode::Forbidden) {
            problem.status = StatusCode::UNPROCESSABLE_ENTITY.as_u16();
        }
        Self { index, ..problem.into() }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problem, index: None, headers: Vec::new() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            problem: &'a Problem,
            #[serde(skip_serializing_if = "Option::is_none")]
            index: Option<usize>,
        }
        let Self { problem, index, headers } = self;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&Body { problem: &problem, index }).unwrap_or_default();
        let mut response = (status, body).into_response();
        let extra = headers;
        let headers = response.headers_mut();
        headers.extend(extra);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait_ms) = problem.retry_after_ms {
            headers.insert(RETRY_AFTER, wait_ms.div_ceil(1000).into());
        }
        response.extensions_mut().insert(problem.code);
        response
    }
}

/// A request that is not what the route takes.
pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Invalid, detail)
}

/// The store failed under a request: whether it took effect is not known.
pub(super) fn outcome_unknown() -> Problem {
    let mut problem = unavailable();
    problem.side_effects = SideEffects::Unknown;
    problem
}

/// The store failed under a read.
pub(super) fn unavailable() -> Problem {
    Problem::new(ErrorCode::Unavailable, "the session's log cannot be used right now; try again")
}

/// The answer to routes that later versions have.
pub(super) async fn not_supported(method: Method, uri: Uri) -> Refused {
    Problem::new(
        ErrorCode::NotSupported,
        format!("this server does not support {method} {}", uri.path()),
    )
    .into()
}

/// The answer to a known route with another method; the router adds `Allow`.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Refused {
    invalid(format!("{} does not take {method}", uri.path()))
        .with_status(StatusCode::METHOD_NOT_ALLOWED.as_u16())
        .into()
}
