//! Runs: who owns them and how long they may live without a sign of life.

use durable_sessions_protocol::event::{Outcome, Principal};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use super::asks::Ask;
use super::publish::Stream;
use super::{Connection, State, Writer};

/// Open runs of one session. One more is `invalid`.
pub(super) const OPEN_MAX_RUNS: usize = 1024;

/// One run of the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) agent: Id,
    pub(super) owner: Owner,
    pub(super) input: Option<Id>,
    /// The run it works for.
    pub(super) parent: Option<Id>,
    /// Where its start stands in the log.
    pub(super) started: Offset,
    /// Where the run stands for a stop of all: at its input, else at its own start.
    pub(super) stands_at: Offset,
    pub(super) ended: Option<Outcome>,
    /// Where its end stands in the log.
    pub(super) ended_at: Option<Offset>,
    /// Set once it was stopped: when the server ends it itself.
    pub(super) fence_until: Option<u64>,
    /// It was stopped with all that is below it, now and later.
    pub(super) is_cut: bool,
    /// Not in checkpoints: whoever loads a session knows better.
    #[serde(skip, default = "Lease::unknown")]
    pub(super) lease: Lease,
    /// How long it may live without a sign of life.
    pub(super) lease_ms: u64,
    /// Open questions, oldest first.
    pub(super) asks: Vec<Ask>,
    /// Where the others were asked and answered, for as long as the run is open.
    pub(super) answered: Vec<(Offset, Offset)>,
    /// Steers without a fate, oldest first.
    pub(super) steers: Vec<Id>,
}

impl Run {
    /// Where an open run stands, in a word.
    pub(super) fn word(&self) -> &'static str {
        match (self.fence_until, self.asks.is_empty()) {
            (Some(_), _) => "stopping",
            (None, false) => "suspended",
            (None, true) => "running",
        }
    }
}

/// Whose run it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Owner {
    /// A producer in any epoch, named by the grant under which the run was last written.
    Grant(u32),
    /// A principal who wrote without a producer.
    Principal(Principal),
}

/// How long a run may still live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    /// As long as this connection.
    Held(u64),
    /// Until this time.
    Until(u64),
}

impl Lease {
    /// Of a run that is given its term at once, or when it was read back by [`State::finish_replay`].
    const fn unknown() -> Self {
        Self::Until(0)
    }
}

impl State {
    /// A connection named runs: those of its principal are kept alive by it. A process that was fenced
    /// may not know: it keeps nothing alive that a newer connection has taken over, and has left.
    pub fn renew(&mut self, writer: &Writer, runs: &[Id]) {
        for id in runs {
            if self.open.contains(id)
                && self.is_principals(writer, id)
                && !self.is_replaced(writer, id)
            {
                self.hold(id, writer, 0);
            }
        }
    }

    /// Over HTTP every append is a sign of life of its writer's other runs: without a producer, of
    /// those that were started without one; of a producer, of those that this epoch has written. What
    /// a process left behind does not live on by another one's work.
    pub(super) fn renew_over_http(&mut self, writer: &Writer, grant: u32, now: u64) {
        if writer.connection.is_some() {
            return;
        }
        let is_its = |owner: &Owner| match owner {
            Owner::Grant(owner) => *owner == grant,
            Owner::Principal(principal) => grant == 0 && *principal == writer.principal,
        };
        let own: Vec<Id> = self
            .open
            .iter()
            .filter(|id| self.runs.get(*id).is_some_and(|run| is_its(&run.owner)))
            .cloned()
            .collect();
        for id in own {
            self.hold(&id, writer, now);
        }
    }

    /// A connection is gone: the leases of the runs it held begin to run out.
    pub fn leave(&mut self, connection: &Connection, now: u64) {
        for id in &self.open {
            if let Some(run) = self.runs.get_mut(id)
                && run.lease == Lease::Held(connection.number)
            {
                run.lease = Lease::Until(now.saturating_add(run.lease_ms));
                self.is_moved = true;
            }
        }
    }

    /// A sign of life of a run's writer. A connection that a newer one has replaced takes nothing
    /// back.
    pub(super) fn hold(&mut self, id: &Id, writer: &Writer, now: u64) {
        let Some(run) = self.runs.get_mut(id) else { return };
        let lease = match (&writer.connection, run.lease) {
            (Some(connection), Lease::Held(holder)) => Lease::Held(holder.max(connection.number)),
            (Some(connection), Lease::Until(_)) => Lease::Held(connection.number),
            (None, Lease::Held(holder)) => Lease::Held(holder),
            (None, Lease::Until(_)) => Lease::Until(now.saturating_add(run.lease_ms)),
        };
        self.is_moved |= lease != run.lease && matches!(lease, Lease::Held(_));
        run.lease = lease;
    }

    /// Whether a newer connection has claimed the run's producer.
    fn is_replaced(&self, writer: &Writer, run: &Id) -> bool {
        let Some(Owner::Grant(grant)) = self.runs.get(run).map(|run| &run.owner) else {
            return false;
        };
        let holder = self.producers.holder(*grant);
        holder > writer.connection.as_ref().map(|connection| connection.number)
    }

    /// A process over HTTP goes on with a run in its own epoch: the connection of the one before, which
    /// may linger, keeps it no more.
    pub(super) fn let_go(&mut self, id: &Id, writer: &Writer, stream: Stream) {
        let Some(run) = self.runs.get_mut(id) else { return };
        let is_taken_over = matches!(run.owner, Owner::Grant(grant) if grant != stream.grant);
        if is_taken_over && writer.connection.is_none() && matches!(run.lease, Lease::Held(_)) {
            run.lease = Lease::unknown();
            self.is_moved = true;
        }
    }

    fn is_principals(&self, writer: &Writer, run: &Id) -> bool {
        match self.runs.get(run).map(|run| &run.owner) {
            Some(Owner::Principal(principal)) => *principal == writer.principal,
            Some(Owner::Grant(grant)) => {
                self.producers.principal(*grant) == Some(&writer.principal)
            }
            None => false,
        }
    }
}
