//! The transcript as JSON: what the HTTP endpoint answers and an agent reads as its history. Its
//! shape is the one of the JavaScript API.

mod message;
mod run;
mod snapshot;

use serde_json::{Value, json};

pub use self::message::Message;
pub use self::run::Run;
use self::snapshot::Hidden;
use super::{Fold, Patch, RunState};
use crate::id::LogId;
use crate::offset::Offset;

/// The fold of a log up to an offset.
#[derive(Debug)]
pub struct Transcript {
    fold: Fold,
    log: LogId,
    offset: Offset,
    title: Option<Value>,
    messages: Vec<Message>,
    /// Messages that were shown once.
    hidden: Vec<Hidden>,
    /// The place of the next message among all of the log.
    next_order: i64,
    runs: Vec<Run>,
    /// The roots of pages of older messages.
    older_runs: Vec<Value>,
    /// Where the first event of the log is that it shows.
    first: Offset,
}

impl Transcript {
    /// The transcript of an empty log.
    #[must_use]
    pub fn new(log: LogId) -> Self {
        Self {
            fold: Fold::new(),
            log,
            offset: Offset::ZERO,
            title: None,
            messages: Vec::new(),
            hidden: Vec::new(),
            next_order: 0,
            runs: Vec::new(),
            older_runs: Vec::new(),
            first: Offset::ZERO.next(),
        }
    }

    /// The transcript of a log from its event `first` on.
    #[must_use]
    pub fn part(log: LogId, first: Offset) -> Self {
        let is_whole = first <= Offset::ZERO.next();
        let fold = if is_whole { Fold::new() } else { Fold::part() };
        Self { fold, offset: first.prev(), first, ..Self::new(log) }
    }

    /// Takes the next event of the log.
    pub fn apply(&mut self, event: &Value) {
        let offset = |name| event.get(name).and_then(Value::as_u64).and_then(Offset::new);
        let last = offset("offset");
        let mut patches = Vec::new();
        self.fold.apply(event, &mut |patch| patches.push(patch));
        let first = offset("first").or(last).unwrap_or_default();
        for patch in patches {
            self.patch(patch, first);
        }
        if let Some(last) = last {
            self.offset = self.offset.max(last);
        }
    }

    /// The log it is a fold of.
    #[must_use]
    pub fn log(&self) -> &LogId {
        &self.log
    }

    /// The last offset it has taken.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The messages in order.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Whether a message with this id is in the transcript or was hidden from it.
    #[must_use]
    pub fn knows_message(&self, id: &str) -> bool {
        self.fold.knows_message(id)
    }

    /// All runs, in the order in which they started.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The JSON of the JavaScript API's `Transcript`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.json(false)
    }

    fn json(&self, places: bool) -> Value {
        let (roots, active) = run::tree(&self.runs, &self.older_runs, places);
        json!({
            "log": self.log,
            "offset": self.offset,
            "title": self.title,
            "messages": self.messages,
            "runs": roots,
            "active": active,
            "hasOlder": false,
        })
    }

    fn patch(&mut self, patch: Patch<Value>, first: Offset) {
        match patch {
            Patch::Message { id, role, from, at, run, text, parts, data, state } => {
                let parts = match (text, parts) {
                    (Some(text), _) => vec![json!({"type": "text", "text": text})],
                    (None, Some(Value::Array(parts))) => parts,
                    (None, _) => Vec::new(),
                };
                let mut message = Message {
                    id: owned(Some(id)).unwrap_or_default(),
                    role: owned(Some(role)).unwrap_or_default(),
                    from,
                    at: at.and_then(|at| at.as_u64()).unwrap_or(0),
                    text: String::new(),
                    parts,
                    data,
                    run: owned(run),
                    error: None,
                    state,
                    first,
                    order: self.next_order,
                };
                self.next_order += 1;
                message.join_text();
                self.messages.push(message);
            }
            Patch::Append { message, part, part_type, text } => {
                if let Some(message) = self.messages.get_mut(message) {
                    message.append(part, part_type, text.as_str().unwrap_or_default());
                }
            }
            Patch::Part { message, part, value } => {
                if let Some(message) = self.messages.get_mut(message) {
                    message.set(part, value);
                }
            }
            Patch::MessageState { message, state, error } => {
                if let Some(message) = self.messages.get_mut(message) {
                    message.state = state;
                    message.error = error;
                }
            }
            Patch::Truncate { messages } => {
                let hidden = self.messages.drain(messages.min(self.messages.len())..);
                self.hidden.extend(hidden.map(Hidden::from));
            }
            Patch::Older { messages, runs } => self.prepend(&messages, runs),
            Patch::Run { id, agent, parent, in_reply_to } => self.runs.push(Run {
                id: owned(Some(id)).unwrap_or_default(),
                agent: owned(Some(agent)).unwrap_or_default(),
                state: RunState::Running,
                parent,
                in_reply_to: owned(in_reply_to),
                asks: Vec::new(),
                error: None,
                usage: None,
                started: first,
            }),
            Patch::RunState { run, state, error, usage } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.state = state;
                    run.error = error;
                    run.usage = usage;
                    if state.has_ended() {
                        run.asks.clear();
                    }
                }
            }
            Patch::Ask { run, ask, body } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.asks.push(json!({"id": ask, "body": body}));
                }
            }
            Patch::Answered { run, ask } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.asks.retain(|open| open.get("id") != Some(&ask));
                }
            }
            Patch::Title { title } => self.title = Some(title),
        }
    }
}

fn owned(value: Option<Value>) -> Option<String> {
    value.and_then(|value| value.as_str().map(str::to_owned))
}
