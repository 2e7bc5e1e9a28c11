//! The durable outbox of a browser, and what became of every act that was ever in it.

use std::collections::{BTreeMap, BTreeSet};

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::id::{Id, LogId, SessionId};

/// An act as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) principal: String,
    /// Who made it.
    pub(super) tab: Id,
    pub(super) session: SessionId,
    pub(super) id: Id,
    pub(super) log: Option<LogId>,
    pub(super) event: String,
}

#[derive(Debug, Default)]
pub(super) struct Acts {
    outbox: Vec<Stored>,
    /// All that were ever taken in.
    known: BTreeMap<Id, Stored>,
    /// Them in the order in which people made them.
    made: Vec<Id>,
    /// By whom.
    refused: BTreeSet<(Id, Id)>,
    /// Those that another tab than their maker has sent.
    taken_over: BTreeSet<Id>,
}

impl Acts {
    pub(super) fn store(&mut self, act: Stored) {
        let known = self.known.entry(act.id.clone()).or_insert_with(|| {
            self.made.push(act.id.clone());
            act.clone()
        });
        assert_eq!(*known, act, "an act never changes, nor who made it");
        self.outbox.retain(|stored| stored.id != act.id);
        self.outbox.push(act);
    }

    pub(super) fn forget(&mut self, session: &SessionId, id: &Id) {
        self.outbox.retain(|stored| stored.session != *session || stored.id != *id);
    }

    /// What is stored of a principal's, in the order of its storing.
    pub(super) fn of(&self, principal: &str) -> Vec<Stored> {
        self.outbox.iter().filter(|stored| stored.principal == principal).cloned().collect()
    }

    pub(super) fn outbox(&self) -> &[Stored] {
        &self.outbox
    }

    pub(super) fn known(&self) -> impl Iterator<Item = &Stored> {
        self.known.values()
    }

    /// Whether a stop of everything has one of its own for a message.
    pub(super) fn is_stopped_with(&self, stop: &Id, message: &str) -> bool {
        let (own, target) = (format!("{stop}."), format!("\"message\":\"{message}\""));
        let is_own = |act: &Stored| act.id.as_str().starts_with(&own);
        self.known().any(|act| is_own(act) && act.event.contains(&target))
    }

    /// All that were ever taken in, in the order in which people made them.
    pub(super) fn made(&self) -> impl Iterator<Item = &Stored> {
        self.made.iter().map(|id| &self.known[id])
    }

    pub(super) fn is_refused(&self, id: &Id) -> bool {
        self.refused.iter().any(|(refused, _)| refused == id)
    }

    /// Whether it was refused to who made it, and nobody else tried.
    pub(super) fn is_out(&self, act: &Stored) -> bool {
        self.refused.contains(&(act.id.clone(), act.tab.clone()))
            && !self.taken_over.contains(&act.id)
    }

    /// Answers who made it.
    pub(super) fn take_over(&mut self, id: &Id) -> Id {
        self.taken_over.insert(id.clone());
        self.known[id].tab.clone()
    }

    /// A refusal that is not the harness's own doing is a fault of the client's.
    pub(super) fn refuse(&mut self, tab: Id, id: Id, problem: &Problem) {
        let is_fair = matches!(
            problem.code,
            ErrorCode::NotFound
                | ErrorCode::RunEnded
                | ErrorCode::RunStopped
                | ErrorCode::OutboxFull
                | ErrorCode::Busy
        );
        assert!(is_fair, "{id} is refused: {problem}");
        self.refused.insert((id, tab));
    }
}
