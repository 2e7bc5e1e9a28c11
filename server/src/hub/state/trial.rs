//! Trying several events as one: what they touch is put back when one of them is refused.

use std::collections::BTreeMap;

use durable_sessions_protocol::event::{Draft, Event};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;

use super::State;
use super::acts::{self, Act, Class};
use super::inputs::{Fate, Input, MessageInfo};
use super::runs::{Lease, Owner, Run};
use super::steers::Steer;

/// What a publish may touch, as it was before.
#[derive(Debug)]
pub(super) struct Trial {
    tail: Offset,
    last_at: u64,
    batched_events: usize,
    title: Option<String>,
    acts: Vec<((Class, Id), Option<Act>)>,
    /// What is hidden, as far as an edit may hide more.
    hidden: Vec<(Offset, Offset)>,
    messages: Vec<(Id, Option<MessageInfo>)>,
    inputs: Vec<(Id, Option<Input>)>,
    runs: BTreeMap<Id, Option<Run>>,
    /// Of runs of which output changes nothing else, and they may have much to tell.
    held: Vec<(Id, Owner, Lease)>,
    steers: Vec<(Id, Option<Steer>)>,
    asks: Vec<(Id, Option<Id>)>,
}

impl Trial {
    pub(super) fn begin(state: &mut State, drafts: &[Draft]) -> Self {
        let mut trial = Self {
            tail: state.tail,
            last_at: state.last_at,
            batched_events: state.batch.events.len(),
            title: state.title.clone(),
            acts: Vec::new(),
            hidden: Vec::new(),
            messages: Vec::new(),
            inputs: Vec::new(),
            runs: BTreeMap::new(),
            held: Vec::new(),
            steers: Vec::new(),
            asks: Vec::new(),
        };
        // What the edit that reaches furthest back hides, the others hide in part.
        let replaced = drafts.iter().filter_map(|draft| {
            let Event::Message(message) = &draft.event else { return None };
            message.replaces.as_ref()
        });
        let begun = replaced.filter_map(|id| Some(state.messages.get(id)?.begun));
        if let Some(from) = begun.min() {
            trial.hidden = state.places.spans_from(from);
            for (_, id) in state.pending.from(from) {
                trial.inputs.push((id.clone(), state.inputs.get(id).cloned()));
                trial.messages.push((id.clone(), state.messages.get(id).cloned()));
            }
        }
        for draft in drafts {
            if let Some(key) = acts::key(&draft.event) {
                let before = state.acts.take(&key);
                if let Some(act) = &before {
                    state.acts.put_back(key.clone(), act.clone());
                }
                trial.acts.push((key, before));
            }
            trial.touch(state, &draft.event);
        }
        trial
    }

    fn touch(&mut self, state: &State, event: &Event) {
        let (run, message, input) = match event {
            Event::Message(message) => {
                self.keep_holder(state, message.run.as_ref());
                (None, Some(&message.id), Some(&message.id))
            }
            Event::RunStarted(started) => (Some(&started.run), None, started.in_reply_to.as_ref()),
            Event::Delta(delta) => {
                self.keep_holder(state, Some(&delta.run));
                (None, Some(&delta.message), None)
            }
            Event::Data(data) => {
                self.keep_holder(state, data.run.as_ref());
                (None, data.message.as_ref(), None)
            }
            Event::RunEnded(ended) => {
                let run = state.runs.get(&ended.run);
                for steer in run.iter().flat_map(|run| &run.steers) {
                    self.keep_steer(state, steer);
                }
                (Some(&ended.run), None, run.and_then(|run| run.input.as_ref()))
            }
            Event::InputState(fate) => {
                self.keep_steer(state, &fate.id);
                let steer = state.steers.get(&fate.id);
                (steer.map(|steer| &steer.run), None, Some(&fate.id))
            }
            Event::RunSuspended(suspended) => {
                self.asks.push((suspended.ask.clone(), state.asks.get(&suspended.ask).cloned()));
                (Some(&suspended.run), None, None)
            }
            Event::RunResumed(resumed) => (Some(&resumed.run), None, None),
            Event::Steer(steer) => {
                self.keep_steer(state, &steer.id);
                (Some(&steer.run), None, None)
            }
            Event::StopRequested(_) | Event::SessionUpdated(_) => (None, None, None),
        };
        if let Some(id) = run {
            self.runs.entry(id.clone()).or_insert_with(|| state.runs.get(id).cloned());
        }
        // The fate of an input is noted at its message too.
        let messages = message.into_iter().chain(input);
        self.messages.extend(messages.map(|id| (id.clone(), state.messages.get(id).cloned())));
        self.inputs.extend(input.map(|id| (id.clone(), state.inputs.get(id).cloned())));
    }

    fn keep_holder(&mut self, state: &State, run: Option<&Id>) {
        if let Some((id, run)) = run.and_then(|id| state.runs.get_key_value(id)) {
            self.held.push((id.clone(), run.owner.clone(), run.lease));
        }
    }

    fn keep_steer(&mut self, state: &State, id: &Id) {
        self.steers.push((id.clone(), state.steers.get(id).cloned()));
    }

    /// As if none of the events had been tried.
    pub(super) fn undo(self, state: &mut State) {
        state.tail = self.tail;
        state.last_at = self.last_at;
        state.batch.events.truncate(self.batched_events);
        state.title = self.title;
        state.places.undo(self.tail, self.hidden);
        for (key, before) in self.acts {
            state.acts.take(&key);
            if let Some(act) = before {
                state.acts.put_back(key, act);
            }
        }
        for (id, before) in self.messages {
            let tried = match before {
                Some(message) => state.messages.insert(id, message),
                None => state.messages.remove(&id),
            };
            // A message that was there before began before.
            if let Some(tried) = tried.filter(|tried| tried.begun > self.tail)
                && let Some(started) = state.start_of(tried.run.as_ref())
            {
                state.places.undo_of_run(started, tried.begun);
            }
        }
        for (id, before) in self.steers {
            match before {
                Some(steer) => state.steers.insert(id, steer),
                None => state.steers.remove(&id),
            };
        }
        for (id, before) in self.asks {
            match before {
                Some(run) => state.asks.insert(id, run),
                None => state.asks.remove(&id),
            };
        }
        for (id, before) in self.inputs {
            if let Some(input) = state.inputs.remove(&id) {
                state.pending.remove(input.offset);
            }
            if let Some(input) = before {
                if input.fate == Fate::Pending {
                    state.pending.insert(&id, &input);
                }
                state.inputs.insert(id, input);
            }
        }
        for (id, owner, lease) in self.held {
            if let Some(run) = state.runs.get_mut(&id) {
                (run.owner, run.lease) = (owner, lease);
            }
        }
        for (id, before) in self.runs {
            if let Some(run) = state.runs.remove(&id) {
                state.past.remove(&run);
            }
            state.open.remove(&id);
            if let Some(run) = before {
                state.past.add(&id, &run);
                if run.ended.is_none() {
                    state.open.insert(id.clone());
                }
                state.runs.insert(id, run);
            }
        }
    }
}
