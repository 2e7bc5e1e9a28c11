//! What an event of the log changes. Live and replayed events take this one way.

use durable_sessions_protocol::event::{
    Event, InputFate, Outcome, Principal, RunEnded, RunStarted,
};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::{INPUT_MAX_ATTEMPTS, LEASE_MS, STOP_GRACE_MS};
use durable_sessions_protocol::offset::Offset;

use super::State;
use super::acts;
use super::inputs::{Fate, MessageInfo};
use super::runs::{Lease, Owner, Run};
use super::stops::StopInfo;

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
        match event {
            Event::Message(message) => {
                let info = MessageInfo { run: message.run.clone() };
                self.messages.insert(message.id.clone(), info);
                if message.run.is_none() {
                    self.add_input(message, meta.offset, meta.now);
                }
            }
            Event::Delta(delta) => self.message_of_run(&delta.message, &delta.run),
            Event::Data(data) => {
                if let (Some(message), Some(run)) = (&data.message, &data.run) {
                    self.message_of_run(message, run);
                }
            }
            Event::RunStarted(started) => self.run_started(started, meta),
            Event::RunEnded(ended) => self.run_ended(ended, meta.now),
            Event::StopRequested(stop) => {
                let runs = meta.runs.unwrap_or_default();
                for id in runs {
                    if let Some(run) = self.runs.get_mut(id) {
                        let grace = meta.now.saturating_add(STOP_GRACE_MS);
                        run.fence_until.get_or_insert(grace);
                    }
                }
                let info = StopInfo { offset: meta.offset, runs: runs.to_vec() };
                self.stops.insert(stop.id.clone(), info);
            }
            Event::InputState(input) => match input.state {
                InputFate::Used => {}
                InputFate::Stopped => self.set_fate(&input.id, Fate::Stopped),
                InputFate::Expired => self.set_fate(&input.id, Fate::Expired),
            },
            Event::SessionUpdated(updated) => {
                if let Some(title) = &updated.title {
                    self.title = Some(title.clone());
                }
            }
            Event::RunSuspended(_) | Event::RunResumed(_) | Event::Steer(_) => {}
        }
    }

    fn message_of_run(&mut self, message: &Id, run: &Id) {
        if !self.messages.contains_key(message) {
            self.messages.insert(message.clone(), MessageInfo { run: Some(run.clone()) });
        }
    }

    fn run_started(&mut self, started: &RunStarted, meta: &Meta<'_>) {
        let owner = match meta.from {
            _ if meta.grant != 0 => Owner::Grant(meta.grant),
            Some(principal) => Owner::Principal(principal.clone()),
            None => return,
        };
        let mut stands_at = meta.offset;
        if let Some(input) = &started.in_reply_to {
            self.set_fate(input, Fate::Claimed(started.run.clone()));
            stands_at = self.inputs.get(input).map_or(stands_at, |input| input.offset);
        }
        self.runs.insert(
            started.run.clone(),
            Run {
                agent: started.agent.clone(),
                owner,
                input: started.in_reply_to.clone(),
                stands_at,
                ended: None,
                fence_until: None,
                lease: Lease::Until(meta.now.saturating_add(LEASE_MS)),
            },
        );
        self.open.insert(started.run.clone());
    }

    fn run_ended(&mut self, ended: &RunEnded, now: u64) {
        self.open.remove(&ended.run);
        let Some(run) = self.runs.get_mut(&ended.run) else { return };
        run.ended = Some(ended.outcome);
        if ended.outcome == Outcome::Lost
            && let Some(id) = run.input.clone()
            && self.inputs.get(&id).is_some_and(|input| input.attempts < INPUT_MAX_ATTEMPTS)
        {
            self.release_input(&id, now);
        }
    }
}
