//! The frames of `GET /v1/connect`: JSON text messages with a `type`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{ErrorCode, Problem};
use crate::id::{Id, LogId, SessionId};
use crate::limits;
use crate::offset::{Offset, Position};

pub use crate::SUBPROTOCOL;

/// Chosen by the client, repeated in the answer.
pub type RequestId = u64;

/// What a client sends.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame<'a> {
    /// The first frame.
    Hello(Hello),
    /// Follow a session, and take a producer's place.
    Attach(Attach),
    /// Stop following a session.
    Detach(Detach),
    /// Append events.
    #[serde(borrow)]
    Publish(Publish<'a>),
    /// Read a range of events.
    Fetch(Fetch),
    /// The client has taken all events up to here.
    Seen(Seen),
    /// Offer to work on an agent's input.
    Serve(Serve),
    /// Are you there? Renews the runs it names.
    Ping(Ping),
    /// The answer to a `ping`.
    Pong(Pong),
    /// A fresh token.
    Token(Token),
    /// A type this version does not know; it is ignored.
    #[serde(skip)]
    Unknown,
}

macro_rules! frames {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        )*
    };
}

frames! {
    /// Fields of `hello`.
    Hello {
        /// Proof of who connects, where the server has a key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// `user/ID` or `agent/ID`, where the server has no key.
        #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
        principal: Option<String>,
        /// Names this client instance; the same on every reconnect of one process or tab.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<Id>,
        /// Names the tabs that share one socket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<Id>,
    }
    /// Fields of `attach`.
    Attach {
        /// Repeated in `attached`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Which session.
        session: SessionId,
        /// Go on after here; without it from the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<Position>,
        /// Instead of a position: from the n-th last message, 0 = the tail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<u64>,
        /// Whether deltas may come joined.
        #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
        merge: bool,
        /// Write as this producer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        producer: Option<ProducerClaim>,
    }
    /// A writer takes a producer's place.
    ProducerClaim {
        /// The producer.
        id: Id,
        /// None: a new process. The current one: the same process back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<u64>,
        /// The open runs it goes on with; the others lapse.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        runs: Vec<Id>,
    }
    /// What a writer was granted.
    ProducerGrant {
        /// Its epoch.
        epoch: u64,
        /// The sequence number of its next publish.
        seq: u64,
    }
    /// The place of a publish in a producer's stream.
    ProducerSeq {
        /// The producer.
        id: Id,
        /// Its epoch.
        epoch: u64,
        /// Counts publishes from 0 in each epoch.
        seq: u64,
    }
    /// Fields of `detach`.
    Detach {
        /// Repeated in `detached`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Which session.
        session: SessionId,
    }
    /// Fields of `fetch`.
    Fetch {
        /// Repeated in `page`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Which session.
        session: SessionId,
        /// Which log.
        log: LogId,
        /// Events after here.
        after: Offset,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    }
    /// Fields of `seen`.
    Seen {
        /// Which session.
        session: SessionId,
        /// The last offset taken.
        offset: Offset,
    }
    /// Fields of `serve`.
    Serve {
        /// Repeated in `ack`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Whose input.
        agent: Id,
        /// Session names, or `prefix*`; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sessions: Option<Vec<String>>,
        /// How many runs at a time; 0 withdraws the offer.
        #[serde(default = "one")]
        slots: u32,
    }
    /// Fields of `ping`.
    Ping {
        /// Repeated in `pong`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Runs whose lease it renews.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        runs: Vec<Id>,
    }
    /// Fields of `pong`.
    Pong {
        /// The `ping`'s.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    }
    /// Fields of `token`.
    Token {
        /// The fresh token.
        token: String,
    }
}

/// Fields of `publish`.
#[derive(Debug, Clone, Serialize)]
pub struct Publish<'a> {
    /// Repeated in `ack` or `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Which session.
    pub session: SessionId,
    /// The log the writer knows; another one is `log_changed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogId>,
    /// The place in a producer's stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer: Option<ProducerSeq>,
    /// The events; without a producer exactly one.
    #[serde(borrow)]
    pub events: Vec<&'a RawValue>,
}

const fn yes() -> bool {
    true
}

const fn one() -> u32 {
    1
}

/// Why a message is not a frame, and the request it would have been if that could be read.
#[derive(Debug)]
pub struct BadFrame {
    /// The request to answer, if it has one; without one the connection cannot go on.
    pub request: Option<RequestId>,
    /// What is wrong.
    pub problem: Problem,
}

impl<'a> ClientFrame<'a> {
    /// Reads one message.
    pub fn parse(text: &'a str) -> Result<Self, BadFrame> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(rename = "type", borrow)]
            frame_type: Option<Cow<'a, str>>,
            #[serde(borrow)]
            request: Option<&'a RawValue>,
        }
        let head: Head<'_> = serde_json::from_str(text).map_err(|error| BadFrame {
            request: None,
            problem: invalid(format!("the frame is not a JSON object: {error}")),
        })?;
        let request = head.request.and_then(|raw| raw.get().parse().ok());
        let frame_type = head
            .frame_type
            .ok_or_else(|| BadFrame { request, problem: invalid("the frame has no `type`") })?;
        let parsed = match &*frame_type {
            "publish" => PublishFields::parse(text).map(Self::Publish),
            "seen" => serde_json::from_str(text).map(Self::Seen),
            "ping" => serde_json::from_str(text).map(Self::Ping),
            "pong" => serde_json::from_str(text).map(Self::Pong),
            "attach" => serde_json::from_str(text).map(Self::Attach),
            "detach" => serde_json::from_str(text).map(Self::Detach),
            "fetch" => serde_json::from_str(text).map(Self::Fetch),
            "serve" => serde_json::from_str(text).map(Self::Serve),
            "token" => serde_json::from_str(text).map(Self::Token),
            "hello" => serde_json::from_str(text).map(Self::Hello),
            _ => Ok(Self::Unknown),
        };
        parsed.map_err(|error| BadFrame {
            request,
            problem: invalid(format!("the `{frame_type}` frame is not valid: {error}")),
        })
    }

    /// The frame's JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A frame's keys are strings and its numbers finite, so writing it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Invalid, detail)
}

