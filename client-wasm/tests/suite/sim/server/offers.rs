//! Which worker is asked to work on which input.

use std::collections::BTreeMap;

use durable_sessions_protocol::frame::ServerFrame;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::WAKE_OFFER_MS;
use durable_sessions_server::hub::state::{Claim, Offer};

use super::{Log, Peer};

/// The offers that may still be taken.
#[derive(Debug, Default)]
pub(super) struct Offers(Vec<Held>);

#[derive(Debug)]
struct Held {
    connection: u32,
    session: SessionId,
    offer: Offer,
    until: u64,
}

/// A connection that works on an agent's input.
#[derive(Debug)]
pub(super) struct Worker {
    connection: u32,
    /// What the rules call the connection.
    number: Option<u64>,
    agent: Id,
    slots: usize,
}

impl Worker {
    pub(super) fn of((&connection, peer): (&u32, &Peer)) -> Vec<Self> {
        let writer = peer.writer.as_ref().and_then(|writer| writer.connection.as_ref());
        let number = writer.map(|connection| connection.number);
        let worker = |(agent, &slots): (&Id, &u32)| Self {
            connection,
            number,
            agent: agent.clone(),
            slots: usize::try_from(slots).unwrap(),
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
}

impl Offers {
    pub(super) fn disconnect(&mut self, connection: u32) {
        self.0.retain(|held| held.connection != connection);
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.0.iter().map(|held| held.until).min()
    }

    /// Offers each waiting input to one worker with a free slot.
    pub(super) fn advance(
        &mut self,
        now: u64,
        workers: &[Worker],
        sessions: &BTreeMap<SessionId, Log>,
    ) -> Vec<(u32, ServerFrame)> {
        self.0.retain(|held| {
            let log = sessions.get(&held.session);
            now < held.until && log.is_some_and(|log| log.offers.contains(&held.offer))
        });
        let mut wakes = Vec::new();
        let all = sessions.iter().flat_map(|(id, log)| log.offers.iter().map(move |it| (id, it)));
        for (session, offer) in all {
            if self.0.iter().any(|held| held.session == *session && held.offer == *offer) {
                continue;
            }
            let is_free = |worker: &&Worker| {
                worker.agent == offer.agent
                    && self.held(worker) + worker.runs(sessions) < worker.slots
            };
            let Some(connection) = workers.iter().find(is_free).map(|worker| worker.connection)
            else {
                continue;
            };
            let (session, until) = (session.clone(), now + WAKE_OFFER_MS);
            let Offer { agent, input, attempt } = offer.clone();
            let wake = ServerFrame::Wake { agent, session: session.clone(), input, attempt };
            wakes.push((connection, wake));
            self.0.push(Held { connection, session, offer: offer.clone(), until });
        }
        wakes
    }

    fn held(&self, worker: &Worker) -> usize {
        let is_its =
            |held: &&Held| held.connection == worker.connection && held.offer.agent == worker.agent;
        self.0.iter().filter(is_its).count()
    }
}
