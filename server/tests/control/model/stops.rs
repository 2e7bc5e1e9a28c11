//! What a stop does, as R5 and section 6 tell it.

use durable_sessions_protocol::error::ErrorCode;
use serde_json::Value;

use super::view::{Fate, View};

#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Open runs to fence, in order of start.
    pub(crate) runs: Vec<String>,
    /// Waiting inputs to cancel, in the order of the log.
    pub(crate) inputs: Vec<String>,
    /// Pending steers to cancel, in the order of the log.
    pub(crate) steers: Vec<String>,
}

impl View {
    /// What the stop would do at this offset, or why it is refused.
    pub(crate) fn plan(&self, stop: &Value, offset: u64) -> Result<Plan, ErrorCode> {
        let is_cascade = stop["cascade"] != false;
        if let Some(run) = stop["run"].as_str() {
            self.run(run).ok_or(ErrorCode::NotFound)?;
            return self.one(run, is_cascade);
        }
        if let Some(message) = stop["message"].as_str() {
            let writer = self.writer_of(message).ok_or(ErrorCode::NotFound)?;
            return match (self.input(message), writer) {
                (Some(input), _) => match input.fate {
                    Fate::Waiting => {
                        Ok(Plan { inputs: vec![message.to_owned()], ..Plan::default() })
                    }
                    Fate::Claimed => self.one(input.claims.last().unwrap(), is_cascade),
                    Fate::Used | Fate::Stopped | Fate::Expired => Err(ErrorCode::RunEnded),
                },
                (None, Some(run)) => self.one(&run, is_cascade),
                (None, None) => Err(ErrorCode::NotFound),
            };
        }
        let seen = stop["seen"].as_u64().unwrap_or(offset - 1);
        let mut plan = self.several(&self.targets(stop, offset), is_cascade);
        for input in self.waiting().filter(|input| input.offset <= seen) {
            if !plan.inputs.contains(&input.id) {
                plan.inputs.push(input.id.clone());
            }
        }
        plan.inputs.sort_by_key(|id| self.input(id).unwrap().offset);
        Ok(plan)
    }

    fn one(&self, run: &str, is_cascade: bool) -> Result<Plan, ErrorCode> {
        let plan = self.several(&[run.to_owned()], is_cascade);
        let is_over = self.run(run).unwrap().ended.is_some();
        if is_over && (!is_cascade || plan.runs.is_empty() && plan.inputs.is_empty()) {
            return Err(ErrorCode::RunEnded);
        }
        Ok(plan)
    }

    fn several(&self, targets: &[String], is_cascade: bool) -> Plan {
        let is_below = |run: &str| self.lineage(run).iter().any(|id| targets.contains(id));
        let runs: Vec<String> = self
            .open()
            .filter(|run| targets.contains(&run.id) || is_cascade && is_below(&run.id))
            .map(|run| run.id.clone())
            .collect();
        let inputs = self.waiting().filter(|input| match &input.by {
            Some(by) if is_cascade => is_below(by),
            Some(by) => runs.contains(by),
            None => false,
        });
        let inputs = inputs.map(|input| input.id.clone()).collect();
        let steers =
            self.steers.iter().filter(|it| it.fate == Fate::Waiting && runs.contains(&it.run));
        let steers = steers.map(|it| it.id.clone()).collect();
        Plan { runs, inputs, steers }
    }
}
