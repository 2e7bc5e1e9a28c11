//! `POST …/stop`: a stop without a socket.

use std::borrow::Cow;
use std::fmt;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::event::Draft;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::App;
use super::problem::{Refused, invalid, outcome_unknown};
use super::request::{SESSION_LOG, SessionPath, json_text, log_value, named_log, with_log};
use crate::auth;
use crate::hub::{Publish, Writer};

/// Appends a stop and answers with its receipt.
pub(super) async fn stop(
    State(app): State<App>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let writer = Writer { principal: auth::of_request(&headers)?, connection: None };
    let log = named_log(&headers)?;
    let draft = draft(&json_text(&headers, body).await?)?;
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

/// The event a request's body stands for. It is stored as it was posted, so the same stop is the same
/// act whether it comes here or as an event.
fn draft(body: &str) -> Result<Draft, Problem> {
    let mut stop: Fields = serde_json::from_str(body)
        .map_err(|error| invalid(format!("the request's body is not a stop: {error}")))?;
    stop.fill("id", || format!(r#""stop-{:032x}""#, rand::random::<u128>()));
    stop.fill("kind", || r#""stop.requested""#.to_owned());
    if !stop.has("kind", "stop.requested") {
        return Err(invalid("`kind` is `stop.requested` here, and may be left out"));
    }
    Draft::parse(&stop.to_string())
}

/// The fields of a JSON object in their order, names and values as they were written.
struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Fields<'_> {
    /// Gives a field a value that is not there, or `null`, which counts as absent.
    fn fill(&mut self, name: &str, value: impl FnOnce() -> String) {
        match self.0.iter_mut().find(|(key, _)| is_string(key, name)) {
            Some((_, written)) if written == "null" => *written = value().into(),
            Some(_) => {}
            None => self.0.insert(0, (format!("\"{name}\"").into(), value().into())),
        }
    }

    /// Whether a field is this string.
    fn has(&self, name: &str, text: &str) -> bool {
        self.0.iter().any(|(key, value)| is_string(key, name) && is_string(value, text))
    }
}

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            write!(f, "{before}{name}:{value}")?;
        }
        f.write_str("}")
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            fields.push((name.get().into(), value.get().into()));
        }
        Ok(Fields(fields))
    }
}

/// Whether a JSON text is this string, however it is spelled.
fn is_string(json: &str, text: &str) -> bool {
    serde_json::from_str::<String>(json).is_ok_and(|string| string == text)
}
