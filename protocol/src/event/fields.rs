//! From an event's JSON to its kind's fields.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    Address, Data, Delta, Event, InputState, Message, Principal, RunEnded, RunResumed, RunStarted,
    RunSuspended, SessionUpdated, Steer, StopRequested, invalid, stop_target,
};
use crate::error::{ErrorCode, Problem};
use crate::json::Json;
use crate::limits::MESSAGE_MAX_PARTS;
use crate::offset::Offset;

type Raw<'a> = Option<&'a RawValue>;

/// Every field of every kind, found in one pass and read only where the event's kind has it: in an
/// event of another kind, or of one this version does not know, the same name may hold anything.
#[derive(Deserialize)]
pub(super) struct Fields<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    offset: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    at: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    from: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    first: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    runs: Raw<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    to: Raw<'a>,
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    role: Raw<'a>,
    #[serde(borrow)]
    run: Raw<'a>,
    #[serde(borrow)]
    text: Raw<'a>,
    #[serde(borrow)]
    parts: Raw<'a>,
    #[serde(borrow)]
    if_running: Raw<'a>,
    #[serde(borrow)]
    replaces: Raw<'a>,
    #[serde(borrow)]
    data: Raw<'a>,
    #[serde(borrow)]
    agent: Raw<'a>,
    #[serde(borrow)]
    parent: Raw<'a>,
    #[serde(borrow)]
    in_reply_to: Raw<'a>,
    #[serde(borrow)]
    lease_ms: Raw<'a>,
    #[serde(borrow)]
    message: Raw<'a>,
    #[serde(borrow)]
    part: Raw<'a>,
    #[serde(borrow, rename = "type")]
    part_type: Raw<'a>,
    #[serde(borrow)]
    end: Raw<'a>,
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    ask: Raw<'a>,
    #[serde(borrow)]
    body: Raw<'a>,
    #[serde(borrow)]
    expires_ms: Raw<'a>,
    #[serde(borrow)]
    answer: Raw<'a>,
    #[serde(borrow)]
    all: Raw<'a>,
    #[serde(borrow)]
    seen: Raw<'a>,
    #[serde(borrow)]
    cascade: Raw<'a>,
    #[serde(borrow)]
    reason: Raw<'a>,
    #[serde(borrow)]
    state: Raw<'a>,
    #[serde(borrow)]
    outcome: Raw<'a>,
    #[serde(borrow)]
    error: Raw<'a>,
    #[serde(borrow)]
    usage: Raw<'a>,
    #[serde(borrow)]
    title: Raw<'a>,
}

