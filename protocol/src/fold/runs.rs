//! Events that begin, hold up and end runs.

use super::{Author, Fold, Node, Patch, RunSlot, RunState};

impl Fold {
    pub(super) fn run_started<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let id = event.text("run")?;
        let agent = event.field("agent")?;
        if self.runs.get(&id).is_some() {
            return None;
        }
        let parent = self.parent(event);
        self.add_run(&id, true, RunState::Running);
        patch(Patch::Run {
            id: event.field("run")?,
            agent,
            parent: parent.and_then(|parent| self.run_slots.get(parent)?.place),
            in_reply_to: event.field("in_reply_to"),
        });
        Some(())
    }

    /// The slot of the run that a new one works for: the one that wrote the message it claims, else
    /// the one it names.
    fn parent<N: Node>(&self, event: &N) -> Option<usize> {
        let input = event.text("in_reply_to").and_then(|input| self.messages.get(&input));
        match input.and_then(|slot| self.message_slots.get(slot)).map(|input| input.author) {
            Some(Author::Run(run)) => Some(run),
            Some(Author::User | Author::Steer) => None,
            None => self.runs.get(&event.text("parent")?),
        }
    }

    /// Adds a run to the known ones; its slot.
    pub(super) fn add_run(&mut self, id: &str, is_shown: bool, state: RunState) -> usize {
        let slot = self.run_slots.len();
        let place = is_shown.then_some(self.shown_runs);
        self.shown_runs += usize::from(is_shown);
        self.runs.insert(id, slot);
        self.run_slots.push(RunSlot { place, state, messages: Vec::new(), asks: Vec::new() });
        slot
    }

    /// The run that writes a message.
    pub(super) fn author(&mut self, run: &str) -> Author {
        self.run(run).map_or(Author::User, Author::Run)
    }

    /// The slot of a run. One that is not known started before the fold's first event, if there is
    /// anything before that.
    fn run(&mut self, id: &str) -> Option<usize> {
        match self.runs.get(id) {
            None if self.older.is_some() => Some(self.add_run(id, false, RunState::Running)),
            known => known,
        }
    }

    pub(super) fn run_ended<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let state = RunState::ended(&event.text("outcome")?)?;
        let slot = self.run(&event.text("run")?)?;
        self.set_run(slot, state, event.field("error"), event.field("usage"), patch)?;
        let run = self.run_slots.get_mut(slot)?;
        run.asks.clear();
        for message in &run.messages {
            let Some(place) = self.message_slots.get(*message).and_then(|slot| slot.place) else {
                continue;
            };
            patch(Patch::MessageState {
                message: place,
                state: state.of_message(),
                error: event.field("error"),
            });
        }
        Some(())
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
        if let Some(run) = run.place {
            patch(Patch::RunState { run, state, error, usage });
        }
        Some(())
    }

    pub(super) fn stop_requested<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        for run in event.field("runs")?.items() {
            if let Some(slot) = run.as_text().and_then(|id| self.run(&id)) {
                let _: Option<()> = self.set_run(slot, RunState::Stopping, None, None, patch);
            }
        }
        Some(())
    }

    pub(super) fn run_suspended<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let ask = event.text("ask")?;
        let slot = self.run(&event.text("run")?)?;
        let run = self.run_slots.get_mut(slot)?;
        if run.state.has_ended() || run.asks.contains(&ask) {
            return None;
        }
        run.asks.push(ask);
        let is_running = run.state == RunState::Running;
        if let Some(run) = run.place {
            patch(Patch::Ask { run, ask: event.field("ask")?, body: event.field("body") });
        }
        if is_running {
            self.set_run(slot, RunState::Suspended, None, None, patch)?;
        }
        Some(())
    }

    pub(super) fn run_resumed<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let ask = event.text("ask")?;
        let slot = self.run(&event.text("run")?)?;
        let run = self.run_slots.get_mut(slot)?;
        run.asks.retain(|open| *open != ask);
        let goes_on = run.asks.is_empty() && run.state == RunState::Suspended;
        if let Some(run) = run.place {
            patch(Patch::Answered { run, ask: event.field("ask")? });
        }
        if goes_on {
            self.set_run(slot, RunState::Running, None, None, patch)?;
        }
        Some(())
    }
}
