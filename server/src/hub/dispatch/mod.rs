//! Which worker is offered which work: input that waits for its agent, and runs whose process is
//! gone.
//!
//! Sessions report what waits and what is being worked on; workers say what they serve. An offer
//! holds one of a worker's slots for 10 s, and a run one of the connection that keeps its lease,
//! whoever was offered its input. Nothing here is durable: after a restart sessions report and
//! workers connect again.

mod lane;
mod parked;
mod patterns;
mod session;
mod table;
#[cfg(test)]
mod tests;
mod turns;
mod wakes;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use durable_sessions_protocol::event::Principal;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::time::{Instant, sleep_until};

pub use self::parked::Parked;
pub use self::patterns::Patterns;
use self::table::Table;
pub use self::wakes::{WakeSender, Wakes, wake_queue};
use super::state::{Claim, Connection, Offer, Orphan};

/// Work offered to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wake {
    /// Whose input.
    pub agent: Id,
    /// Where.
    pub session: SessionId,
    /// The message.
    pub input: Id,
    /// Counts the runs on the input from 1, this one included.
    pub attempt: u32,
    /// What is to be done.
    pub task: Task,
}

/// What a worker is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Task {
    /// To claim the input, which stands at this offset.
    Claim(Offset),
    /// To go on with a run of its producer.
    TakeOver(Id),
}

/// What a connection serves: one agent, in several runs at a time.
#[derive(Debug, Clone)]
pub struct Service {
    /// Whose input.
    pub agent: Id,
    /// Of which sessions.
    pub sessions: Patterns,
    /// How many runs and offers at a time; 0 withdraws.
    pub slots: u32,
    /// As which producer it writes: it is offered this one's runs that nobody holds.
    pub producer: Option<(Principal, Id)>,
}

/// How a session stands, as far as workers are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Inputs that may be claimed now, in the order of the log.
    pub(super) offers: Vec<Offer>,
    /// Runs that connections work on.
    pub(super) claims: Vec<Claim>,
    /// Runs that nobody works on, and their producers may go on with.
    pub(super) orphans: Vec<Orphan>,
}

/// Shared by all sessions and connections of a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Dispatcher(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    table: Table,
    /// Whether somebody waits for the next offer to run out.
    is_timed: bool,
}

impl Dispatcher {
    /// A session tells how it stands now.
    pub(super) fn report(&self, session: &SessionId, report: Report) {
        self.change(|table, now| table.report(session, report, now));
    }

    /// A connection offers to work, or with no slots withdraws.
    pub(super) fn serve(&self, connection: &Connection, service: Service, wakes: &WakeSender) {
        self.change(|table, now| table.serve(connection.number, service, wakes, now));
    }

    /// A request waits for one piece of work.
    fn park(&self, connection: &Connection, service: Service, wakes: &WakeSender) {
        self.change(|table, now| table.park(connection.number, service, wakes, now));
    }

    /// A connection is gone: what it was offered and has not claimed is offered again.
    pub(super) fn disconnect(&self, connection: &Connection) {
        self.change(|table, now| table.disconnect(connection.number, now));
    }

    /// All sessions are gone: they will report again.
    pub(super) fn forget_sessions(&self) {
        self.change(|table, _| table.forget_sessions());
    }

    fn change(&self, change: impl FnOnce(&mut Table, Instant)) {
        let mut shared = self.lock();
        change(&mut shared.table, Instant::now());
        if !shared.is_timed && shared.table.deadline().is_some() {
            shared.is_timed = true;
            tokio::spawn(self.clone().keep_time());
        }
    }

    /// Lets offers run out, for as long as there are any.
    async fn keep_time(self) {
        while let Some(deadline) = self.next_deadline() {
            sleep_until(deadline).await;
            self.lock().table.expire(Instant::now());
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let mut shared = self.lock();
        let deadline = shared.table.deadline();
        shared.is_timed = deadline.is_some();
        deadline
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
