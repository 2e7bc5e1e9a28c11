//! Which worker is asked to work on what: on an input that waits, or on a run whose process died.

use std::collections::BTreeMap;

use durable_sessions_protocol::event::Principal;
use durable_sessions_protocol::frame::ServerFrame;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::WAKE_OFFER_MS;
use durable_sessions_server::hub::state::{Claim, Offer, Orphan};

use super::{Log, Peer};

/// The offers that may still be taken.
#[derive(Debug, Default)]
pub(super) struct Offers(Vec<Held>);

#[derive(Debug)]
struct Held {
    connection: u32,
    session: SessionId,
    work: Work,
    until: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Work {
    Input(Offer),
    Run(Orphan),
}

/// A connection that works on an agent's input.
#[derive(Debug)]
pub(super) struct Worker {
    connection: u32,
    /// What the rules call the connection.
    number: Option<u64>,
    principal: Option<Principal>,
    agent: Id,
    serves: Serves,
}

/// What a worker offers for an agent.
#[derive(Debug, Clone)]
pub(super) struct Serves {
    pub(super) slots: u32,
    pub(super) producer: Option<Id>,
}

impl Worker {
    pub(super) fn of((&connection, peer): (&u32, &Peer)) -> Vec<Self> {
        let writer = peer.writer.as_ref();
        let number = writer.and_then(|writer| Some(writer.connection.as_ref()?.number));
        let principal = writer.map(|writer| writer.principal.clone());
        let worker = |(agent, serves): (&Id, &Serves)| Self {
            connection,
            number,
            principal: principal.clone(),
            agent: agent.clone(),
            serves: serves.clone(),
        };
        peer.serves.iter().map(worker).collect()
    }

    /// Open runs whose leases it keeps.
    fn runs(&self, sessions: &BTreeMap<SessionId, Log>) -> usize {
        let claims = sessions.values().flat_map(|log| &log.claims);
        let is_its =
            |claim: &&Claim| Some(claim.connection) == self.number && claim.agent == self.agent;
        claims.filter(is_its).count()
    }

    fn may_do(&self, work: &Work) -> bool {
        match work {
            Work::Input(offer) => self.agent == offer.agent,
            Work::Run(orphan) => {
                self.agent == orphan.agent
                    && self.principal.as_ref() == Some(&orphan.principal)
                    && self.serves.producer.as_ref() == Some(&orphan.producer)
            }
        }
    }
}

impl Work {
    fn agent(&self) -> &Id {
        match self {
            Self::Input(offer) => &offer.agent,
            Self::Run(orphan) => &orphan.agent,
        }
    }

    fn stands_in(&self, log: &Log) -> bool {
        match self {
            Self::Input(offer) => log.offers.contains(offer),
            Self::Run(orphan) => log.orphans.contains(orphan),
        }
    }

    fn wake(&self, session: &SessionId) -> ServerFrame {
        let (agent, session) = (self.agent().clone(), session.clone());
        let (input, attempt, run) = match self.clone() {
            Self::Input(offer) => (offer.input, offer.attempt, None),
            Self::Run(orphan) => (orphan.input, orphan.attempt, Some(orphan.run)),
        };
        ServerFrame::Wake { agent, session, input, attempt, run }
    }
}

impl Offers {
    pub(super) fn disconnect(&mut self, connection: u32) {
        self.0.retain(|held| held.connection != connection);
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.0.iter().map(|held| held.until).min()
    }

    /// Offers each waiting input and each run without a process to one worker with a free slot.
    pub(super) fn advance(
        &mut self,
        now: u64,
        workers: &[Worker],
        sessions: &BTreeMap<SessionId, Log>,
    ) -> Vec<(u32, ServerFrame)> {
        self.0.retain(|held| {
            let log = sessions.get(&held.session);
            now < held.until && log.is_some_and(|log| held.work.stands_in(log))
        });
        let mut wakes = Vec::new();
        for (session, log) in sessions {
            let runs = log.orphans.iter().cloned().map(Work::Run);
            for work in runs.chain(log.offers.iter().cloned().map(Work::Input)) {
                if self.0.iter().any(|held| held.session == *session && held.work == work) {
                    continue;
                }
                let is_free = |worker: &&Worker| {
                    let used = self.held(worker) + worker.runs(sessions);
                    worker.may_do(&work) && used < usize::try_from(worker.serves.slots).unwrap()
                };
                let Some(worker) = workers.iter().find(is_free) else { continue };
                let (connection, until) = (worker.connection, now + WAKE_OFFER_MS);
                wakes.push((connection, work.wake(session)));
                self.0.push(Held { connection, session: session.clone(), work, until });
            }
        }
        wakes
    }

    fn held(&self, worker: &Worker) -> usize {
        let is_its = |held: &&Held| {
            held.connection == worker.connection && *held.work.agent() == worker.agent
        };
        self.0.iter().filter(is_its).count()
    }
}
