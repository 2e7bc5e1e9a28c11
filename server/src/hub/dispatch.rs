//! Which worker is offered which input.
//!
//! Sessions report what waits and what is being worked on; workers say what they serve. An offer
//! holds one of a worker's slots for 10 s, and a run one of the connection that keeps its lease,
//! whoever was offered its input. Nothing here is durable: after a restart sessions report and
//! workers connect again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::WAKE_OFFER_MS;
use tokio::sync::mpsc;

use super::state::{Claim, Connection, Offer};

/// Input offered to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// Whose input.
    pub agent: Id,
    /// Where.
    pub session: SessionId,
    /// The message.
    pub input: Id,
    /// 1 for the first run that may claim it.
    pub attempt: u32,
}

/// How a session stands, as far as workers are concerned.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    /// Inputs that may be claimed now.
    pub(super) offers: Vec<Offer>,
    /// Runs that connections work on.
    pub(super) claims: Vec<Claim>,
}

/// Shared by all sessions and connections of a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Dispatcher(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// Waiting inputs without an offer under way, and since when (a counter).
    waiting: BTreeMap<(SessionId, Id), Offer>,
    /// Workers in the order in which they are asked next.
    workers: VecDeque<Worker>,
    /// What holds slots.
    held: Vec<Held>,
    next_offer: u64,
}

#[derive(Debug)]
struct Worker {
    connection: u64,
    agent: Id,
    sessions: Option<Vec<String>>,
    slots: usize,
    wakes: mpsc::Sender<Wake>,
}

/// One slot of a connection.
#[derive(Debug)]
struct Held {
    connection: u64,
    session: SessionId,
    by: HeldBy,
}

#[derive(Debug)]
enum HeldBy {
    /// Input that may still be claimed; the number tells one offer from another.
    Offer(u64, Offer),
    /// A run of this agent.
    Run(Id),
}

impl Held {
    fn agent(&self) -> &Id {
        match &self.by {
            HeldBy::Offer(_, offer) => &offer.agent,
            HeldBy::Run(agent) => agent,
        }
    }
}

impl Dispatcher {
    /// A session tells how it stands now.
    pub(super) fn report(&self, session: &SessionId, report: Report) {
        let mut table = self.lock();
        table.waiting.retain(|(of, _), _| of != session);
        table.held.retain(|held| {
            held.session != *session
                || matches!(&held.by, HeldBy::Offer(_, offer) if report.offers.contains(offer))
        });
        for Claim { agent, connection } in report.claims {
            let (session, by) = (session.clone(), HeldBy::Run(agent));
            table.held.push(Held { connection, session, by });
        }
        for offer in report.offers {
            let is_offered = table.held.iter().any(|held| {
                held.session == *session
                    && matches!(&held.by, HeldBy::Offer(_, other) if *other == offer)
            });
            if !is_offered {
                table.waiting.insert((session.clone(), offer.agent.clone()), offer);
            }
        }
        self.offer_waiting(&mut table);
    }

    /// A worker offers to work, or with no slots withdraws.
    pub(super) fn serve(
        &self,
        connection: &Connection,
        agent: Id,
        sessions: Option<Vec<String>>,
        slots: u32,
        wakes: mpsc::Sender<Wake>,
    ) {
        let mut table = self.lock();
        table
            .workers
            .retain(|worker| worker.connection != connection.number || worker.agent != agent);
        if slots > 0 {
            table.workers.push_back(Worker {
                connection: connection.number,
                agent,
                sessions,
                slots: usize::try_from(slots).unwrap_or(usize::MAX),
                wakes,
            });
        }
        self.offer_waiting(&mut table);
    }

    /// A connection is gone: what it was offered and has not claimed is offered again.
    pub(super) fn disconnect(&self, connection: &Connection) {
        let mut table = self.lock();
        table.workers.retain(|worker| worker.connection != connection.number);
        let (gone, held) =
            table.held.drain(..).partition(|held| held.connection == connection.number);
        table.held = held;
        table.wait_again(gone);
        self.offer_waiting(&mut table);
    }

    /// All sessions are gone: they will report again.
    pub(super) fn forget_sessions(&self) {
        let mut table = self.lock();
        table.waiting.clear();
        table.held.clear();
    }

