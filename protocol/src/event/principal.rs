//! Who writes events.

use serde::{Deserialize, Serialize};

use crate::id::Id;

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
