//! A state in bytes: what a session is loaded from instead of its whole log.
//!
//! ```text
//! version u8, xxh3 of the rest u64 (LE), the state (postcard)
//! ```
//!
//! The bytes say nothing about themselves, so every change of a type they are made of is a new
//! version. Whoever cannot read them replays the log, which says the same.

use bytes::Bytes;
use durable_sessions_protocol::id::{Id, LogId};
use xxhash_rust::xxh3::xxh3_64;

use super::State;
use super::past::Past;
use super::runs::Lease;

/// To be raised with every change of what is written.
const VERSION: u8 = 4;
const HEAD_BYTES: usize = 1 + 8;

/// Why a checkpoint is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It is another version's.
    #[error("its checkpoint has version {0:?}, not {VERSION}")]
    Version(Option<u8>),
    /// Its bytes are not those that were written.
    #[error("its checkpoint is damaged")]
    Damaged,
    /// It is of another log, or messages without an address were for another agent then.
    #[error("its checkpoint was made for another log or another default agent")]
    Foreign,
}

impl State {
    /// The state as of everything admitted so far.
    #[must_use]
    pub fn checkpoint(&self) -> Bytes {
        // Writing into memory does not fail. Were it to, no bytes are no checkpoint.
        let mut bytes = postcard::to_extend(self, vec![0; HEAD_BYTES]).unwrap_or_default();
        if let Some((head, state)) = bytes.split_first_chunk_mut::<HEAD_BYTES>() {
            let [version, digest @ ..] = head;
            *version = VERSION;
            *digest = xxh3_64(state).to_le_bytes();
        }
        bytes.into()
    }

    /// The state that a checkpoint was made of. Like a replayed one it needs
    /// [`finish_replay`](Self::finish_replay), once what is behind it has been replayed.
    ///
    /// # Errors
    ///
    /// When the bytes are not such a state, or of another log or default agent.
    pub fn restore(
        checkpoint: &[u8],
        log: &LogId,
        default_agent: &Id,
    ) -> Result<Self, CheckpointError> {
        let version = checkpoint.first().copied();
        if version != Some(VERSION) {
            return Err(CheckpointError::Version(version));
        }
        let (head, bytes) =
            checkpoint.split_first_chunk::<HEAD_BYTES>().ok_or(CheckpointError::Damaged)?;
        let [_, digest @ ..] = *head;
        if xxh3_64(bytes).to_le_bytes() != digest {
            return Err(CheckpointError::Damaged);
        }
        let Ok((mut state, [])) = postcard::take_from_bytes::<Self>(bytes) else {
            return Err(CheckpointError::Damaged);
        };
        if state.log != *log || state.default_agent != *default_agent {
            return Err(CheckpointError::Foreign);
        }
        state.past = Past::of(state.runs.iter());
        state.find_places();
        state.pending.find_delegated(&state.inputs);
        Ok(state)
    }

    /// The title, if one was set.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Whether the session belongs into the store's `due` and `pending` indexes, once its log is
    /// read.
    #[must_use]
    pub fn indexes(&self) -> (bool, bool) {
        self.indexed
    }

    /// When the leases of the open runs end; `None` while a connection holds one.
    #[must_use]
    pub fn leases(&self) -> Option<Vec<(Id, u64)>> {
        let leases = self.open_runs().map(|(id, run)| match run.lease {
            Lease::Held(_) => None,
            Lease::Until(until) => Some((id.clone(), until)),
        });
        leases.collect()
    }

    /// The session was out of memory for a while, and the server was not: its leases go on from
    /// where they were.
    pub fn resume_leases(&mut self, leases: &[(Id, u64)]) {
        for (id, until) in leases {
            if let Some(run) = self.runs.get_mut(id) {
                run.lease = Lease::Until(*until);
            }
        }
    }
}

/// Refusals hold problems, which are written as JSON: their fields come and go.
pub(super) mod refusals {
    use std::collections::BTreeMap;

    use durable_sessions_protocol::error::Problem;
    use serde::de::{Deserialize, Deserializer, Error as _};
    use serde::ser::{Error as _, Serializer};

    use crate::hub::state::Refusal;

    type Row = (u64, String, Option<usize>);

    pub(in crate::hub::state) fn serialize<S: Serializer>(
        refusals: &BTreeMap<u64, Refusal>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let rows: Result<Vec<Row>, serde_json::Error> = refusals
            .iter()
            .map(|(seq, Refusal { problem, index })| {
                Ok((*seq, serde_json::to_string(problem)?, *index))
            })
            .collect();
        serializer.collect_seq(rows.map_err(S::Error::custom)?)
    }

    pub(in crate::hub::state) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u64, Refusal>, D::Error> {
        let rows = Vec::<Row>::deserialize(deserializer)?;
        let refusals = rows.into_iter().map(|(seq, problem, index)| {
            let problem: Problem = serde_json::from_str(&problem).map_err(D::Error::custom)?;
            Ok((seq, Refusal { problem, index }))
        });
        refusals.collect()
    }
}
