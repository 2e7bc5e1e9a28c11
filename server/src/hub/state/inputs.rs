//! Input: messages that wait for an agent.

use durable_sessions_protocol::event::{Address, Event, InputFate, InputState, Message};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::{INPUT_EXPIRY_MS, INPUT_MAX_ATTEMPTS};
use durable_sessions_protocol::offset::Offset;

use super::State;
use super::runs::Lease;

/// What the rules know of a message.
#[derive(Debug, Clone)]
pub(super) struct MessageInfo {
    /// The run that writes it; `None` for a user's.
    pub(super) run: Option<Id>,
}

/// A message for an agent.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) agent: Id,
    pub(super) offset: Offset,
    pub(super) fate: Fate,
    /// Runs that claimed it so far.
    pub(super) attempts: u32,
    /// When it expires unclaimed.
    pub(super) expires: u64,
}

/// Where an input stands.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// An open run that works on an input, and the connection that keeps its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose input.
    pub agent: Id,
    /// [`super::Connection::number`].
    pub connection: u64,
}

impl State {
    /// The oldest unclaimed input of each agent that has no open run.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let mut seen: Vec<&Id> = Vec::new();
        let mut offers = Vec::new();
        for (id, input) in self.pending.values().filter_map(|id| Some((id, self.inputs.get(id)?))) {
            if seen.contains(&&input.agent) {
                continue;
            }
            seen.push(&input.agent);
            if !self.is_at_work(&input.agent) {
                offers.push(Offer {
                    agent: input.agent.clone(),
                    input: id.clone(),
                    attempt: input.attempts + 1,
                });
            }
        }
        offers
    }

    /// The open runs on inputs that connections hold.
    #[must_use]
    pub fn claims(&self) -> Vec<Claim> {
        let runs = self.open.iter().filter_map(|id| self.runs.get(id));
        let claims = runs.filter(|run| run.input.is_some()).filter_map(|run| match run.lease {
            Lease::Held(connection) => Some(Claim { agent: run.agent.clone(), connection }),
            Lease::Until(_) => None,
        });
        claims.collect()
    }

    /// Whether the agent has an open run that works on an input.
    pub(super) fn is_at_work(&self, agent: &Id) -> bool {
        self.open
            .iter()
            .filter_map(|id| self.runs.get(id))
            .any(|run| run.input.is_some() && run.agent == *agent)
    }

    /// A user's message becomes input, unless it is a note.
    pub(super) fn add_input(&mut self, message: &Message, offset: Offset, now: u64) {
        let agent = match &message.to {
            Address::Default => self.default_agent.clone(),
            Address::Agent(agent) => agent.clone(),
            Address::Nobody => return,
        };
        let expires = now.saturating_add(INPUT_EXPIRY_MS);
        self.pending.insert(offset, message.id.clone());
        self.inputs.insert(
            message.id.clone(),
            Input { agent, offset, fate: Fate::Pending, attempts: 0, expires },
        );
    }

    pub(super) fn set_fate(&mut self, id: &Id, fate: Fate) {
        let Some(input) = self.inputs.get_mut(id) else { return };
        match fate {
            Fate::Pending => self.pending.insert(input.offset, id.clone()),
            Fate::Claimed(_) | Fate::Stopped | Fate::Expired => self.pending.remove(&input.offset),
        };
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
