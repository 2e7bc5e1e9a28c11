//! The fold: from the events of a log to the transcript people read.
//!
//! There is one definition, here. It reads events through [`Node`], so the same code runs over
//! `serde_json::Value` in a server or an agent and over JavaScript values in a browser, and it
//! holds no text: it emits [`Patch`]es, and whoever owns the transcript applies them. A delta
//! costs one lookup and one patch, however long the message is.
//!
//! A fold may also begin in the middle of a log, [after an offset](Fold::part) or [with a transcript
//! that somebody folded](Fold::resume), and take [older messages](Fold::older) in later.

mod index;
mod messages;
mod node;
mod older;
mod patch;
mod runs;
#[cfg(feature = "codec")]
mod transcript;

use index::Index;
pub use node::Node;
pub use patch::{MessageState, Patch, RunState};
#[cfg(feature = "codec")]
pub use transcript::{Message, Run, Transcript};

/// Where the transcript stands and what it is made of, without the content.
#[derive(Debug, Default)]
pub struct Fold {
    message_slots: Vec<MessageSlot>,
    messages: Index,
    /// Slots of the messages in the transcript, in order.
    visible: Vec<usize>,
    run_slots: Vec<RunSlot>,
    runs: Index,
    /// How many of them are in the transcript.
    shown_runs: usize,
    /// Set when the log has more before its first event.
    older: Option<Older>,
}

/// What is known of the log before the fold's first event.
#[derive(Debug, Default)]
struct Older {
    /// Messages that were taken in from there.
    messages: i64,
    /// The last event that hid a message from there which is not known here.
    hidden_at: u64,
}

#[derive(Debug)]
struct MessageSlot {
    /// Its place in the log among all messages.
    order: i64,
    /// Place among the visible messages; `None` while it is not shown.
    place: Option<usize>,
    author: Author,
}

/// Who may move a message to another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    /// A user's message, or one whose run is not known: nothing but its own fate.
    User,
    /// A user's words to a run at work.
    Steer,
    /// The end of the run in this slot.
    Run(usize),
}

#[derive(Debug)]
struct RunSlot {
    /// Place among the runs of the transcript; `None` when it started before the fold's first event.
    place: Option<usize>,
    state: RunState,
    messages: Vec<usize>,
    asks: Vec<String>,
}

impl Fold {
    /// A fold of no events, for a log from its start.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A fold of no events, for a log from somewhere in its middle. What its events name and it has
    /// never heard of began before: such runs are not shown, a delta to such a message begins it
    /// here.
    #[must_use]
    pub fn part() -> Self {
        Self { older: Some(Older::default()), ..Self::default() }
    }

    /// Whether a message with this id is in the transcript or was hidden from it.
    #[must_use]
    pub fn knows_message(&self, id: &str) -> bool {
        self.messages.get(id).is_some()
    }

    /// The state of a run, if the log has started it.
    #[must_use]
    pub fn run_state(&self, id: &str) -> Option<RunState> {
        self.runs.get(id).and_then(|slot| self.run_slots.get(slot)).map(|run| run.state)
    }

    /// Takes the next event of the log. An event that does not fit changes nothing: the server
    /// decides what enters a log, a reader only shows it.
    pub fn apply<N: Node>(&mut self, event: &N, patch: &mut impl FnMut(Patch<N>)) {
        let Some(kind) = event.text("kind") else { return };
        // A missing step means the event names something this reader does not know.
        let _: Option<()> = match kind.as_str() {
            "delta" => self.delta(event, patch),
            "message" => self.message(event, patch),
            "steer" => self.steer(event, patch),
            "run.started" => self.run_started(event, patch),
            "run.ended" => self.run_ended(event, patch),
            "stop.requested" => self.stop_requested(event, patch),
            "input.state" => self.input_state(event, patch),
            "data" => self.data(event, patch),
            "run.suspended" => self.run_suspended(event, patch),
            "run.resumed" => self.run_resumed(event, patch),
            "session.updated" => event.field("title").map(|title| patch(Patch::Title { title })),
            _ => None,
        };
    }
}
