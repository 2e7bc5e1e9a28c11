//! The fold: from the events of a log to the transcript people read.
//!
//! There is one definition, here. It reads events through [`Node`], so the same code runs over
//! `serde_json::Value` in a server or an agent and over JavaScript values in a browser, and it
//! holds no text: it emits [`Patch`]es, and whoever owns the transcript applies them. A delta
//! costs one lookup and one patch, however long the message is.

mod index;
mod node;
mod patch;
#[cfg(feature = "codec")]
mod transcript;

use index::Index;
pub use node::Node;
pub use patch::{MessageState, Patch, RunState};
#[cfg(feature = "codec")]
pub use transcript::{Message, Run, Transcript};

use crate::limits::MESSAGE_MAX_PARTS;

/// Where the transcript stands and what it is made of, without the content.
#[derive(Debug, Default)]
pub struct Fold {
    message_slots: Vec<MessageSlot>,
    messages: Index,
    /// Slots of the messages in the transcript, in order.
    visible: Vec<usize>,
    run_slots: Vec<RunSlot>,
    runs: Index,
}

#[derive(Debug)]
struct MessageSlot {
    /// Place among the visible messages; `None` once a later message replaced it.
    place: Option<usize>,
    run: Option<usize>,
}

#[derive(Debug)]
struct RunSlot {
    state: RunState,
    messages: Vec<usize>,
    asks: Vec<String>,
}

impl Fold {
    /// A fold of no events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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

    fn message<N: Node>(&mut self, event: &N, patch: &mut impl FnMut(Patch<N>)) -> Option<()> {
        let id = event.text("id")?;
        let role = event.field("role")?;
        if self.messages.get(&id).is_some() {
            return None;
        }
        let replaced = event
            .text("replaces")
            .and_then(|id| self.messages.get(&id))
            .and_then(|slot| self.message_slots.get(slot)?.place);
        if let Some(place) = replaced {
            self.truncate(place, patch);
        }
        let run = event.text("run");
        let state = self.add_message(&id, run.as_deref());
        patch(Patch::Message {
            id: event.field("id")?,
            role,
            from: event.field("from"),
            at: event.field("at"),
            run: event.field("run"),
            text: event.field("text"),
            parts: event.field("parts"),
            data: event.field("data"),
            state,
        });
        Some(())
    }

    fn delta<N: Node>(&mut self, event: &N, patch: &mut impl FnMut(Patch<N>)) -> Option<()> {
        let part = part_index(event.number("part").unwrap_or(0))?;
        let text = event.field("text")?;
        let place = self.part_place(event, patch)?;
        patch(Patch::Append { message: place, part, part_type: event.field("type"), text });
        Some(())
    }

    fn data<N: Node>(&mut self, event: &N, patch: &mut impl FnMut(Patch<N>)) -> Option<()> {
        let part = part_index(event.number("part")?)?;
        let place = self.part_place(event, patch)?;
        patch(Patch::Part { message: place, part, value: event.field("data") });
        Some(())
    }

    /// The place of the message an event writes a part of. The first such event makes the message.
    fn part_place<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<usize> {
        let id = event.text("message")?;
        if let Some(slot) = self.messages.get(&id) {
            return self.message_slots.get(slot)?.place;
        }
        let run = event.text("run")?;
        let state = self.add_message(&id, Some(&run));
        patch(Patch::Message {
            id: event.field("message")?,
            role: N::from_text("assistant"),
            from: event.field("from"),
            at: event.field("at"),
            run: event.field("run"),
            text: None,
            parts: None,
            data: None,
            state,
        });
        Some(self.visible.len().saturating_sub(1))
    }

    fn add_message(&mut self, id: &str, run: Option<&str>) -> MessageState {
        let slot = self.message_slots.len();
        let run = run.and_then(|run| self.runs.get(run));
        let mut state = MessageState::Sent;
        if let Some(run) = run.and_then(|run| self.run_slots.get_mut(run)) {
            run.messages.push(slot);
            state = run.state.of_message();
        }
        self.message_slots.push(MessageSlot { place: Some(self.visible.len()), run });
        self.messages.insert(id, slot);
        self.visible.push(slot);
        state
    }

    fn truncate<N: Node>(&mut self, place: usize, patch: &mut impl FnMut(Patch<N>)) {
        while self.visible.len() > place
            && let Some(slot) = self.visible.pop()
        {
            if let Some(message) = self.message_slots.get_mut(slot) {
                message.place = None;
            }
        }
        patch(Patch::Truncate { messages: place });
    }

