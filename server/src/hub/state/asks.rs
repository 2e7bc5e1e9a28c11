//! Asks: questions of runs to people.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{RunResumed, RunSuspended};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::{ASK_EXPIRY_MAX_MS, ASK_EXPIRY_MIN_MS, ASK_EXPIRY_MS};
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use super::State;
use super::acts::Class;
use super::publish::invalid;
use super::rules::{not_found, run_ended, run_stopped};

/// Questions of one run without an answer. One more is `invalid`.
pub(super) const RUN_MAX_ASKS: usize = 64;

/// A question without an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ask {
    pub(super) id: Id,
    pub(super) offset: Offset,
    /// When its run is given up.
    pub(super) expires: u64,
    /// How long that was from the start.
    pub(super) term_ms: u64,
}

impl State {
    /// The rules of `run.suspended` beyond those of all that an open run writes.
    pub(super) fn check_ask(&self, suspended: &RunSuspended) -> Result<(), Problem> {
        if let Some(ms) = suspended.expires_ms
            && !(ASK_EXPIRY_MIN_MS..=ASK_EXPIRY_MAX_MS).contains(&ms)
        {
            return Err(invalid(format!(
                "`expires_ms` is {ms}: it is between {ASK_EXPIRY_MIN_MS} and {ASK_EXPIRY_MAX_MS}"
            )));
        }
        if self.runs.get(&suspended.run).is_some_and(|run| run.asks.len() >= RUN_MAX_ASKS) {
            return Err(invalid(format!(
                "a run may wait for at most {RUN_MAX_ASKS} answers: ask when it has some"
            )));
        }
        Ok(())
    }

    pub(super) fn check_answer_to_ask(&self, resumed: &RunResumed) -> Result<(), Problem> {
        let run = self.runs.get(&resumed.run).ok_or_else(|| not_found("run", &resumed.run))?;
        if self.asks.get(&resumed.ask) != Some(&resumed.run) {
            return Err(not_found("ask", &resumed.ask));
        }
        if self.acts.is_taken(&(Class::Answer, resumed.ask.clone())) {
            return Err(Problem::new(
                ErrorCode::AlreadyAnswered,
                format!("the ask {:?} has its answer already", resumed.ask),
            ));
        }
        if run.ended.is_some() {
            return Err(run_ended(&resumed.run));
        }
        if run.fence_until.is_some() {
            return Err(run_stopped(&resumed.run));
        }
        Ok(())
    }

    pub(super) fn suspended(&mut self, suspended: &RunSuspended, now: u64) {
        let Some(run) = self.runs.get_mut(&suspended.run) else { return };
        let term_ms = suspended.expires_ms.unwrap_or(ASK_EXPIRY_MS);
        let expires = now.saturating_add(term_ms);
        run.asks.push(Ask { id: suspended.ask.clone(), offset: self.tail, expires, term_ms });
        self.asks.insert(suspended.ask.clone(), suspended.run.clone());
    }

    pub(super) fn resumed(&mut self, resumed: &RunResumed, at: Offset) {
        let Some(run) = self.runs.get_mut(&resumed.run) else { return };
        let answered = run.asks.iter().filter(|ask| ask.id == resumed.ask);
        run.answered.extend(answered.map(|ask| (ask.offset, at)));
        run.asks.retain(|ask| ask.id != resumed.ask);
    }
}
