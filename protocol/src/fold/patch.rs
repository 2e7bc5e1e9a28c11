//! What one event changes in a transcript.

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// In the log.
    Sent,
    /// Its run may still write to it.
    Streaming,
    /// Its run completed.
    Completed,
    /// Its run failed.
    Failed,
    /// Its run was stopped, or the message was cancelled before a run took it.
    Stopped,
    /// Its run was lost, or the message expired.
    Lost,
}

impl MessageState {
    /// The state's name in a transcript.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Streaming => "streaming",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }

    /// The state of this name in a transcript.
    #[cfg(feature = "codec")]
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "sent" => Self::Sent,
            "streaming" => Self::Streaming,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "stopped" => Self::Stopped,
            "lost" => Self::Lost,
            _ => return None,
        })
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// At work.
    Running,
    /// Waiting for an answer.
    Suspended,
    /// Stopped, its end is not in the log yet.
    Stopping,
    /// It did its work.
    Completed,
    /// It could not.
    Failed,
    /// A stop ended it.
    Stopped,
    /// Its agent went away.
    Lost,
}

impl RunState {
    /// The state's name in a transcript.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Stopping => "stopping",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }

    /// Whether the run's end is in the log.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Suspended | Self::Stopping)
    }

    /// The state of a run that ended so, by the outcome's name on the wire.
    #[must_use]
    pub fn ended(outcome: &str) -> Option<Self> {
        Some(match outcome {
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "stopped" => Self::Stopped,
            "lost" => Self::Lost,
            _ => return None,
        })
    }

    /// The state of this name in a transcript.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "running" => Self::Running,
            "suspended" => Self::Suspended,
            "stopping" => Self::Stopping,
            outcome => return Self::ended(outcome),
        })
    }

    /// The state of a message of such a run.
    pub(super) const fn of_message(self) -> MessageState {
        match self {
            Self::Running | Self::Suspended | Self::Stopping => MessageState::Streaming,
            Self::Completed => MessageState::Completed,
            Self::Failed => MessageState::Failed,
            Self::Stopped => MessageState::Stopped,
            Self::Lost => MessageState::Lost,
        }
    }
}

/// One change. Messages are named by their place among the visible ones, runs by the order in
/// which they started; both count from 0.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch<N> {
    /// A message joins at the end. A steer is one too: of role `user`, with the run it is for, `sent`
    /// until its own [`Patch::MessageState`]; the end of that run does not change it.
    Message {
        /// Its id.
        id: N,
        /// `user` or `assistant`.
        role: N,
        /// Who wrote it.
        from: Option<N>,
        /// When, ms since the Unix epoch.
        at: Option<N>,
        /// The run it is from.
        run: Option<N>,
        /// Its words: one part of type text.
        text: Option<N>,
        /// Or its parts.
        parts: Option<N>,
        /// The app's own JSON.
        data: Option<N>,
        /// Where it stands.
        state: MessageState,
    },
    /// Text is appended to a part. Parts before it that do not exist yet are empty text; a new
    /// part is `{type, text}`, and an existing one keeps its type.
    Append {
        /// Which message.
        message: usize,
        /// Which part.
        part: u64,
        /// The type of a new part; `text` when absent.
        part_type: Option<N>,
        /// What is appended.
        text: N,
    },
    /// A part is set whole.
    Part {
        /// Which message.
        message: usize,
        /// Which part.
        part: u64,
        /// The part; `null` when absent.
        value: Option<N>,
    },
    /// A message moves to another state.
    MessageState {
        /// Which message.
        message: usize,
        /// The state.
        state: MessageState,
        /// Why its run failed.
        error: Option<N>,
    },
    /// Only the first so many messages stay.
    Truncate {
        /// How many stay.
        messages: usize,
    },
    /// A run starts.
    Run {
        /// Its id.
        id: N,
        /// The agent's name.
        agent: N,
        /// The run it works for.
        parent: Option<usize>,
        /// The input it claimed.
        in_reply_to: Option<N>,
    },
    /// A run moves to another state. Once that is an outcome, no ask of it is open any more.
    RunState {
        /// Which run.
        run: usize,
        /// The state.
        state: RunState,
        /// Why it failed.
        error: Option<N>,
        /// What it used.
        usage: Option<N>,
    },
    /// A run waits for an answer.
    Ask {
        /// Which run.
        run: usize,
        /// The ask.
        ask: N,
        /// What is asked.
        body: Option<N>,
    },
    /// An ask has its answer.
    Answered {
        /// Which run.
        run: usize,
        /// The ask.
        ask: N,
    },
    /// Messages from before the first one join in front of it, as [`Fold::older`](super::Fold::older)
    /// takes them in.
    Older {
        /// The messages, whole and as they stand in a transcript.
        messages: Vec<N>,
        /// Runs as in a transcript, each with its `children`. They come before the runs that are
        /// there, and get no numbers: those the fold does not know have ended for good. Those that are
        /// there already stay as they are, at the place they have here.
        runs: Vec<N>,
    },
    /// The session has a title.
    Title {
        /// The title.
        title: N,
    },
}
