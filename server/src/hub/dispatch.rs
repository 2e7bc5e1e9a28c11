//! Which worker is offered which input.
//!
//! Sessions report what waits and what is being worked on; workers say what they serve. An offer
//! holds one of a worker's slots for 10 s, or, once claimed, until the run is over. Nothing here
//! is durable: after a restart sessions report and workers connect again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::WAKE_OFFER_MS;
use tokio::sync::mpsc;

use super::state::{Connection, Offer};

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
    /// Inputs of open runs.
    pub(super) claimed: Vec<Id>,
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
    /// Offers and claims that hold a slot.
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

#[derive(Debug)]
struct Held {
    number: u64,
    connection: u64,
    session: SessionId,
    offer: Offer,
    claimed: bool,
}

impl Dispatcher {
    /// A session tells how it stands now.
    pub(super) fn report(&self, session: &SessionId, report: Report) {
        let mut table = self.lock();
        table.waiting.retain(|(of, _), _| of != session);
        table.held.retain_mut(|held| {
            if held.session != *session {
                return true;
            }
            if report.claimed.contains(&held.offer.input) {
                held.claimed = true;
                return true;
            }
            !held.claimed && report.offers.contains(&held.offer)
        });
        for offer in report.offers {
            let is_held = table
                .held
                .iter()
                .any(|held| held.session == *session && held.offer.input == offer.input);
            if !is_held {
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
        let (gone, held) =
            table.held.drain(..).partition(|held| held.number == number && !held.claimed);
        table.held = held;
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
        for held in gone.into_iter().filter(|held| !held.claimed) {
            self.waiting.insert((held.session, held.offer.agent.clone()), held.offer);
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
                    let number = self.next_offer;
                    self.held.push(Held { number, connection, session, offer, claimed: false });
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
            |held: &&Held| held.connection == worker.connection && held.offer.agent == worker.agent;
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
        Report { offers: vec![offer(input, attempt)], claimed: Vec::new() }
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
        dispatcher.report(&session("s"), Report { offers: Vec::new(), claimed: vec![id("m1")] });
        dispatcher.report(&session("t"), waiting("m2", 1));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(one.try_recv().is_err());
        dispatcher.report(&session("s"), Report::default());
        assert_eq!(one.try_recv().unwrap().session, session("t"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_input_is_offered_again() {
        let dispatcher = Dispatcher::default();
        let mut one = worker(&dispatcher, 1, 1, None);
        dispatcher.report(&session("s"), waiting("m1", 1));
        dispatcher.report(&session("s"), Report { offers: Vec::new(), claimed: vec![id("m1")] });
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
