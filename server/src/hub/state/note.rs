//! State that is not an event, in the store beside the events.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::Principal;
use durable_sessions_protocol::id::Id;
use serde::{Deserialize, Serialize};

use super::Refusal;

/// One note. Stored as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Note {
    /// A producer reached an epoch. Grants are counted from 1 in the order of their notes.
    Grant {
        /// Whose producer.
        principal: Principal,
        /// The producer.
        producer: Id,
        /// The epoch.
        epoch: u64,
    },
    /// A refusal used up a sequence number.
    Refused {
        /// The grant it was written under.
        grant: u32,
        /// The sequence number.
        seq: u64,
        /// Why.
        problem: Problem,
        /// Which event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
    },
}

impl Note {
    pub(super) fn to_json(&self) -> Vec<u8> {
        // A note's keys are strings and its numbers whole, so writing it cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(bytes).map_err(|error| {
            Problem::new(ErrorCode::Unavailable, format!("a stored note cannot be read: {error}"))
        })
    }

    pub(super) fn refused(grant: u32, seq: u64, refusal: &Refusal) -> Self {
        Self::Refused { grant, seq, problem: refusal.problem.clone(), index: refusal.index }
    }
}
