//! What tabs that are gone have left to be sent: when to look for it, and what is taken of it.

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, LogId, SessionId};

use super::Client;
use super::limits::RECOVER_EVERY_MS;
use super::output::Output;

impl<N: Node + Clone> Client<N> {
    /// Looks for what tabs that are gone have left, as soon as it is known which are.
    pub(super) fn recover(&mut self, now: u64) {
        if self.taking.keeps {
            self.recover_at = self.tabs.known_at().map(|at| at.max(now));
        }
    }

    /// Looks when it is time.
    pub(super) fn look(&mut self, now: u64) {
        if self.recover_at.take_if(|at| now >= *at).is_some() {
            self.has_left_acts = false;
            self.outputs.push_back(Output::Recover);
            // A tab may die before a leader has heard that it is there.
            self.recover_at = self.tabs.leads().then(|| now.saturating_add(RECOVER_EVERY_MS));
        }
    }

    /// An act that was taken in before. What is said of it goes to whoever still waits for it.
    pub(super) fn resend(
        &mut self,
        now: u64,
        session: SessionId,
        id: Id,
        log: Option<LogId>,
        event: String,
    ) {
        let taking = self.taking;
        // Those behind one that found no room do not overtake it.
        if self.has_left_acts {
            return;
        }
        let Some((session, out)) = self.open(now, &session) else { return };
        if let Err(problem) = session.take(id, log, event, true, taking, out) {
            // It is still stored, for when there is room.
            self.has_left_acts |= problem.code == ErrorCode::OutboxFull;
        }
    }
}