/// Tells `null` from a field that is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Raw<'de>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Fields<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Problem> {
        serde_json::from_str(text)
            .map_err(|error| invalid(format!("the event is not valid: {error}")))
    }

    /// The first field that only the server writes, if there is one.
    pub(super) fn stamp(&self) -> Option<&'static str> {
        [
            ("offset", self.offset),
            ("at", self.at),
            ("from", self.from),
            ("first", self.first),
            ("runs", self.runs),
        ]
        .into_iter()
        .find_map(|(name, field)| field.map(|_| name))
    }

    pub(super) fn offset(&self) -> Result<Offset, Problem> {
        stamped("offset", self.offset)
    }

    pub(super) fn at(&self) -> Result<u64, Problem> {
        stamped("at", self.at)
    }

    pub(super) fn from(&self) -> Result<Option<Principal>, Problem> {
        Ok(read::<Option<Principal>>("from", self.from)?.flatten())
    }

    /// The event as a client may write it. A log may hold what is asked of a writer only here.
    pub(super) fn into_written(self) -> Result<Event, Problem> {
        let says_nothing = self.says_nothing();
        let event = self.into_event()?;
        if says_nothing && matches!(event, Event::Steer(_)) {
            return Err(missing("steer", "text` or `parts"));
        }
        Ok(event)
    }

    pub(super) fn into_event(self) -> Result<Event, Problem> {
        let kind = self.kind.as_deref().ok_or_else(|| invalid("the event has no `kind`"))?;
        Ok(match kind {
            "message" => {
                one_content(kind, self.text, self.parts)?;
                if self.says_nothing() {
                    return Err(missing(kind, "text` or `parts"));
                }
                Event::Message(Message {
                    id: need(kind, "id", self.id)?,
                    role: need(kind, "role", self.role)?,
                    run: read("run", self.run)?,
                    text: read("text", self.text)?,
                    parts: parts(self.parts)?,
                    to: match read("to", self.to)? {
                        None => Address::Default,
                        Some(None) => Address::Nobody,
                        Some(Some(name)) => Address::Agent(name),
                    },
                    if_running: read("if_running", self.if_running)?,
                    replaces: read("replaces", self.replaces)?,
                    data: json(self.data),
                })
            }
            "run.started" => Event::RunStarted(RunStarted {
                run: need(kind, "run", self.run)?,
                agent: need(kind, "agent", self.agent)?,
                parent: read("parent", self.parent)?,
                in_reply_to: read("in_reply_to", self.in_reply_to)?,
                lease_ms: read("lease_ms", self.lease_ms)?,
                data: json(self.data),
            }),
            "delta" => Event::Delta(Delta {
                run: need(kind, "run", self.run)?,
                message: need(kind, "message", self.message)?,
                part: part_index(self.part)?.unwrap_or(0),
                part_type: read("type", self.part_type)?.unwrap_or_else(|| "text".to_owned()),
                text: need(kind, "text", self.text)?,
                end: read("end", self.end)?.unwrap_or(false),
                id: read("id", self.id)?,
            }),
            "data" => {
                if self.message.is_some() != self.part.is_some() {
                    return Err(invalid("a `data` names `message` and `part` together or neither"));
                }
                Event::Data(Data {
                    name: need(kind, "name", self.name)?,
                    data: json(self.data),
                    id: read("id", self.id)?,
                    run: read("run", self.run)?,
                    message: read("message", self.message)?,
                    part: part_index(self.part)?,
                })
            }
            "run.suspended" => Event::RunSuspended(RunSuspended {
                run: need(kind, "run", self.run)?,
                ask: need(kind, "ask", self.ask)?,
                body: json(self.body).ok_or_else(|| missing(kind, "body"))?,
                expires_ms: read("expires_ms", self.expires_ms)?,
            }),
            "run.resumed" => Event::RunResumed(RunResumed {
                run: need(kind, "run", self.run)?,
                ask: need(kind, "ask", self.ask)?,
                answer: json(self.answer).ok_or_else(|| missing(kind, "answer"))?,
            }),
            "stop.requested" => Event::StopRequested(StopRequested {
                id: need(kind, "id", self.id)?,
                target: stop_target(
                    read("run", self.run)?,
                    read("message", self.message)?,
                    read("all", self.all)?,
                    read("seen", self.seen)?,
                )?,
                cascade: read("cascade", self.cascade)?.unwrap_or(true),
                reason: read("reason", self.reason)?,
                runs: read("runs", self.runs)?.flatten(),
            }),
            "steer" => {
                one_content(kind, self.text, self.parts)?;
                Event::Steer(Steer {
                    id: need(kind, "id", self.id)?,
                    run: need(kind, "run", self.run)?,
                    text: read("text", self.text)?,
                    parts: parts(self.parts)?,
                    data: json(self.data),
                })
            }
            "input.state" => Event::InputState(InputState {
                id: need(kind, "id", self.id)?,
                state: need(kind, "state", self.state)?,
            }),
            "run.ended" => Event::RunEnded(RunEnded {
                run: need(kind, "run", self.run)?,
                outcome: need(kind, "outcome", self.outcome)?,
                error: json(self.error),
                usage: json(self.usage),
                data: json(self.data),
            }),
            "session.updated" => Event::SessionUpdated(SessionUpdated {
                title: read("title", self.title)?,
                id: read("id", self.id)?,
                data: json(self.data),
            }),
            other => {
                return Err(Problem::new(
                    ErrorCode::NotSupported,
                    format!("this server does not know events of kind {other:?}"),
                ));
            }
        })
    }

    /// Whether there is nothing in it for whoever it is addressed to.
    fn says_nothing(&self) -> bool {
        self.text.is_none() && self.parts.is_none() && self.data.is_none()
    }
}

fn read<'a, T: Deserialize<'a>>(name: &str, field: Raw<'a>) -> Result<Option<T>, Problem> {
    field
        .map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|error| invalid(format!("`{name}` is not valid: {error}")))
}

fn need<'a, T: Deserialize<'a>>(kind: &str, name: &str, field: Raw<'a>) -> Result<T, Problem> {
    read(name, field)?.ok_or_else(|| missing(kind, name))
}

fn stamped<'a, T: Deserialize<'a>>(name: &str, field: Raw<'a>) -> Result<T, Problem> {
    read(name, field)?.ok_or_else(|| invalid(format!("a stored event without `{name}`")))
}

fn missing(kind: &str, name: &str) -> Problem {
    invalid(format!("a `{kind}` needs `{name}`"))
}

fn json(field: Raw<'_>) -> Option<Json> {
    field.map(Json::from)
}

fn one_content(kind: &str, text: Raw<'_>, parts: Raw<'_>) -> Result<(), Problem> {
    match (text, parts) {
        (Some(_), Some(_)) => Err(invalid(format!("a `{kind}` has `text` or `parts`, not both"))),
        _ => Ok(()),
    }
}

fn parts(field: Raw<'_>) -> Result<Option<Json>, Problem> {
    let Some(raw) = field else { return Ok(None) };
    match serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        Ok(list) if list.len() <= MESSAGE_MAX_PARTS as usize => Ok(Some(Json::from(raw))),
        Ok(list) => Err(invalid(format!(
            "the message has {} parts, the limit is {MESSAGE_MAX_PARTS}",
            list.len()
        ))),
        Err(_) => Err(invalid("`parts` is an array")),
    }
}

fn part_index(field: Raw<'_>) -> Result<Option<u32>, Problem> {
    match read("part", field)? {
        Some(part) if part >= MESSAGE_MAX_PARTS => Err(invalid(format!(
            "`part` is {part}, a message has at most {MESSAGE_MAX_PARTS} parts"
        ))),
        part => Ok(part),
    }
}
