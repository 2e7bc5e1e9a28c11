//! Input: messages that wait for an agent.

use std::collections::HashMap;

use durable_sessions_protocol::event::{
    Address, Event, IfRunning, InputFate, InputState, Message, Principal,
};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::{INPUT_EXPIRY_MS, INPUT_MAX_ATTEMPTS};
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use super::State;
use super::runs::{Lease, Owner, Run};

/// Inputs of one agent in a session that are on offer at a time.
pub(super) const OFFERS_MAX_OF_AGENT: usize = 64;

/// What the rules know of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MessageInfo {
    /// The run that writes it; `None` for a user's.
    pub(super) run: Option<Id>,
    /// Its first event.
    pub(super) begun: Offset,
    /// The last event that wrote to it.
    pub(super) last: Offset,
    /// The last event that told its fate.
    pub(super) settled: Option<Offset>,
}

impl MessageInfo {
    pub(super) fn new(run: Option<Id>, begun: Offset) -> Self {
        Self { run, begun, last: begun, settled: None }
    }
}

/// A message for an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Input {
    pub(super) agent: Id,
    /// The run that delegated it.
    pub(super) parent: Option<Id>,
    /// Whether it waits for its agent's other work.
    pub(super) is_queued: bool,
    pub(super) offset: Offset,
    pub(super) fate: Fate,
    /// Runs that claimed it so far.
    pub(super) attempts: u32,
    /// When it expires unclaimed.
    pub(super) expires: u64,
}

/// Where an input stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    Pending,
    Claimed(Id),
    Stopped,
    Expired,
}

/// An input that a worker may take now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Whose input.
    pub agent: Id,
    /// The message.
    pub input: Id,
    /// 1 for the first run that may claim it.
    pub attempt: u32,
    /// Where the message stands.
    pub offset: Offset,
}

/// An open run that works on an input, and the connection that keeps its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose input.
    pub agent: Id,
    /// [`super::Connection::number`].
    pub connection: u64,
}

/// An open run on an input whose producer has no connection: its next process may take it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Whose producer.
    pub principal: Principal,
    /// The producer.
    pub producer: Id,
    /// Whose input.
    pub agent: Id,
    /// The run.
    pub run: Id,
    /// The message it works on.
    pub input: Id,
    /// 1 for the first run that claimed it.
    pub attempt: u32,
}

impl State {
    /// The inputs that may be claimed now, oldest first: those that wait for nothing, and of each
    /// agent without an open root run the oldest queued one.
    ///
    /// Of each agent the first [`OFFERS_MAX_OF_AGENT`]: as these are claimed, others come in.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let mut busy = self.agents_at_work();
        let mut counts: HashMap<&Id, usize> = HashMap::new();
        let mut offers = Vec::new();
        for (id, input) in self.pending.ids().filter_map(|id| Some((id, self.inputs.get(id)?))) {
            if input.is_queued && !busy.insert(&input.agent) {
                continue;
            }
            let count = counts.entry(&input.agent).or_default();
            *count += 1;
            if *count > OFFERS_MAX_OF_AGENT {
                continue;
            }
            offers.push(Offer {
                agent: input.agent.clone(),
                input: id.clone(),
                attempt: input.attempts + 1,
                offset: input.offset,
            });
        }
        offers
    }

    /// The open runs on inputs that connections hold.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let runs = self.open_runs().filter(|(_, run)| run.input.is_some());
        let claims = runs.filter_map(|(_, run)| match run.lease {
            Lease::Held(connection) => Some(Claim { agent: run.agent.clone(), connection }),
            Lease::Until(_) => None,
        });
        claims.collect()
    }

    /// The open runs that a new process of their producer may take over, oldest first.
    #[must_use]
    pub fn orphans(&self) -> Vec<Orphan> {
        let is_orphan =
            |run: &Run| matches!(run.lease, Lease::Until(_)) && run.fence_until.is_none();
        let runs = self.in_order_of_start(|_, run| is_orphan(run));
        let orphans = runs.into_iter().filter_map(|id| {
            let run = self.runs.get(&id)?;
            let Owner::Grant(grant) = run.owner else { return None };
            let (principal, producer) = self.producers.key(grant)?.clone();
            let input = run.input.clone()?;
            let attempt = self.inputs.get(&input)?.attempts;
            Some(Orphan { principal, producer, agent: run.agent.clone(), run: id, input, attempt })
        });
        orphans.collect()
    }

    /// A message becomes input, unless it is a note or an agent's answer.
    pub(super) fn add_input(&mut self, message: &Message, offset: Offset, now: u64) {
        let Some(agent) = self.addressee(message).cloned() else { return };
        let is_queued = message.run.is_none() && message.if_running != Some(IfRunning::Parallel);
        let input = Input {
            agent,
            parent: message.run.clone(),
            is_queued,
            offset,
            fate: Fate::Pending,
            attempts: 0,
            expires: now.saturating_add(INPUT_EXPIRY_MS),
        };
        self.pending.insert(&message.id, &input);
        self.inputs.insert(message.id.clone(), input);
    }

    /// What a person's message hides, as far as no run has claimed it.
    pub(super) fn replaced_inputs(&self, message: &Message) -> impl Iterator<Item = &Id> {
        let replaced = message.replaces.as_ref().filter(|_| message.run.is_none());
        let from = replaced.and_then(|id| Some(self.messages.get(id)?.begun));
        let waiting = from.map(|from| self.pending.from(from)).into_iter().flatten();
        waiting.map(|(_, id)| id).filter(|id| **id != message.id)
    }

    /// Nobody asks any more what was replaced, and it must not hold up what is asked instead.
    pub(super) fn cancel_replaced(&mut self, message: &Message, now: u64) {
        let replaced: Vec<Id> = self.replaced_inputs(message).cloned().collect();
        for id in replaced {
            self.end_input(&id, InputFate::Stopped, now);
        }
    }

    /// The agent a message is for; `None` for a note or an agent's answer.
    pub(super) fn addressee<'a>(&'a self, message: &'a Message) -> Option<&'a Id> {
        match &message.to {
            Address::Default if message.run.is_none() => Some(&self.default_agent),
            Address::Agent(agent) => Some(agent),
            Address::Default | Address::Nobody => None,
        }
    }

    pub(super) fn set_fate(&mut self, id: &Id, fate: Fate) {
        let Some(input) = self.inputs.get_mut(id) else { return };
        match fate {
            Fate::Pending => self.pending.insert(id, input),
            Fate::Claimed(_) | Fate::Stopped | Fate::Expired => self.pending.remove(input.offset),
        }
        if matches!(fate, Fate::Claimed(_)) {
            input.attempts += 1;
        }
        input.fate = fate;
    }

    /// The run that had claimed an input was lost: another may try, if it has tries left. Returns
    /// whether it has not.
    pub(super) fn release_input(&mut self, id: &Id, now: u64) -> bool {
        let Some(input) = self.inputs.get_mut(id) else { return false };
        if input.attempts >= INPUT_MAX_ATTEMPTS {
            return true;
        }
        input.expires = now.saturating_add(INPUT_EXPIRY_MS);
        self.set_fate(id, Fate::Pending);
        false
    }

    /// The server's word on an input, in the log.
    pub(super) fn end_input(&mut self, id: &Id, state: InputFate, now: u64) {
        self.server_event(Event::InputState(InputState { id: id.clone(), state }), now);
    }
}
