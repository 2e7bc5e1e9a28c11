//! Workers: who serves an agent, and how much of it is taken.

use std::collections::HashMap;

use durable_sessions_protocol::id::{Id, SessionId};

use super::lane::Lane;
use super::turns::Turns;
use super::wakes::WakeSender;
use super::{Patterns, Service};

/// A connection's place at an agent. It may hold runs without serving, or serve without any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Post {
    pub(super) connection: u64,
    pub(super) agent: Id,
}

/// Who serves at a post.
#[derive(Debug)]
pub(super) struct Worker {
    sessions: Patterns,
    slots: usize,
    /// Whose runs it may take over.
    own: Option<Lane>,
    pub(super) wakes: WakeSender,
    /// It wants one piece of work, and is gone once it has heard of that.
    pub(super) is_parked: bool,
}

impl Worker {
    pub(super) fn new(service: Service, wakes: &WakeSender, is_parked: bool) -> Self {
        let Service { agent, sessions, slots, producer } = service;
        let own = producer.map(|producer| Lane { agent, producer: Some(producer) });
        let slots = usize::try_from(slots).unwrap_or(usize::MAX);
        Self { sessions, slots, own, wakes: wakes.clone(), is_parked }
    }

    /// The lane of the runs it may take over.
    pub(super) fn own_lane(&self) -> Option<&Lane> {
        self.own.as_ref()
    }

    /// Whether work of the session in the lane may be offered here. The lane is of its agent.
    pub(super) fn takes(&self, lane: &Lane, session: &SessionId) -> bool {
        (lane.producer.is_none() || self.own.as_ref() == Some(lane))
            && self.sessions.match_session(session)
    }
}

/// All posts of a server.
#[derive(Debug, Default)]
pub(super) struct Workers {
    at: HashMap<Post, Worker>,
    /// The agents that a connection serves.
    agents: HashMap<u64, Vec<Id>>,
    /// How many slots runs and offers take, whether or not the connection serves.
    used: HashMap<Post, usize>,
    /// Connections with a free slot, by agent, in the order in which they are asked.
    free: HashMap<Id, Turns<u64>>,
}

impl Workers {
    pub(super) fn get(&self, post: &Post) -> Option<&Worker> {
        self.at.get(post)
    }

    /// A worker comes; it takes the place of the one before it. It is asked only once it is
    /// [`Workers::set_free`].
    pub(super) fn insert(&mut self, post: &Post, worker: Worker) {
        self.remove(post);
        self.agents.entry(post.connection).or_default().push(post.agent.clone());
        self.at.insert(post.clone(), worker);
    }

    pub(super) fn remove(&mut self, post: &Post) {
        self.set_busy(post);
        if self.at.remove(post).is_none() {
            return;
        }
        if let Some(agents) = self.agents.get_mut(&post.connection) {
            agents.retain(|agent| *agent != post.agent);
            if agents.is_empty() {
                self.agents.remove(&post.connection);
            }
        }
    }

    pub(super) fn remove_all(&mut self, connection: u64) {
        for agent in self.agents.remove(&connection).unwrap_or_default() {
            self.remove(&Post { connection, agent });
        }
    }

    /// A slot is taken by a run or an offer.
    pub(super) fn take_slot(&mut self, post: &Post) {
        *self.used.entry(post.clone()).or_default() += 1;
    }

    pub(super) fn give_slot(&mut self, post: &Post) {
        if let Some(used) = self.used.get_mut(post) {
            *used = used.saturating_sub(1);
            if *used == 0 {
                self.used.remove(post);
            }
        }
    }

    /// All slots are given back.
    pub(super) fn give_all_slots(&mut self) {
        self.used.clear();
    }

    /// Who was offered work goes behind the others.
    pub(super) fn was_offered(&mut self, post: &Post) {
        self.take_slot(post);
        self.set_busy(post);
        self.set_free(post);
    }

    /// Whether there is a slot for another run or offer.
    pub(super) fn has_slot(&self, post: &Post) -> bool {
        let used = self.used.get(post).copied().unwrap_or(0);
        self.at.get(post).is_some_and(|worker| used < worker.slots)
    }

    /// Whether it is asked when work comes.
    pub(super) fn is_free(&self, post: &Post) -> bool {
        self.free.get(&post.agent).is_some_and(|free| free.contains(&post.connection))
    }

    /// From now on it is asked, after those who are free already, if it has a slot.
    pub(super) fn set_free(&mut self, post: &Post) {
        if self.has_slot(post) {
            self.free.entry(post.agent.clone()).or_default().join(&post.connection);
        }
    }

    pub(super) fn set_busy(&mut self, post: &Post) {
        let Some(free) = self.free.get_mut(&post.agent) else { return };
        free.leave(&post.connection);
        if free.is_empty() {
            self.free.remove(&post.agent);
        }
    }

    /// The next worker that is free for the session's work in the lane.
    pub(super) fn next_free(&self, lane: &Lane, session: &SessionId) -> Option<Post> {
        let free = self.free.get(&lane.agent)?.iter();
        let mut posts = free.map(|&connection| Post { connection, agent: lane.agent.clone() });
        posts.find(|post| self.at.get(post).is_some_and(|worker| worker.takes(lane, session)))
    }

    /// Where workers are, free or not.
    pub(super) fn posts(&self) -> impl Iterator<Item = &Post> {
        self.at.keys()
    }
}
