//! Matching work with workers. Pure: time is an argument, and offers go into queues.
//!
//! Between two calls no work waits for a worker that is free for it. So a call looks only at what
//! it changed: work that is new goes to who was free before, and whoever became free takes what
//! waits, sessions in turn.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use durable_sessions_protocol::id::SessionId;
use durable_sessions_protocol::limits::WAKE_OFFER_MS;
use tokio::time::Instant;

use super::lane::Lane;
use super::session::Stand;
use super::turns::Turns;
use super::wakes::WakeSender;
use super::worker::{Post, Worker, Workers};
use super::{Report, Service};

/// Everything that is offered, and to whom.
#[derive(Debug, Default)]
pub(super) struct Table {
    sessions: HashMap<SessionId, Stand>,
    /// The sessions with work that waits, in the order of their turns.
    waiting: HashMap<Lane, Turns<SessionId>>,
    workers: Workers,
    /// Offers that stand, by number.
    offers: HashMap<u64, Offered>,
    /// Their numbers by connection.
    offered: HashMap<u64, BTreeSet<u64>>,
    /// When offers run out, those that ended before among them.
    deadlines: VecDeque<(Instant, u64)>,
    next_number: u64,
}

#[derive(Debug)]
struct Offered {
    session: SessionId,
    post: Post,
    wakes: WakeSender,
}

/// What a call changed, and offers are to be made for.
#[derive(Debug, Default)]
struct Changed {
    /// Work that waits now.
    waiting: Vec<(Lane, SessionId)>,
    /// Posts that may have fewer or more free slots.
    posts: Vec<Post>,
}

impl Table {
    /// A session tells how it stands now.
    pub(super) fn report(&mut self, session: &SessionId, report: Report, now: Instant) {
        let stand = self.sessions.entry(session.clone()).or_default();
        if *stand.report() == report {
            if report == Report::default() {
                self.sessions.remove(session);
            }
            return;
        }
        let claims = report.claims.clone();
        let is_idle = report == Report::default();
        let change = stand.update(session, report);
        let waiting = stand.lanes().map(|lane| (lane.clone(), session.clone())).collect();
        if is_idle {
            self.sessions.remove(session);
        }
        let mut changed = Changed { waiting, posts: Vec::new() };
        for lane in &change.emptied {
            self.leave_turn(lane, session);
        }
        for number in change.over {
            changed.posts.extend(self.end_offer(number).map(|offered| offered.post));
        }
        for claim in change.before.claims {
            let post = Post { connection: claim.connection, agent: claim.agent };
            self.workers.give_slot(&post);
            changed.posts.push(post);
        }
        for claim in claims {
            let post = Post { connection: claim.connection, agent: claim.agent };
            self.workers.take_slot(&post);
            changed.posts.push(post);
        }
        self.settle(changed, now);
    }

    /// A connection offers to work, or with no slots withdraws.
    pub(super) fn serve(
        &mut self,
        connection: u64,
        service: Service,
        wakes: &WakeSender,
        now: Instant,
    ) {
        let post = Post { connection, agent: service.agent.clone() };
        if service.slots == 0 {
            self.workers.remove(&post);
            return;
        }
        self.workers.insert(&post, Worker::new(service, wakes, false));
        self.settle(Changed { posts: vec![post], ..Changed::default() }, now);
    }

    /// A request waits for one piece of work.
    pub(super) fn park(
        &mut self,
        connection: u64,
        service: Service,
        wakes: &WakeSender,
        now: Instant,
    ) {
        let post = Post { connection, agent: service.agent.clone() };
        self.workers.insert(&post, Worker::new(service, wakes, true));
        self.settle(Changed { posts: vec![post], ..Changed::default() }, now);
    }

    /// A connection is gone: what it was offered and has not claimed is offered again.
    pub(super) fn disconnect(&mut self, connection: u64, now: Instant) {
        self.workers.remove_all(connection);
        let Some(offered) = self.offered.remove(&connection) else { return };
        let mut changed = Changed::default();
        for number in offered {
            self.give_back(number, false, &mut changed);
        }
        self.settle(changed, now);
    }

    /// All sessions are gone: they will report again.
    pub(super) fn forget_sessions(&mut self) {
        self.sessions.clear();
        self.waiting.clear();
        self.deadlines.clear();
        let numbers: Vec<u64> = self.offers.keys().copied().collect();
        for number in numbers {
            self.end_offer(number);
        }
        self.workers.give_all_slots();
        let posts: Vec<Post> = self.workers.posts().cloned().collect();
        for post in posts {
            self.workers.set_free(&post);
        }
    }

