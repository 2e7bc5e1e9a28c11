//! Writing runs as a producer.

use durable_sessions_protocol::id::Id;

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
}

/// How a run ends by the word of its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEnd {
    /// It did its work; the result as JSON text.
    Completed {
        /// The result.
        data: Option<String>,
    },
    /// It could not; `{code, detail}` or the app's own, as JSON text.
    Failed {
        /// Why.
        error: Option<String>,
    },
    /// A stop ended it.
    Stopped,
}