    fn run_started<N: Node>(&mut self, event: &N, patch: &mut impl FnMut(Patch<N>)) -> Option<()> {
        let id = event.text("run")?;
        let agent = event.field("agent")?;
        if self.runs.get(&id).is_some() {
            return None;
        }
        let slot = self.run_slots.len();
        self.runs.insert(&id, slot);
        self.run_slots.push(RunSlot {
            state: RunState::Running,
            messages: Vec::new(),
            asks: Vec::new(),
        });
        let parent = event.text("parent").and_then(|parent| self.runs.get(&parent));
        patch(Patch::Run {
            id: event.field("run")?,
            agent,
            parent: parent.filter(|&parent| parent != slot),
            in_reply_to: event.field("in_reply_to"),
        });
        Some(())
    }

    fn run_ended<N: Node>(&mut self, event: &N, patch: &mut impl FnMut(Patch<N>)) -> Option<()> {
        let state = RunState::ended(&event.text("outcome")?)?;
        let slot = self.run(event)?;
        self.set_run(slot, state, event.field("error"), event.field("usage"), patch)?;
        let messages = std::mem::take(&mut self.run_slots.get_mut(slot)?.messages);
        for message in &messages {
            let Some(place) = self.message_slots.get(*message).and_then(|slot| slot.place) else {
                continue;
            };
            patch(Patch::MessageState {
                message: place,
                state: state.of_message(),
                error: event.field("error"),
            });
        }
        self.run_slots.get_mut(slot)?.messages = messages;
        Some(())
    }

    /// The slot of the run an event is about.
    fn run<N: Node>(&self, event: &N) -> Option<usize> {
        self.runs.get(&event.text("run")?)
    }

    /// Moves a run to a state, unless it has ended.
    fn set_run<N: Node>(
        &mut self,
        slot: usize,
        state: RunState,
        error: Option<N>,
        usage: Option<N>,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let run = self.run_slots.get_mut(slot)?;
        if run.state.has_ended() {
            return None;
        }
        run.state = state;
        patch(Patch::RunState { run: slot, state, error, usage });
        Some(())
    }

    fn stop_requested<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        for run in event.field("runs")?.items() {
            if let Some(slot) = run.as_text().and_then(|id| self.runs.get(&id)) {
                let _: Option<()> = self.set_run(slot, RunState::Stopping, None, None, patch);
            }
        }
        Some(())
    }

    fn input_state<N: Node>(&mut self, event: &N, patch: &mut impl FnMut(Patch<N>)) -> Option<()> {
        let state = match event.text("state")?.as_str() {
            "stopped" => MessageState::Stopped,
            "expired" => MessageState::Lost,
            _ => return None,
        };
        let message = self.message_slots.get(self.messages.get(&event.text("id")?)?)?;
        if message.run.is_some() {
            return None;
        }
        patch(Patch::MessageState { message: message.place?, state, error: None });
        Some(())
    }

    fn run_suspended<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let ask = event.text("ask")?;
        let slot = self.run(event)?;
        let run = self.run_slots.get_mut(slot)?;
        if run.state.has_ended() || run.asks.contains(&ask) {
            return None;
        }
        run.asks.push(ask);
        patch(Patch::Ask { run: slot, ask: event.field("ask")?, body: event.field("body") });
        if self.run_slots.get(slot)?.state == RunState::Running {
            self.set_run(slot, RunState::Suspended, None, None, patch)?;
        }
        Some(())
    }

    fn run_resumed<N: Node>(&mut self, event: &N, patch: &mut impl FnMut(Patch<N>)) -> Option<()> {
        let ask = event.text("ask")?;
        let slot = self.run(event)?;
        let run = self.run_slots.get_mut(slot)?;
        run.asks.retain(|open| *open != ask);
        let goes_on = run.asks.is_empty() && run.state == RunState::Suspended;
        patch(Patch::Answered { run: slot, ask: event.field("ask")? });
        if goes_on {
            self.set_run(slot, RunState::Running, None, None, patch)?;
        }
        Some(())
    }
}

/// A reader makes room for all parts up to an index, so it takes none past the limit.
fn part_index(part: u64) -> Option<u64> {
    (part < u64::from(MESSAGE_MAX_PARTS)).then_some(part)
}
