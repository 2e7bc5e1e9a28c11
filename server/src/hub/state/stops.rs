//! Stops: what they fence, and their receipts.

use std::collections::HashSet;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{InputFate, StopRequested, StopTarget};
use durable_sessions_protocol::frame::StopReceipt;
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::STOP_GRACE_MS;
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use super::State;
use super::evolve::Meta;
use super::inputs::Fate;
use super::rules::{not_found, run_ended};

/// An admitted stop.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StopInfo {
    id: Id,
    /// The runs it fenced.
    runs: Vec<Id>,
}

/// What a stop will do.
#[derive(Debug, Default)]
pub(super) struct StopPlan {
    /// Runs to fence, in the order of their start.
    pub(super) runs: Vec<Id>,
    /// Inputs to cancel, in the order of the log.
    inputs: Vec<Id>,
    /// Steers that will not be taken, in the order of the log.
    steers: Vec<Id>,
}

/// What a stop is about, once its names are looked up.
enum Target<'a> {
    Run(&'a Id),
    /// A message that waits for an agent.
    Input(&'a Id),
    All(Offset),
}

impl State {
    /// What a stop fences and cancels, or why it is refused.
    pub(super) fn plan_stop(&self, stop: &StopRequested) -> Result<StopPlan, Problem> {
        let plan = match self.target(&stop.target)? {
            Target::Input(id) => StopPlan { inputs: vec![id.clone()], ..StopPlan::default() },
            Target::All(seen) => {
                self.plan(stop.cascade, Some(seen), |_, stands_at| stands_at <= seen)
            }
            Target::Run(id) => {
                let plan = self.plan(stop.cascade, None, |run, _| run == id);
                if plan.runs.is_empty() && plan.inputs.is_empty() {
                    return Err(run_ended(id));
                }
                plan
            }
        };
        Ok(plan)
    }

    /// The targets, and with `cascade` all that is below them. `seen`: waiting inputs up to there
    /// are targets too.
    fn plan(
        &self,
        cascade: bool,
        seen: Option<Offset>,
        is_target: impl Fn(&Id, Offset) -> bool,
    ) -> StopPlan {
        let is_reached = |id: &Id| {
            let levels = if cascade { usize::MAX } else { 1 };
            self.line(id).take(levels).any(|(id, run)| is_target(id, run.stands_at))
        };
        let runs = self.in_order_of_start(|id, _| is_reached(id));
        // What an ended run has left behind is below it, and not the run.
        let fenced: HashSet<&Id> = runs.iter().collect();
        let is_cancelled = |id: &Id| if cascade { is_reached(id) } else { fenced.contains(id) };
        let inputs = self.pending.from(Offset::ZERO).filter(|(offset, id)| {
            let parent = self.inputs.get(*id).and_then(|input| input.parent.as_ref());
            seen.is_some_and(|seen| *offset <= seen) || parent.is_some_and(is_cancelled)
        });
        let inputs = inputs.map(|(_, id)| id.clone()).collect();
        let mut steers: Vec<_> = runs
            .iter()
            .filter_map(|id| self.runs.get(id))
            .flat_map(|run| &run.steers)
            .filter_map(|id| Some((self.steers.get(id)?.offset, id)))
            .collect();
        steers.sort_unstable();
        let steers = steers.into_iter().map(|(_, id)| id.clone()).collect();
        StopPlan { runs, inputs, steers }
    }

    /// Looks up what a stop names.
    fn target<'a>(&'a self, target: &'a StopTarget) -> Result<Target<'a>, Problem> {
        let id = match target {
            StopTarget::All { seen } => return Ok(Target::All(seen.unwrap_or(self.tail))),
            StopTarget::Run(id) if self.runs.contains_key(id) => return Ok(Target::Run(id)),
            StopTarget::Run(id) => return Err(not_found("run", id)),
            StopTarget::Message(id) => id,
        };
        match self.inputs.get(id).map(|input| &input.fate) {
            Some(Fate::Pending) => return Ok(Target::Input(id)),
            Some(Fate::Claimed(run)) => return Ok(Target::Run(run)),
            Some(Fate::Stopped | Fate::Expired) => {
                return Err(Problem::new(
                    ErrorCode::RunEnded,
                    format!(
                        "the message {id:?} no longer waits for an agent: there is nothing to stop"
                    ),
                ));
            }
            None => {}
        }
        let message = self.messages.get(id).ok_or_else(|| not_found("message", id))?;
        message.run.as_ref().map(Target::Run).ok_or_else(|| {
            Problem::new(
                ErrorCode::NotFound,
                format!("the message {id:?} is a note: no run works on it"),
            )
            .with_status(422)
        })
    }

    /// A stop is in the log: its runs are fenced, and nothing new begins below them.
    pub(super) fn stopped(&mut self, stop: &StopRequested, meta: &Meta<'_>) {
        if stop.cascade {
            match self.target(&stop.target) {
                Ok(Target::Run(id)) => {
                    let id = id.clone();
                    if let Some(run) = self.runs.get_mut(&id) {
                        run.is_cut = true;
                    }
                }
                // The tail is the stop itself by now, and nothing stands there. Nobody has seen
                // what comes after it, whatever they say.
                Ok(Target::All(seen)) => {
                    self.cut_before = self.cut_before.max(seen.min(meta.offset));
                }
                Ok(Target::Input(_)) | Err(_) => {}
            }
        }
        let runs = meta.runs.unwrap_or_default();
        for id in runs {
            if let Some(run) = self.runs.get_mut(id) {
                run.fence_until.get_or_insert(meta.now.saturating_add(STOP_GRACE_MS));
            }
        }
        let info = StopInfo { id: stop.id.clone(), runs: runs.to_vec() };
        self.stops.insert(meta.offset, info);
    }

    /// Cancels what a stop cancels, right behind it.
    pub(super) fn finish_stop(&mut self, plan: &StopPlan, now: u64) {
        for id in plan.inputs.iter().chain(&plan.steers) {
            self.end_input(id, InputFate::Stopped, now);
        }
    }

    /// The receipt of the stop at an offset, if there is one.
    pub(super) fn receipt_at(&self, offset: Offset) -> Option<StopReceipt> {
        let stop = self.stops.get(&offset)?;
        Some(StopReceipt { id: stop.id.clone(), offset, runs: stop.runs.clone() })
    }
}