    fn expire(&self, number: u64) {
        let mut table = self.lock();
        let (gone, held): (Vec<_>, _) = table
            .held
            .drain(..)
            .partition(|held| matches!(held.by, HeldBy::Offer(offer, _) if offer == number));
        table.held = held;
        // Whoever let it pass is asked again only after all others.
        for held in &gone {
            table.ask_last(held);
        }
        table.wait_again(gone);
        self.offer_waiting(&mut table);
    }

    fn offer_waiting(&self, table: &mut Table) {
        for number in table.offer_waiting() {
            let dispatcher = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(WAKE_OFFER_MS)).await;
                dispatcher.expire(number);
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn wait_again(&mut self, gone: Vec<Held>) {
        for held in gone {
            if let HeldBy::Offer(_, offer) = held.by {
                self.waiting.insert((held.session, offer.agent.clone()), offer);
            }
        }
    }

    /// Moves a worker to the end of the queue.
    fn ask_last(&mut self, held: &Held) {
        let index = self.workers.iter().position(|worker| {
            worker.connection == held.connection && worker.agent == *held.agent()
        });
        if let Some(worker) = index.and_then(|index| self.workers.remove(index)) {
            self.workers.push_back(worker);
        }
    }

    /// Offers what it can; returns the numbers of the new offers.
    fn offer_waiting(&mut self) -> Vec<u64> {
        let mut offered = Vec::new();
        let waiting = std::mem::take(&mut self.waiting);
        for ((session, agent), offer) in waiting {
            match self.offer(&session, &offer) {
                Some(connection) => {
                    self.next_offer += 1;
                    offered.push(self.next_offer);
                    let by = HeldBy::Offer(self.next_offer, offer);
                    self.held.push(Held { connection, session, by });
                }
                None => {
                    self.waiting.insert((session, agent), offer);
                }
            }
        }
        offered
    }

    /// Wakes the first worker with a free slot; it goes to the end of the queue.
    fn offer(&mut self, session: &SessionId, offer: &Offer) -> Option<u64> {
        let index = self.workers.iter().position(|worker| {
            worker.agent == offer.agent
                && worker.takes(session)
                && self.used_slots(worker) < worker.slots
                && worker
                    .wakes
                    .try_send(Wake {
                        agent: offer.agent.clone(),
                        session: session.clone(),
                        input: offer.input.clone(),
                        attempt: offer.attempt,
                    })
                    .is_ok()
        })?;
        let worker = self.workers.remove(index)?;
        let connection = worker.connection;
        self.workers.push_back(worker);
        Some(connection)
    }

    fn used_slots(&self, worker: &Worker) -> usize {
        let is_its =
            |held: &&Held| held.connection == worker.connection && *held.agent() == worker.agent;
        self.held.iter().filter(is_its).count()
    }
}

impl Worker {
    fn takes(&self, session: &SessionId) -> bool {
        let Some(patterns) = &self.sessions else { return true };
        patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => session.as_str().starts_with(prefix),
            None => pattern == session.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::parse(text).unwrap()
    }

    fn session(text: &str) -> SessionId {
        SessionId::parse(text).unwrap()
    }

    fn offer(input: &str, attempt: u32) -> Offer {
        Offer { agent: id("assistant"), input: id(input), attempt }
    }

    fn connection(number: u64) -> Connection {
        Connection { number, client: None }
    }

    fn worker(
        dispatcher: &Dispatcher,
        number: u64,
        slots: u32,
        sessions: Option<&str>,
    ) -> mpsc::Receiver<Wake> {
        let (wakes, receiver) = mpsc::channel(8);
        let sessions = sessions.map(|pattern| vec![pattern.to_owned()]);
        dispatcher.serve(&connection(number), id("assistant"), sessions, slots, wakes);
        receiver
    }

    fn waiting(input: &str, attempt: u32) -> Report {
        Report { offers: vec![offer(input, attempt)], claims: Vec::new() }
    }

    /// A connection works on the input.
    fn claimed_by(connection: u64) -> Report {
        Report { offers: Vec::new(), claims: vec![Claim { agent: id("assistant"), connection }] }
    }

