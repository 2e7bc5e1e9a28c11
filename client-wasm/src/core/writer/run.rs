//! A run of this process, from its start to its acknowledged end.

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::EVENT_MAX_BYTES;
use durable_sessions_protocol::quote::write_string;

use crate::core::frames::{field_name, field_number, field_text};

/// The start of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Names the run; made at random.
    pub run: Id,
    /// The agent's name.
    pub agent: Id,
    /// The input it claims.
    pub in_reply_to: Option<Id>,
    /// The run it works for.
    pub parent: Option<Id>,
    /// How long it outlives its connection, in ms; the server's default if absent.
    pub lease_ms: Option<u64>,
}

/// How a run ends by the word of its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// It did its work.
    Completed {
        /// The result, as JSON text.
        data: Option<String>,
    },
    /// It could not.
    Failed {
        /// Why: `{code, detail}` or the app's own, as JSON text.
        error: Option<String>,
    },
    /// A stop ended it.
    Stopped,
}

/// Where text of a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartName {
    /// The run's message. The first piece of it makes it.
    pub message: Id,
    /// Index of the part.
    pub part: u32,
    /// `text`, `reasoning` or the app's own; the same for all of one part.
    pub part_type: String,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: Id,
    pub(super) phase: Phase,
    /// A delta was sent so shortly before this time that the next one waits for more until then.
    pub(super) gathers_until: u64,
    /// Why something it wrote is not in the log, so that it has not done its work.
    pub(super) refused: Option<ErrorCode>,
}

impl Run {
    pub(super) const fn new(id: Id, phase: Phase) -> Self {
        Self { id, phase, gathers_until: 0, refused: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its start is not acknowledged.
    Starting,
    /// At work.
    Open,
    /// Stopped, and its handler has not ended it yet.
    Stopped,
    /// Its end is not acknowledged.
    Ending,
    /// What it has written is delivered, and then it is forgotten.
    Leaving,
}

impl Phase {
    pub(super) const fn may_write(self) -> bool {
        matches!(self, Self::Starting | Self::Open)
    }
}

impl Started {
    pub(super) fn to_json(&self) -> String {
        let mut event = String::from("{\"kind\":\"run.started\"");
        field_text(&mut event, "run", self.run.as_str());
        field_text(&mut event, "agent", self.agent.as_str());
        for (name, value) in [("in_reply_to", &self.in_reply_to), ("parent", &self.parent)] {
            if let Some(value) = value {
                field_text(&mut event, name, value.as_str());
            }
        }
        if let Some(lease_ms) = self.lease_ms {
            field_number(&mut event, "lease_ms", lease_ms);
        }
        event.push('}');
        event
    }
}

impl PartName {
    /// The delta that appends a text. Its text stands last, where it can grow.
    pub(super) fn delta(&self, run: &Id, text: &str) -> String {
        let mut event = String::from("{\"kind\":\"delta\"");
        field_text(&mut event, "run", run.as_str());
        field_text(&mut event, "message", self.message.as_str());
        field_number(&mut event, "part", u64::from(self.part));
        if self.part_type != "text" {
            field_text(&mut event, "type", &self.part_type);
        }
        field_text(&mut event, "text", text);
        event.push('}');
        event
    }

    /// Appends to the text of the delta that ends here.
    pub(super) fn extend(events: &mut String, text: &str) {
        let mut quoted = String::with_capacity(text.len() + 2);
        write_string(&mut quoted, text);
        events.truncate(events.len().saturating_sub("\"}".len()));
        events.push_str(quoted.get(1..).unwrap_or_default());
        events.push('}');
    }
}

impl RunEnd {
    /// The event. A result or error over the size limit cannot be sent: the run has failed.
    pub(super) fn to_json(&self, run: &Id) -> String {
        let (outcome, field) = match self {
            Self::Completed { data } => ("completed", data.as_ref().map(|data| ("data", data))),
            Self::Failed { error } => ("failed", error.as_ref().map(|error| ("error", error))),
            Self::Stopped => ("stopped", None),
        };
        let mut event = String::from("{\"kind\":\"run.ended\"");
        field_text(&mut event, "run", run.as_str());
        field_text(&mut event, "outcome", outcome);
        if let Some((name, json)) = field {
            field_name(&mut event, name);
            event.push_str(json);
        }
        event.push('}');
        if event.len() > EVENT_MAX_BYTES {
            return Self::failed(ErrorCode::TooLarge).to_json(run);
        }
        event
    }

    /// For a reason of this library's.
    pub(super) fn failed(code: ErrorCode) -> Self {
        let mut error = String::from("{\"code\":");
        write_string(&mut error, code.as_str());
        error.push('}');
        Self::Failed { error: Some(error) }
    }
}