#[derive(Deserialize)]
struct PublishFields<'a> {
    request: Option<RequestId>,
    session: SessionId,
    log: Option<LogId>,
    producer: Option<ProducerSeq>,
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

impl<'a> PublishFields<'a> {
    fn parse(text: &'a str) -> Result<Publish<'a>, serde_json::Error> {
        let Self { request, session, log, producer, events } = serde_json::from_str(text)?;
        Ok(Publish { request, session, log, producer, events })
    }
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The answer to `hello`.
    Welcome {
        /// Names this connection in the server's logs.
        connection: String,
        /// A silent server sends a `ping` after this long.
        heartbeat_ms: u64,
        /// What the client may send.
        limits: Limits,
    },
    /// The answer to `attach`.
    Attached {
        /// The attach's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Which session.
        session: SessionId,
        /// The session's log.
        log: LogId,
        /// The last offset.
        tail: Offset,
        /// The producer's place, when one was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        producer: Option<ProducerGrant>,
    },
    /// Events in order; moves the cursor from `first` - 1 to `last` as one step.
    Events {
        /// Which session.
        session: SessionId,
        /// The first offset it covers.
        first: Offset,
        /// The last offset it covers.
        last: Offset,
        /// The events, as stored or with deltas joined.
        events: Vec<Value>,
    },
    /// The answer to `fetch`.
    Page {
        /// The fetch's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Which session.
        session: SessionId,
        /// Which log.
        log: LogId,
        /// The first offset it covers.
        first: Offset,
        /// The last offset it covers.
        last: Offset,
        /// The events.
        events: Vec<Value>,
    },
    /// The request is done and durable.
    Ack {
        /// The request's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Of a publish: the first event's offset.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<Offset>,
        /// Of a publish: the last event's offset.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Offset>,
        /// Of a stop: its receipt.
        #[serde(flatten)]
        receipt: Option<StopReceipt>,
    },
    /// The request was refused.
    Refused {
        /// The request's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Why.
        error: Problem,
        /// Which event of the publish.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
    },
    /// The log is not the one the client knows: start over from `first`.
    Reset {
        /// Which session.
        session: SessionId,
        /// The log as it is now.
        log: LogId,
        /// The first event that follows.
        first: Offset,
    },
    /// The session is no longer followed.
    Detached {
        /// The detach's, when one was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
        /// Which session.
        session: SessionId,
        /// `requested`, `deleted` or `unavailable`.
        reason: String,
    },
    /// Input for a worker.
    Wake {
        /// Whose input.
        agent: Id,
        /// Where.
        session: SessionId,
        /// The message.
        input: Id,
        /// 1 for the first run that may claim it.
        attempt: u32,
    },
    /// Who is attached.
    Presence {
        /// Which session.
        session: SessionId,
        /// Who.
        members: Vec<Value>,
    },
    /// Are you there?
    Ping {
        /// Repeated in `pong`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    },
    /// The answer to a `ping`.
    Pong {
        /// The `ping`'s.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<RequestId>,
    },
    /// The server is shutting down.
    Draining {
        /// Connect again after this long.
        retry_after_ms: u64,
    },
    /// The token runs out soon: send a `token`.
    TokenExpiring {
        /// In this many milliseconds.
        expires_ms: u64,
    },
    /// Something is wrong with the connection as a whole.
    Error {
        /// What.
        error: Problem,
    },
}

impl ServerFrame {
    /// The frame's JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A frame's keys are strings and its numbers finite, so writing it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What a stop is answered with, in `ack` and by HTTP 202.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReceipt {
    /// The stop.
    pub id: Id,
    /// Its offset; no delta of the runs stands after it.
    pub offset: Offset,
    /// The runs it fenced.
    pub runs: Vec<Id>,
}

/// The limits a `welcome` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest event, in bytes.
    pub event_max_bytes: usize,
    /// Largest frame, in bytes.
    pub frame_max_bytes: usize,
    /// Most events in one publish.
    pub publish_max_events: usize,
    /// Most sessions attached on one socket.
    pub attach_max_sessions: usize,
    /// Events sent on one attach before they must be `seen`, in bytes.
    pub unseen_max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_max_bytes: limits::EVENT_MAX_BYTES,
            frame_max_bytes: limits::FRAME_MAX_BYTES,
            publish_max_events: limits::PUBLISH_MAX_EVENTS,
            attach_max_sessions: limits::ATTACH_MAX_SESSIONS,
            unseen_max_bytes: limits::UNSEEN_MAX_BYTES,
        }
    }
}

/// Builds an `events` frame around events as they are stored, without parsing them.
pub fn events_frame<'a>(
    session: &SessionId,
    first: Offset,
    last: Offset,
    events: impl Iterator<Item = &'a str>,
) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(256);
    // Writing to a string cannot fail. A session id needs no escapes.
    let _ = write!(
        out,
        "{{\"type\":\"events\",\"session\":\"{session}\",\"first\":{first},\"last\":{last},\"events\":["
    );
    for (index, event) in events.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(event);
    }
    out.push_str("]}");
    out
}
