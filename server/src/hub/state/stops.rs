//! Stops: what they fence, and their receipts.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{InputFate, StopRequested, StopTarget};
use durable_sessions_protocol::frame::StopReceipt;
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;

use super::State;
use super::inputs::Fate;
use super::rules::{not_found, run_ended};

/// An admitted stop.
#[derive(Debug)]
pub(super) struct StopInfo {
    pub(super) offset: Offset,
    pub(super) runs: Vec<Id>,
}

/// What a stop will do.
#[derive(Debug, Default)]
pub(super) struct StopPlan {
    /// Runs to fence.
    pub(super) runs: Vec<Id>,
    /// Inputs to cancel.
    pub(super) inputs: Vec<Id>,
}

impl State {
    /// What a stop fences and cancels, or why it is refused.
    pub(super) fn plan_stop(&self, stop: &StopRequested) -> Result<StopPlan, Problem> {
        match &stop.target {
            StopTarget::Run(run) => self.plan_run(run),
            StopTarget::Message(message) => self.plan_message(message),
            StopTarget::All { seen } => Ok(self.plan_all(seen.unwrap_or(self.tail))),
        }
    }

    fn plan_run(&self, id: &Id) -> Result<StopPlan, Problem> {
        let run = self.runs.get(id).ok_or_else(|| not_found("run", id))?;
        if run.ended.is_some() {
            return Err(run_ended(id));
        }
        Ok(StopPlan { runs: vec![id.clone()], ..StopPlan::default() })
    }

    fn plan_message(&self, id: &Id) -> Result<StopPlan, Problem> {
        let message = self.messages.get(id).ok_or_else(|| not_found("message", id))?;
        if let Some(run) = &message.run {
            return self.plan_run(run);
        }
        match self.inputs.get(id).map(|input| &input.fate) {
            Some(Fate::Pending) => Ok(StopPlan { inputs: vec![id.clone()], ..StopPlan::default() }),
            Some(Fate::Claimed(run)) => self.plan_run(run),
            Some(Fate::Stopped | Fate::Expired) => Err(Problem::new(
                ErrorCode::RunEnded,
                format!(
                    "the message {id:?} no longer waits for an agent: there is nothing to stop"
                ),
            )),
            None => Err(Problem::new(
                ErrorCode::NotFound,
                format!("the message {id:?} is a note: no run works on it"),
            )
            .with_status(422)),
        }
    }

    /// Runs and inputs that stand at or before what the requester had seen.
    fn plan_all(&self, seen: Offset) -> StopPlan {
        let runs = self
            .open
            .iter()
            .filter(|id| self.runs.get(*id).is_some_and(|run| run.stands_at <= seen));
        let inputs = self.pending.range(..=seen).map(|(_, id)| id);
        StopPlan { runs: runs.cloned().collect(), inputs: inputs.cloned().collect() }
    }

    /// Cancels a stop's inputs, right behind it.
    pub(super) fn finish_stop(&mut self, inputs: Vec<Id>, now: u64) {
        for input in inputs {
            self.end_input(&input, InputFate::Stopped, now);
        }
    }

    /// The receipt of the stop at an offset, if there is one.
    pub(super) fn receipt_at(&self, offset: Offset) -> Option<StopReceipt> {
        let (id, stop) = self.stops.iter().find(|(_, stop)| stop.offset == offset)?;
        Some(StopReceipt { id: id.clone(), offset, runs: stop.runs.clone() })
    }
}
