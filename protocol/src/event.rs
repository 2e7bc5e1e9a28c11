//! The events of a session: one JSON object each, with a `kind` and the fields of that kind.

mod fields;
mod kinds;
mod principal;
mod words;

use serde::Serialize;

use self::fields::Fields;
pub use self::kinds::{
    Data, Delta, InputState, Message, RunEnded, RunResumed, RunStarted, RunSuspended,
    SessionUpdated, Steer, StopRequested,
};
pub use self::principal::{Principal, PrincipalKind};
pub use self::words::{Address, IfRunning, InputFate, Outcome, Role, StopTarget};
use crate::error::{ErrorCode, Problem};
use crate::id::Id;
use crate::json;
use crate::limits::EVENT_MAX_BYTES;
use crate::offset::Offset;

/// One event as its writer sends it: without `offset`, `at` and `from`, which the server stamps.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum Event {
    /// Something a user says to an agent, or an agent says whole.
    #[serde(rename = "message")]
    Message(Message),
    /// An agent begins a piece of work; with `in_reply_to` it claims that input.
    #[serde(rename = "run.started")]
    RunStarted(RunStarted),
    /// Appends to a part of a message; the first delta makes the message.
    #[serde(rename = "delta")]
    Delta(Delta),
    /// The app's own event; with `message` and `part` it sets that part whole.
    #[serde(rename = "data")]
    Data(Data),
    /// A run waits for an answer.
    #[serde(rename = "run.suspended")]
    RunSuspended(RunSuspended),
    /// The answer it waited for.
    #[serde(rename = "run.resumed")]
    RunResumed(RunResumed),
    /// An explicit stop.
    #[serde(rename = "stop.requested")]
    StopRequested(StopRequested),
    /// Input to a running run.
    #[serde(rename = "steer")]
    Steer(Steer),
    /// The fate of a message or steer.
    #[serde(rename = "input.state")]
    InputState(InputState),
    /// The one end of a run.
    #[serde(rename = "run.ended")]
    RunEnded(RunEnded),
    /// The session's title or the app's own data about it.
    #[serde(rename = "session.updated")]
    SessionUpdated(SessionUpdated),
}

impl Event {
    /// The event's `kind`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::RunStarted(_) => "run.started",
            Self::Delta(_) => "delta",
            Self::Data(_) => "data",
            Self::RunSuspended(_) => "run.suspended",
            Self::RunResumed(_) => "run.resumed",
            Self::StopRequested(_) => "stop.requested",
            Self::Steer(_) => "steer",
            Self::InputState(_) => "input.state",
            Self::RunEnded(_) => "run.ended",
            Self::SessionUpdated(_) => "session.updated",
        }
    }

    /// The id that makes sending the event again harmless, if it has one.
    #[must_use]
    pub const fn act_id(&self) -> Option<&Id> {
        match self {
            Self::Message(message) => Some(&message.id),
            Self::RunStarted(started) => Some(&started.run),
            Self::Delta(delta) => delta.id.as_ref(),
            Self::Data(data) => data.id.as_ref(),
            Self::RunSuspended(suspended) => Some(&suspended.ask),
            Self::RunResumed(resumed) => Some(&resumed.ask),
            Self::StopRequested(stop) => Some(&stop.id),
            Self::Steer(steer) => Some(&steer.id),
            Self::InputState(state) => Some(&state.id),
            Self::RunEnded(ended) => Some(&ended.run),
            Self::SessionUpdated(updated) => updated.id.as_ref(),
        }
    }

    /// The event's JSON, compact.
    #[must_use]
    pub fn to_json(&self) -> String {
        // An event's keys are strings and its numbers finite, so writing it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An event as a client sent it: its parsed form, and its own text with nothing but white space
/// removed, which is what the log keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What it says.
    pub event: Event,
    /// Its JSON, one compact line.
    pub json: String,
}

impl Draft {
    /// Parses and checks one event of a client.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        json::check(text).map_err(|error| invalid(format!("the event is not valid: {error}")))?;
        let json = json::compact(text);
        if json.len() > EVENT_MAX_BYTES {
            return Err(Problem::new(
                ErrorCode::TooLarge,
                format!(
                    "the event has {} bytes, the limit is {EVENT_MAX_BYTES}: send large content as a URL in a part",
                    json.len()
                ),
            ));
        }
        let fields = Fields::parse(&json)?;
        if let Some(name) = fields.stamp() {
            return Err(invalid(format!("`{name}` is the server's to set: leave it out")));
        }
        let event = fields.into_written()?;
        Ok(Self { event, json })
    }
}

impl From<Event> for Draft {
    fn from(event: Event) -> Self {
        let json = event.to_json();
        Self { event, json }
    }
}

/// An event of the log, with what the server stamped on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its place in the session.
    pub offset: Offset,
    /// When it was admitted, ms since the Unix epoch; never decreasing in a session.
    pub at: u64,
    /// Who wrote it; `None`: the server itself.
    pub from: Option<Principal>,
    /// What it says.
    pub event: Event,
}

impl Stored {
    /// Parses an event of the log.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let fields = Fields::parse(text)?;
        Ok(Self {
            offset: fields.offset()?,
            at: fields.at()?,
            from: fields.from()?,
            event: fields.into_event()?,
        })
    }
}

/// Puts the server's stamps on a draft's JSON: the bytes that are stored and sent everywhere.
/// `runs` are the runs a stop fenced.
#[must_use]
pub fn stamp(
    json: &str,
    offset: Offset,
    at: u64,
    from: Option<&Principal>,
    runs: Option<&[Id]>,
) -> String {
    use std::fmt::Write;
    let body = json.strip_prefix('{').unwrap_or(json);
    let mut out = String::with_capacity(json.len() + 128);
    // Writing to a string cannot fail.
    let _ = write!(out, "{{\"offset\":{offset},\"at\":{at},");
    if let Some(from) = from {
        let kind = match from.kind {
            PrincipalKind::User => "user",
            PrincipalKind::Agent => "agent",
        };
        let _ = write!(out, "\"from\":{{\"kind\":\"{kind}\",\"id\":");
        crate::quote::write_string(&mut out, from.id.as_str());
        out.push_str("},");
    }
    let Some(runs) = runs else {
        out.push_str(body);
        return out;
    };
    out.push_str(body.strip_suffix('}').unwrap_or(body));
    out.push_str(",\"runs\":[");
    for (index, run) in runs.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        crate::quote::write_string(&mut out, run.as_str());
    }
    out.push_str("]}");
    out
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Invalid, detail)
}

/// What a stop is about, from its fields: exactly one of `run`, `message` and `all: true`.
pub fn stop_target(
    run: Option<Id>,
    message: Option<Id>,
    all: Option<bool>,
    seen: Option<Offset>,
) -> Result<StopTarget, Problem> {
    match (run, message, all) {
        (Some(run), None, None | Some(false)) => Ok(StopTarget::Run(run)),
        (None, Some(message), None | Some(false)) => Ok(StopTarget::Message(message)),
        (None, None, Some(true)) => Ok(StopTarget::All { seen }),
        _ => Err(invalid("a stop names exactly one of `run`, `message` and `all: true`")),
    }
}