    /// When [`Table::expire`] has something to do next.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        while let Some((deadline, number)) = self.deadlines.front() {
            if self.offers.contains_key(number) {
                return Some(*deadline);
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// Offers whose time has run out are made to others.
    pub(super) fn expire(&mut self, now: Instant) {
        let mut changed = Changed::default();
        while let Some(&(deadline, number)) = self.deadlines.front()
            && deadline <= now
        {
            self.deadlines.pop_front();
            self.give_back(number, true, &mut changed);
        }
        self.settle(changed, now);
    }

    /// Ends an offer, if it stands; its work waits again.
    fn give_back(&mut self, number: u64, passed: bool, changed: &mut Changed) {
        let Some(Offered { session, post, .. }) = self.end_offer(number) else { return };
        if passed {
            // Whoever let it pass is asked again only after all others.
            self.workers.set_busy(&post);
        }
        changed.posts.push(post);
        let stand = self.sessions.get_mut(&session);
        if let Some(lane) = stand.and_then(|stand| stand.wait_again(number, passed)) {
            changed.waiting.push((lane, session));
        }
    }

    fn end_offer(&mut self, number: u64) -> Option<Offered> {
        let offered = self.offers.remove(&number)?;
        let connection = offered.post.connection;
        if let Some(its) = self.offered.get_mut(&connection) {
            its.remove(&number);
            if its.is_empty() {
                self.offered.remove(&connection);
            }
        }
        let was_heard = !offered.wakes.take_back(number);
        self.workers.give_slot(&offered.post);
        if was_heard && self.workers.get(&offered.post).is_some_and(|worker| worker.is_parked) {
            self.workers.remove(&offered.post);
        }
        Some(offered)
    }

    /// Makes the offers that a change allows.
    fn settle(&mut self, changed: Changed, now: Instant) {
        let Changed { waiting, posts } = changed;
        for (lane, session) in &waiting {
            self.waiting.entry(lane.clone()).or_default().join(session);
        }
        for post in &posts {
            if !self.workers.has_slot(post) {
                self.workers.set_busy(post);
            }
        }
        for (lane, session) in waiting {
            while self.waits(&lane, &session)
                && let Some(post) = self.workers.next_free(&lane, &session)
            {
                self.offer(&post, &lane, &session, now);
            }
        }
        let mut freed = VecDeque::new();
        for post in posts {
            if !self.workers.is_free(&post) && self.workers.has_slot(&post) {
                self.workers.set_free(&post);
                freed.push_back(post);
            }
        }
        // One each in turn: the first must not take it all.
        while let Some(post) = freed.pop_front() {
            if self.workers.is_free(&post)
                && let Some((lane, session)) = self.next_work(&post)
            {
                self.offer(&post, &lane, &session, now);
                freed.push_back(post);
            }
        }
    }

    /// Whose turn it is of those a worker may be offered: its own producer's runs come first.
    fn next_work(&self, post: &Post) -> Option<(Lane, SessionId)> {
        let worker = self.workers.get(post)?;
        let open = Lane { agent: post.agent.clone(), producer: None };
        [worker.own_lane(), Some(&open)].into_iter().flatten().find_map(|lane| {
            let mut sessions = self.waiting.get(lane)?.iter();
            let session = sessions.find(|session| worker.takes(lane, session))?;
            Some((lane.clone(), session.clone()))
        })
    }

    /// Offers the session's next work in the lane. Both go behind the others, but the runs that a
    /// process left in a session are offered in a row: one `attach` has to name them all.
    fn offer(&mut self, post: &Post, lane: &Lane, session: &SessionId, now: Instant) {
        let Some(stand) = self.sessions.get_mut(session) else { return };
        let Some(wakes) = self.workers.get(post).map(|worker| worker.wakes.clone()) else { return };
        self.next_number += 1;
        let number = self.next_number;
        let Some(wake) = stand.offer(lane, number) else { return };
        let waits_on = stand.waits(lane);
        if !waits_on || lane.producer.is_none() {
            self.leave_turn(lane, session);
        }
        if waits_on {
            self.waiting.entry(lane.clone()).or_default().join(session);
        }
        self.workers.was_offered(post);
        self.deadlines.push_back((now + Duration::from_millis(WAKE_OFFER_MS), number));
        wakes.send(number, wake);
        self.offered.entry(post.connection).or_default().insert(number);
        let offered = Offered { session: session.clone(), post: post.clone(), wakes };
        self.offers.insert(number, offered);
    }

    fn waits(&self, lane: &Lane, session: &SessionId) -> bool {
        self.sessions.get(session).is_some_and(|stand| stand.waits(lane))
    }

    fn leave_turn(&mut self, lane: &Lane, session: &SessionId) {
        let Some(turns) = self.waiting.get_mut(lane) else { return };
        turns.leave(session);
        if turns.is_empty() {
            self.waiting.remove(lane);
        }
    }
}
