//! A message of the transcript and its parts.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::fold::MessageState;
use crate::limits::MESSAGE_MAX_PARTS;
use crate::offset::Offset;

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
    /// The run it is from; of a steer the run it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Why its run failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// Where it stands.
    #[serde(serialize_with = "state_name")]
    pub state: MessageState,
    /// The offset of its first event; zero when the message came with a snapshot.
    #[serde(skip)]
    pub(super) first: Offset,
    /// Its place among all messages of the log.
    #[serde(skip)]
    pub(super) order: i64,
}

fn state_name<S: Serializer>(state: &MessageState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.as_str())
}

impl Message {
    /// Reads a message of a transcript's JSON. What is not there or something else is left empty.
    pub(super) fn of_json(value: &Value, order: i64) -> Self {
        let text = |name| value.get(name).and_then(Value::as_str).unwrap_or_default();
        Self {
            id: text("id").to_owned(),
            role: text("role").to_owned(),
            from: value.get("from").cloned(),
            at: value.get("at").and_then(Value::as_u64).unwrap_or(0),
            text: text("text").to_owned(),
            parts: value.get("parts").and_then(Value::as_array).cloned().unwrap_or_default(),
            data: value.get("data").cloned(),
            run: value.get("run").and_then(Value::as_str).map(str::to_owned),
            error: value.get("error").cloned(),
            state: MessageState::parse(text("state")).unwrap_or(MessageState::Sent),
            first: Offset::ZERO,
            order,
        }
    }

    /// Sets a part whole.
    pub(super) fn set(&mut self, index: u64, value: Option<Value>) {
        let Some(part) = self.part(index) else { return };
        *part = value.unwrap_or_default();
        self.join_text();
    }

    pub(super) fn append(&mut self, index: u64, part_type: Option<Value>, text: &str) {
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

    pub(super) fn join_text(&mut self) {
        self.text = self
            .parts
            .iter()
            .filter(|part| part.get("type").and_then(Value::as_str) == Some("text"))
            .filter_map(|part| part.get("text")?.as_str())
            .collect();
    }

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
}
