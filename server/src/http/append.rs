//! `POST …/events`: one event or an array of them.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::frame::ProducerSeq;
use durable_sessions_protocol::offset::Offset;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::value::RawValue;

use super::App;
use super::drafts;
use super::problem::{Refused, invalid, outcome_unknown};
use super::request::{NEXT_OFFSET, SessionPath, json_text, log_value, named_log, with_log};
use crate::auth;
use crate::hub::{Publish, Published, Refusal, Session, Writer};

const PRODUCER_ID: HeaderName = HeaderName::from_static("producer-id");
const PRODUCER_EPOCH: HeaderName = HeaderName::from_static("producer-epoch");
const PRODUCER_SEQ: HeaderName = HeaderName::from_static("producer-seq");
const PRODUCER_EXPECTED_SEQ: HeaderName = HeaderName::from_static("producer-expected-seq");
const PRODUCER_RECEIVED_SEQ: HeaderName = HeaderName::from_static("producer-received-seq");

/// Appends events; with producer headers 200 says they are new and 204 that they were there.
pub(super) async fn append(
    State(app): State<App>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let writer = Writer { principal: auth::of_request(&headers)?, connection: None };
    let log = named_log(&headers)?;
    let producer = named_producer(&headers)?;
    let text = json_text(&headers, body).await?;
    let drafts = drafts::parse(&events(&text)?);
    app.check_serving()?;

    let session = app.hub.session(&id).await?;
    let publish = Publish { writer, log, producer: producer.clone(), declare_epoch: true, drafts };
    let answer = session.publish(publish).await;
    match answer.await.map_err(|_| outcome_unknown())? {
        Ok(published) => {
            app.metrics.published(&published);
            Ok(appended(&session, producer.as_ref(), &published))
        }
        Err(refusal) => Err(refused(&session, producer.as_ref(), refusal)),
    }
}

/// The events of a body: an array's elements, or the one that it is.
fn events(text: &str) -> Result<Vec<&RawValue>, Problem> {
    let parsed = if text.trim_ascii_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::from_str(text).map(|event| vec![event])
    };
    parsed.map_err(|error| invalid(format!("the request's body is not JSON: {error}")))
}

fn named_producer(headers: &HeaderMap) -> Result<Option<ProducerSeq>, Problem> {
    let named = [PRODUCER_ID, PRODUCER_EPOCH, PRODUCER_SEQ].map(|name| headers.get(name));
    match named {
        [None, None, None] => Ok(None),
        [Some(id), Some(epoch), Some(seq)] => {
            let id = std::str::from_utf8(id.as_bytes()).unwrap_or_default();
            let id = id.parse().map_err(|error| invalid(format!("`Producer-Id` {error}")))?;
            let epoch = number(&PRODUCER_EPOCH, epoch)?;
            Ok(Some(ProducerSeq { id, epoch, seq: number(&PRODUCER_SEQ, seq)? }))
        }
        _ => Err(invalid("`Producer-Id`, `Producer-Epoch` and `Producer-Seq` go together")),
    }
}

/// A whole number below 2^53, as all numbers of the protocol.
fn number(name: &HeaderName, value: &HeaderValue) -> Result<u64, Problem> {
    value
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|&number| number <= Offset::MAX.as_u64())
        .ok_or_else(|| invalid(format!("`{name}` is a whole number below 2^53")))
}

fn appended(session: &Session, producer: Option<&ProducerSeq>, published: &Published) -> Response {
    let status = match producer {
        Some(_) if !published.duplicate => StatusCode::OK,
        Some(_) | None => StatusCode::NO_CONTENT,
    };
    let mut response = status.into_response();
    let headers = response.headers_mut();
    if let Ok(offset) = published.last.to_http().parse() {
        headers.insert(NEXT_OFFSET, offset);
    }
    if let Some(log) = log_value(session) {
        headers.insert(super::request::SESSION_LOG, log);
    }
    if let Some(ProducerSeq { epoch, seq, .. }) = producer {
        headers.insert(PRODUCER_EPOCH, (*epoch).into());
        // Durable Streams tells a writer that was cut off how far it had come.
        headers.insert(PRODUCER_SEQ, published.decided_seq.unwrap_or(*seq).into());
    }
    response
}

fn refused(session: &Session, producer: Option<&ProducerSeq>, refusal: Refusal) -> Refused {
    let (code, epoch, seq) =
        (refusal.problem.code, refusal.problem.expected_epoch, refusal.problem.expected_seq);
    let mut refused = with_log(Refused::by_rule(refusal), session);
    if code == ErrorCode::Fenced
        && let Some(epoch) = epoch
    {
        refused = refused.with(PRODUCER_EPOCH, epoch);
    }
    if code == ErrorCode::SequenceGap
        && let (Some(expected), Some(producer)) = (seq, producer)
    {
        refused =
            refused.with(PRODUCER_EXPECTED_SEQ, expected).with(PRODUCER_RECEIVED_SEQ, producer.seq);
    }
    refused
}
