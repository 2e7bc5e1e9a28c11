//! The transcript as JSON: what the HTTP endpoint answers and an agent reads as its history. Its
//! shape is the one of the JavaScript API.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{Fold, Patch, RunState};
use crate::id::LogId;
use crate::limits::MESSAGE_MAX_PARTS;
use crate::offset::Offset;

/// The fold of a log up to an offset.
#[derive(Debug)]
pub struct Transcript {
    fold: Fold,
    log: LogId,
    offset: Offset,
    title: Option<Value>,
    messages: Vec<Message>,
    runs: Vec<Run>,
}

/// A message of the transcript.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: String,
    /// `user` or `assistant`.
    pub role: String,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// When, ms since the Unix epoch.
    pub at: u64,
    /// Its text parts joined.
    pub text: String,
    /// Its parts.
    pub parts: Vec<Value>,
    /// The app's own JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The run it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Why its run failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// Where it stands.
    #[serde(serialize_with = "state_name")]
    pub state: super::MessageState,
}

fn state_name<S: Serializer>(
    state: &super::MessageState,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.as_str())
}

/// A run of the transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The agent's name.
    pub agent: String,
    /// Where it stands.
    pub state: RunState,
    /// The run it works for, by its place in [`Transcript::runs`].
    pub parent: Option<usize>,
    /// The input it claimed.
    pub in_reply_to: Option<String>,
    /// Open asks: `{id, body}`.
    pub asks: Vec<Value>,
    /// Why it failed.
    pub error: Option<Value>,
    /// What it used.
    pub usage: Option<Value>,
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
            runs: Vec::new(),
        }
    }

    /// Takes the next event of the log.
    pub fn apply(&mut self, event: &Value) {
        if let Some(offset) = event.get("offset").and_then(Value::as_u64).and_then(Offset::new) {
            self.offset = offset;
        }
        let mut patches = Vec::new();
        self.fold.apply(event, &mut |patch| patches.push(patch));
        for patch in patches {
            self.patch(patch);
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

    /// All runs, in the order in which they started.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The JSON of the JavaScript API's `Transcript`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (roots, active) = self.runs_json();
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

    /// The runs that work for no other, and the open ones, each with those below it.
    fn runs_json(&self) -> (Vec<Value>, Vec<Value>) {
        let (mut roots, mut active) = (Vec::new(), Vec::new());
        let mut children: Vec<Vec<Value>> = vec![Vec::new(); self.runs.len()];
        // From the last on: a run starts after the one it works for.
        for (index, run) in self.runs.iter().enumerate().rev() {
            let mut below = children.get_mut(index).map(std::mem::take).unwrap_or_default();
            below.reverse();
            let view = self.run_json(run, below);
            if !run.state.has_ended() {
                active.push(view.clone());
            }
            match run.parent.and_then(|parent| children.get_mut(parent)) {
                Some(siblings) => siblings.push(view),
                None => roots.push(view),
            }
        }
        roots.reverse();
        active.reverse();
        (roots, active)
    }

    fn run_json(&self, run: &Run, children: Vec<Value>) -> Value {
        let mut out = json!({
            "id": run.id,
            "agent": run.agent,
            "state": run.state.as_str(),
            "children": children,
            "asks": run.asks,
        });
        let optional = [
            (
                "parent",
                run.parent.and_then(|parent| Some(self.runs.get(parent)?.id.clone().into())),
            ),
            ("inReplyTo", run.in_reply_to.clone().map(Value::from)),
            ("error", run.error.clone()),
            ("usage", run.usage.clone()),
        ];
        if let Value::Object(fields) = &mut out {
            for (name, value) in optional {
                if let Some(value) = value {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
        out
    }

    fn patch(&mut self, patch: Patch<Value>) {
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
                };
                message.join_text();
                self.messages.push(message);
            }
            Patch::Append { message, part, part_type, text } => {
                if let Some(message) = self.messages.get_mut(message) {
                    message.append(part, part_type, text.as_str().unwrap_or_default());
                }
            }
            Patch::Part { message, part, value } => {
                if let Some(message) = self.messages.get_mut(message)
                    && let Some(slot) = message.part(part)
                {
                    *slot = value.unwrap_or_default();
                    message.join_text();
                }
            }
            Patch::MessageState { message, state, error } => {
                if let Some(message) = self.messages.get_mut(message) {
                    message.state = state;
                    message.error = error;
                }
            }
            Patch::Truncate { messages } => self.messages.truncate(messages),
            Patch::Run { id, agent, parent, in_reply_to } => self.runs.push(Run {
                id: owned(Some(id)).unwrap_or_default(),
                agent: owned(Some(agent)).unwrap_or_default(),
                state: RunState::Running,
                parent,
                in_reply_to: owned(in_reply_to),
                asks: Vec::new(),
                error: None,
                usage: None,
            }),
            Patch::RunState { run, state, error, usage } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.state = state;
                    run.error = error;
                    run.usage = usage;
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

impl Message {
    /// The part at an index, made with empty text before it where none is; `None` past the limit.
    fn part(&mut self, index: u64) -> Option<&mut Value> {
        if index >= u64::from(MESSAGE_MAX_PARTS) {
            return None;
        }
        let index = usize::try_from(index).ok()?;
        while self.parts.len() <= index {
            self.parts.push(json!({"type": "text", "text": ""}));
        }
        self.parts.get_mut(index)
    }

    fn append(&mut self, index: u64, part_type: Option<Value>, text: &str) {
        let is_new = index >= self.parts.len() as u64;
        let is_last = index.saturating_add(1) >= self.parts.len() as u64;
        let Some(part) = self.part(index) else { return };
        if is_new && let Some(part_type) = part_type {
            *part = json!({"type": part_type, "text": ""});
        }
        if !part.is_object() {
            *part = json!({"type": "text", "text": ""});
        }
        let is_text = part.get("type").and_then(Value::as_str) == Some("text");
        match part.get_mut("text") {
            Some(Value::String(whole)) => whole.push_str(text),
            _ => {
                if let Value::Object(fields) = part {
                    fields.insert("text".to_owned(), text.into());
                }
            }
        }
        if is_text && is_last {
            self.text.push_str(text);
        } else if is_text {
            self.join_text();
        }
    }

    fn join_text(&mut self) {
        self.text = self
            .parts
            .iter()
            .filter(|part| part.get("type").and_then(Value::as_str) == Some("text"))
            .filter_map(|part| part.get("text")?.as_str())
            .collect();
    }
}

fn owned(value: Option<Value>) -> Option<String> {
    value.and_then(|value| value.as_str().map(str::to_owned))
}