    #[tokio::test(start_paused = true)]
    async fn an_input_waits_for_a_worker_and_goes_to_one() {
        let dispatcher = Dispatcher::default();
        dispatcher.report(&session("s"), waiting("m1", 1));
        let mut one = worker(&dispatcher, 1, 1, None);
        let mut two = worker(&dispatcher, 2, 1, None);
        assert_eq!(one.try_recv().unwrap().input, id("m1"));
        assert!(two.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unclaimed_offer_goes_to_another_worker_after_its_time() {
        let dispatcher = Dispatcher::default();
        let mut one = worker(&dispatcher, 1, 1, None);
        let mut two = worker(&dispatcher, 2, 1, None);
        dispatcher.report(&session("s"), waiting("m1", 1));
        assert!(one.try_recv().is_ok());
        assert_eq!(two.recv().await.unwrap().input, id("m1"));
        assert!(one.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_claimed_input_holds_its_slot_until_the_run_is_over() {
        let dispatcher = Dispatcher::default();
        let mut one = worker(&dispatcher, 1, 1, None);
        dispatcher.report(&session("s"), waiting("m1", 1));
        assert!(one.try_recv().is_ok());
        dispatcher.report(&session("s"), claimed_by(1));
        dispatcher.report(&session("t"), waiting("m2", 1));
        // The clock is paused: a minute passes at once.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(one.try_recv().is_err());
        dispatcher.report(&session("s"), Report::default());
        assert_eq!(one.try_recv().unwrap().session, session("t"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_input_that_another_claimed_holds_no_slot_of_who_was_offered_it() {
        let dispatcher = Dispatcher::default();
        let mut one = worker(&dispatcher, 1, 1, None);
        dispatcher.report(&session("s"), waiting("m1", 1));
        assert!(one.try_recv().is_ok());
        dispatcher.report(&session("t"), waiting("m2", 1));
        assert!(one.try_recv().is_err());
        dispatcher.report(&session("s"), claimed_by(7));
        assert_eq!(one.try_recv().unwrap().session, session("t"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_was_taken_along_holds_a_slot() {
        let dispatcher = Dispatcher::default();
        dispatcher.report(&session("s"), claimed_by(2));
        let mut two = worker(&dispatcher, 2, 1, None);
        dispatcher.report(&session("t"), waiting("m2", 1));
        assert!(two.try_recv().is_err());
        dispatcher.report(&session("s"), Report::default());
        assert_eq!(two.try_recv().unwrap().session, session("t"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_came_later_is_asked_before_one_that_let_an_offer_pass() {
        let dispatcher = Dispatcher::default();
        let mut one = worker(&dispatcher, 1, 1, None);
        dispatcher.report(&session("s"), waiting("m1", 1));
        assert!(one.try_recv().is_ok());
        let mut two = worker(&dispatcher, 2, 1, None);
        assert_eq!(two.recv().await.unwrap().input, id("m1"));
        assert!(one.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_input_is_offered_again() {
        let dispatcher = Dispatcher::default();
        let mut one = worker(&dispatcher, 1, 1, None);
        dispatcher.report(&session("s"), waiting("m1", 1));
        dispatcher.report(&session("s"), claimed_by(1));
        dispatcher.disconnect(&connection(1));
        dispatcher.report(&session("s"), waiting("m1", 2));
        let mut two = worker(&dispatcher, 2, 1, None);
        assert_eq!(one.try_recv().unwrap().attempt, 1);
        assert_eq!(two.try_recv().unwrap().attempt, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_is_asked_only_about_its_sessions() {
        let dispatcher = Dispatcher::default();
        let mut one = worker(&dispatcher, 1, 9, Some("shop-*"));
        let mut two = worker(&dispatcher, 2, 9, Some("s"));
        dispatcher.report(&session("s"), waiting("m1", 1));
        dispatcher.report(&session("shop-1"), waiting("m2", 1));
        assert_eq!(one.try_recv().unwrap().input, id("m2"));
        assert_eq!(two.try_recv().unwrap().input, id("m1"));
        assert!(one.try_recv().is_err() && two.try_recv().is_err());
    }
}
