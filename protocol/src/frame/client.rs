//! What a client sends.

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroU64};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::RequestId;
use crate::error::{ErrorCode, Problem};
use crate::id::{Id, LogId, SessionId};
use crate::offset::{Offset, Position};

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
        /// Names the tabs that share one socket: a newer connection of the same principal and
        /// group takes the place of this one.
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
        /// At most so many, from 1 on; absent or larger: [`crate::limits::PAGE_MAX_EVENTS`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<NonZeroU64>,
        /// Whether deltas may be joined. Then `limit` means nothing: the page is as full as it gets.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        merge: bool,
    }
    /// Fields of `seen`.
    Seen {
        /// Which session.
        session: SessionId,
        /// The last offset taken.
        offset: Offset,
        /// How many tabs behind this connection follow the session; absent: as before, at first 1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tabs: Option<NonZeroU32>,
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
        /// The fixed name of a worker that goes on with its runs after a restart: it is offered
        /// this producer's open runs that no connection holds, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        producer: Option<Id>,
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
