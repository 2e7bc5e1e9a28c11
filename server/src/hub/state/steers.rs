//! Steers: input to a run that is at work. Each gets one fate.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{self, InputFate, InputState};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use super::publish::{Stream, invalid};
use super::rules::{not_found, run_ended, run_stopped, taken};
use super::{State, Writer};

/// Steers of one run without a fate. One more is `invalid`.
pub(super) const RUN_MAX_STEERS: usize = 64;

/// A steer of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Steer {
    pub(super) run: Id,
    pub(super) offset: Offset,
    /// `None` while its run has yet to take it.
    pub(super) fate: Option<InputFate>,
    /// The event that told it.
    pub(super) settled: Option<Offset>,
}

impl State {
    pub(super) fn check_steer(&self, steer: &event::Steer) -> Result<(), Problem> {
        if self.messages.contains_key(&steer.id) {
            return Err(taken(&steer.id));
        }
        let run = self.runs.get(&steer.run).ok_or_else(|| not_found("run", &steer.run))?;
        if run.ended.is_some() {
            return Err(run_ended(&steer.run));
        }
        if run.fence_until.is_some() {
            return Err(run_stopped(&steer.run));
        }
        if run.steers.len() >= RUN_MAX_STEERS {
            return Err(invalid(format!(
                "at most {RUN_MAX_STEERS} steers may wait for a run: steer when it has taken some"
            )));
        }
        Ok(())
    }

    /// The agent's word that it took a steer in.
    pub(super) fn check_used(
        &self,
        writer: &Writer,
        stream: Stream,
        id: &Id,
        steer: &Steer,
    ) -> Result<(), Problem> {
        match steer.fate {
            None => self.check_open(writer, stream, &steer.run),
            Some(InputFate::Used) => Err(taken(id)),
            Some(InputFate::Expired) => Err(Problem::new(
                ErrorCode::RunEnded,
                format!("the steer {id:?} has expired: its run had ended"),
            )),
            Some(InputFate::Stopped) => Err(Problem::new(
                ErrorCode::RunStopped,
                format!("the steer {id:?} was stopped with its run"),
            )),
        }
    }

    pub(super) fn steered(&mut self, steer: &event::Steer, offset: Offset) {
        if let Some(run) = self.runs.get_mut(&steer.run) {
            run.steers.push(steer.id.clone());
        }
        self.places.begin(offset, &steer.id);
        let steered = Steer { run: steer.run.clone(), offset, fate: None, settled: None };
        self.steers.insert(steer.id.clone(), steered);
    }

    /// Whether the fate was a steer's.
    pub(super) fn steer_decided(&mut self, fate: &InputState) -> bool {
        let Some(steer) = self.steers.get_mut(&fate.id) else { return false };
        steer.fate = Some(fate.state);
        steer.settled = Some(self.tail);
        if let Some(run) = self.runs.get_mut(&steer.run) {
            run.steers.retain(|id| *id != fate.id);
        }
        true
    }

    /// Right behind a run's end: what it had not taken will not be.
    pub(super) fn expire_steers(&mut self, run: &Id, now: u64) {
        let steers = self.runs.get(run).map(|run| run.steers.clone()).unwrap_or_default();
        for steer in steers {
            self.end_input(&steer, InputFate::Expired, now);
        }
    }
}
