//! The events of a session: one JSON object each, with a `kind` and the fields of that kind.

mod fields;

use serde::{Deserialize, Serialize};

use self::fields::Fields;
use crate::error::{ErrorCode, Problem};
use crate::id::Id;
use crate::json::{self, Json};
use crate::limits::EVENT_MAX_BYTES;
use crate::offset::Offset;

/// Who wrote an event, as the server authenticated it. On the wire `{"kind": "user", "id": "ann"}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Principal {
    /// A person or a program.
    pub kind: PrincipalKind,
    /// The name within its kind.
    pub id: Id,
}

impl Principal {
    /// Reads the form of `hello.as` and `Session-As`: `user/ID` or `agent/ID`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once('/')?;
        let kind = match kind {
            "user" => PrincipalKind::User,
            "agent" => PrincipalKind::Agent,
            _ => return None,
        };
        Some(Self { kind, id: Id::parse(id).ok()? })
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            PrincipalKind::User => "user",
            PrincipalKind::Agent => "agent",
        };
        write!(f, "{kind}/{}", self.id)
    }
}

/// What kind of writer a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person at a client.
    User,
    /// A program that works on input.
    Agent,
}

/// Whose words a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Written by a user.
    User,
    /// Written by an agent's run.
    Assistant,
}

impl Role {
    /// The role on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// What to do with a message while its agent has an open run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfRunning {
    /// Wait for the open run to end.
    #[default]
    Queue,
    /// Run beside it.
    Parallel,
    /// Stop it first.
    Interrupt,
    /// Refuse the message as `busy`.
    Reject,
}

/// Whom a user's message is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Address {
    /// No `to`: the server's default agent.
    #[default]
    Default,
    /// `"to": "name"`: that agent.
    Agent(Id),
    /// `"to": null`: a note that wakes nobody.
    Nobody,
}

impl Address {
    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Agent(name) => name.serialize(serializer),
            Self::Default | Self::Nobody => serializer.serialize_none(),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did its work.
    Completed,
    /// It could not.
    Failed,
    /// A stop ended it.
    Stopped,
    /// Its agent went away.
    Lost,
}

impl Outcome {
    /// The outcome on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }
}

/// The fate of a message or steer that waited for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFate {
    /// The agent took it in; the agent's word.
    Used,
    /// Nobody claimed it in time, or its runs were lost; the server's word.
    Expired,
    /// A stop cancelled it; the server's word.
    Stopped,
}

impl InputFate {
    /// The state on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Stopped => "stopped",
        }
    }
}

/// What a stop is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopTarget {
    /// `"run": id`.
    Run(Id),
    /// `"message": id`: the run that claimed this input, or the input itself.
    Message(Id),
    /// `"all": true`, with the requester's offset at the press; without it the tail.
    All {
        /// Only runs and inputs at or before this offset stop.
        seen: Option<Offset>,
    },
}

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

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize)]
            #[serde(rename_all = "snake_case")]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        )*
    };
}

kinds! {
    /// Fields of `message`.
    Message {
        /// Names the message; a client makes it at random.
        id: Id,
        /// A user writes `user`, an agent `assistant`.
        role: Role,
        /// The agent's open run.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<Id>,
        /// The words. Not together with `parts`.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// An array of the app's parts, files as URLs.
        #[serde(skip_serializing_if = "Option::is_none")]
        parts: Option<Json>,
        /// Whom it is for.
        #[serde(skip_serializing_if = "Address::is_default")]
        to: Address,
        /// What to do while that agent is at work.
        #[serde(skip_serializing_if = "Option::is_none")]
        if_running: Option<IfRunning>,
        /// Hides this message and all after it: edit and regenerate.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<Id>,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
    /// Fields of `run.started`.
    RunStarted {
        /// Names the run; a client makes it at random.
        run: Id,
        /// The agent's name.
        agent: Id,
        /// The run this one works for.
        #[serde(skip_serializing_if = "Option::is_none")]
        parent: Option<Id>,
        /// The input it claims.
        #[serde(skip_serializing_if = "Option::is_none")]
        in_reply_to: Option<Id>,
        /// Milliseconds without a sign of life after which the run is lost.
        #[serde(skip_serializing_if = "Option::is_none")]
        lease_ms: Option<u64>,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
    /// Fields of `delta`.
    Delta {
        /// The run that writes.
        run: Id,
        /// The message it writes to.
        message: Id,
        /// Index of the part, below [`crate::limits::MESSAGE_MAX_PARTS`].
        part: u32,
        /// `text`, `reasoning`, `tool-input` or the app's own.
        #[serde(rename = "type")]
        part_type: String,
        /// What is appended.
        text: String,
        /// Whether the part is whole now.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        end: bool,
        /// Makes a delta without a producer safe to send again.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
    }
    /// Fields of `data`.
    Data {
        /// What the app calls it.
        name: String,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
        /// Makes it safe to send again.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
        /// The run it belongs to.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<Id>,
        /// The message whose part it sets.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<Id>,
        /// Index of the part it sets, below [`crate::limits::MESSAGE_MAX_PARTS`].
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<u32>,
    }
    /// Fields of `run.suspended`.
    RunSuspended {
        /// The run that waits.
        run: Id,
        /// Names the ask.
        ask: Id,
        /// What is asked, opaque to the server.
        body: Json,
        /// Milliseconds after which an unanswered ask ends its run.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_ms: Option<u64>,
    }
    /// Fields of `run.resumed`.
    RunResumed {
        /// The run that goes on.
        run: Id,
        /// The ask that is answered.
        ask: Id,
        /// The answer.
        answer: Json,
    }
    /// Fields of `stop.requested`.
    StopRequested {
        /// Names the stop; a client makes it at random.
        id: Id,
        /// What stops: `run`, `message`, or `all` with `seen`.
        #[serde(flatten)]
        target: StopTarget,
        /// Whether the runs below stop too.
        #[serde(skip_serializing_if = "is_true")]
        cascade: bool,
        /// For people.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The runs it fenced; the server's word.
        #[serde(skip_serializing_if = "Option::is_none")]
        runs: Option<Vec<Id>>,
    }
    /// Fields of `steer`.
    Steer {
        /// Names the steer; a client makes it at random.
        id: Id,
        /// The run it is for.
        run: Id,
        /// The words. Not together with `parts`.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// An array of the app's parts.
        #[serde(skip_serializing_if = "Option::is_none")]
        parts: Option<Json>,
    }
    /// Fields of `input.state`.
    InputState {
        /// The message or steer.
        id: Id,
        /// Its fate.
        state: InputFate,
    }
    /// Fields of `run.ended`.
    RunEnded {
        /// The run.
        run: Id,
        /// How it ended.
        outcome: Outcome,
        /// Why it failed: `{code, detail}`, or the app's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Json>,
        /// What it used, the app's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Json>,
        /// The result.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
    /// Fields of `session.updated`.
    SessionUpdated {
        /// Shown in listings.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
}

fn is_true(value: &bool) -> bool {
    *value
}

impl Serialize for StopTarget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Run(run) => map.serialize_entry("run", run)?,
            Self::Message(message) => map.serialize_entry("message", message)?,
            Self::All { seen } => {
                map.serialize_entry("all", &true)?;
                if let Some(seen) = seen {
                    map.serialize_entry("seen", seen)?;
                }
            }
        }
        map.end()
    }
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
            Self::SessionUpdated(_) => None,
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
        let event = fields.into_event()?;
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
