//! The words that fields of events take.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::offset::Offset;

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
    pub(super) fn is_default(&self) -> bool {
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
