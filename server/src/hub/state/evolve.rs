//! What an event of the log changes. Live and replayed events take this one way.

use durable_sessions_protocol::event::{
    Event, InputFate, Outcome, Principal, RunEnded, RunStarted,
};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::{INPUT_MAX_ATTEMPTS, LEASE_MS};
use durable_sessions_protocol::offset::Offset;

use super::State;
use super::acts;
use super::inputs::Fate;
use super::runs::{Lease, Owner, Run};

/// What the log knows about an event beside what it says.
#[derive(Debug)]
pub(super) struct Meta<'a> {
    pub(super) offset: Offset,
    /// `None`: the server.
    pub(super) from: Option<&'a Principal>,
    pub(super) grant: u32,
    pub(super) json: &'a str,
    /// Of a stop: the runs it fenced.
    pub(super) runs: Option<&'a [Id]>,
    pub(super) now: u64,
}

impl State {
    pub(super) fn evolve(&mut self, event: &Event, meta: &Meta<'_>) {
        self.tail = meta.offset;
        if let (Some(from), Some(key)) = (meta.from, acts::key(event)) {
            self.acts.insert(key, meta.offset, from, meta.json);
        }
        self.is_moved |= !matches!(event, Event::Delta(_) | Event::Data(_));
        if let Some(run) = run_of(event).and_then(|run| self.runs.get_mut(run))
            && let Owner::Grant(owner) = &mut run.owner
        {
            *owner = meta.grant;
        }
        match event {
            Event::Message(message) => {
                let replaced = message.replaces.as_ref().and_then(|id| self.messages.get(id));
                if let Some(replaced) = replaced {
                    self.places.hide(replaced.begun, meta.offset);
                }
                self.begin_message(&message.id, message.run.as_ref(), meta.offset);
                self.add_input(message, meta.offset, meta.now);
            }
            Event::Delta(delta) => self.written(&delta.message, &delta.run),
            Event::Data(data) => {
                if let (Some(message), Some(run)) = (&data.message, &data.run) {
                    self.written(message, run);
                }
            }
            Event::RunStarted(started) => self.run_started(started, meta),
            Event::RunEnded(ended) => self.run_ended(ended, meta.now),
            Event::StopRequested(stop) => self.stopped(stop, meta),
            Event::InputState(fate) if self.steer_decided(fate) => {}
            Event::InputState(input) => {
                if let Some(message) = self.messages.get_mut(&input.id) {
                    message.settled = Some(meta.offset);
                }
                match input.state {
                    InputFate::Used => {}
                    InputFate::Stopped => self.set_fate(&input.id, Fate::Stopped),
                    InputFate::Expired => self.set_fate(&input.id, Fate::Expired),
                }
            }
            Event::SessionUpdated(updated) => {
                if let Some(title) = &updated.title {
                    self.title = Some(title.clone());
                }
            }
            Event::RunSuspended(suspended) => self.suspended(suspended, meta.now),
            Event::RunResumed(resumed) => self.resumed(resumed, meta.offset),
            Event::Steer(steer) => self.steered(steer, meta.offset),
        }
    }

    fn run_started(&mut self, started: &RunStarted, meta: &Meta<'_>) {
        let owner = match meta.from {
            _ if meta.grant != 0 => Owner::Grant(meta.grant),
            Some(principal) => Owner::Principal(principal.clone()),
            None => return,
        };
        let mut stands_at = meta.offset;
        let mut parent = started.parent.clone();
        if let Some(id) = &started.in_reply_to {
            self.set_fate(id, Fate::Claimed(started.run.clone()));
            if let Some(input) = self.inputs.get(id) {
                stands_at = input.offset;
                parent.clone_from(&input.parent);
            }
        }
        let lease_ms = started.lease_ms.unwrap_or(LEASE_MS);
        self.runs.insert(
            started.run.clone(),
            Run {
                agent: started.agent.clone(),
                owner,
                input: started.in_reply_to.clone(),
                parent,
                started: meta.offset,
                stands_at,
                ended: None,
                ended_at: None,
                fence_until: None,
                is_cut: false,
                lease: Lease::Until(meta.now.saturating_add(lease_ms)),
                lease_ms,
                asks: Vec::new(),
                answered: Vec::new(),
                steers: Vec::new(),
            },
        );
        self.open.insert(started.run.clone());
    }

    fn run_ended(&mut self, ended: &RunEnded, now: u64) {
        self.open.remove(&ended.run);
        let Some(run) = self.runs.get_mut(&ended.run) else { return };
        run.ended = Some(ended.outcome);
        run.ended_at = Some(self.tail);
        self.past.add(&ended.run, run);
        run.asks.clear();
        run.answered.clear();
        if ended.outcome == Outcome::Lost
            && let Some(id) = run.input.clone()
            && self.inputs.get(&id).is_some_and(|input| input.attempts < INPUT_MAX_ATTEMPTS)
        {
            self.release_input(&id, now);
        }
    }
}

/// The run that an event is a sign of life of.
pub(super) fn run_of(event: &Event) -> Option<&Id> {
    match event {
        Event::Message(message) => message.run.as_ref(),
        Event::RunStarted(started) => Some(&started.run),
        Event::Delta(delta) => Some(&delta.run),
        Event::Data(data) => data.run.as_ref(),
        Event::RunSuspended(suspended) => Some(&suspended.run),
        Event::RunResumed(_)
        | Event::StopRequested(_)
        | Event::Steer(_)
        | Event::InputState(_)
        | Event::RunEnded(_)
        | Event::SessionUpdated(_) => None,
    }
}
