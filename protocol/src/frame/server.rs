//! What a server sends.

use std::fmt::Write;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ProducerGrant, RequestId};
use crate::error::Problem;
use crate::event::Principal;
use crate::id::{Id, LogId, SessionId};
use crate::limits;
use crate::offset::Offset;

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
    /// The answer to `fetch`: the events after its `after`, as stored. At the tail there are none
    /// and `last` is `first` - 1.
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
    /// Work for a worker.
    Wake {
        /// Whose input.
        agent: Id,
        /// Where.
        session: SessionId,
        /// The message.
        input: Id,
        /// Counts the runs on the input from 1, this one included.
        attempt: u32,
        /// The open run of the worker's producer to attach with and go on with. Absent: the input
        /// waits for a run that claims it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<Id>,
    },
    /// Who is attached, as a whole: it takes the place of the `presence` before it.
    Presence {
        /// Which session.
        session: SessionId,
        /// Who; at most [`limits::PRESENCE_MAX_MEMBERS`] of them.
        members: Vec<Member>,
        /// How many there are, listed or not.
        total: usize,
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

/// One device that follows a session: a browser with all its tabs, an agent, any other program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Whose it is.
    pub from: Principal,
    /// Tells the devices of a principal apart; means nothing beyond that.
    pub device: Id,
    /// How many tabs of it follow the session.
    pub tabs: NonZeroU32,
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
    let mut out = String::with_capacity(256);
    // Writing to a string cannot fail. A session id needs no escapes.
    let _ = write!(out, "{{\"type\":\"events\",\"session\":\"{session}\"");
    write_range(&mut out, first, last, events);
    out
}

/// Builds the `page` that answers a fetch with events as they are stored, without parsing them.
/// Without events the page covers nothing: `last` is `first` - 1.
pub fn page_frame<'a>(
    request: Option<RequestId>,
    session: &SessionId,
    log: &LogId,
    first: Offset,
    last: Offset,
    events: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let bytes: usize = events.clone().map(|event| event.len() + 1).sum();
    let mut out = String::with_capacity(bytes + 512);
    out.push_str("{\"type\":\"page\"");
    if let Some(request) = request {
        let _ = write!(out, ",\"request\":{request}");
    }
    // Writing to a string cannot fail. The ids of sessions and logs need no escapes.
    let _ = write!(out, ",\"session\":\"{session}\",\"log\":\"{log}\"");
    write_range(&mut out, first, last, events);
    out
}

/// The end of a frame that covers a range of a log.
fn write_range<'a>(
    out: &mut String,
    first: Offset,
    last: Offset,
    events: impl Iterator<Item = &'a str>,
) {
    let _ = write!(out, ",\"first\":{first},\"last\":{last},\"events\":[");
    for (index, event) in events.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(event);
    }
    out.push_str("]}");
}
