//! How much input and how many steers may wait for agents at a time. An agent's asks and runs do not wait
//! for room: what makes some might stand behind them in its stream.

use std::collections::BTreeMap;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{Draft, Event};
use durable_sessions_protocol::id::Id;

use super::State;
use super::publish::invalid;

/// Inputs of one session that may wait for their agents. Beyond it: `rate_limited`.
pub(super) const PENDING_MAX_INPUTS: usize = 1024;
/// Steers of one run without a fate. Beyond it: `rate_limited`.
pub(super) const RUN_MAX_STEERS: usize = 64;

impl State {
    /// Whether there is room for these now. A refusal for the lack of it is not recorded: the same
    /// publish is welcome later.
    pub(super) fn check_room(&self, drafts: &[Draft]) -> Result<(), Problem> {
        let inputs = drafts.iter().filter(|draft| {
            matches!(&draft.event, Event::Message(message) if self.addressee(message).is_some())
        });
        let inputs = inputs.count();
        let full = if inputs > 0 && self.pending.len() + inputs > PENDING_MAX_INPUTS {
            format!(
                "at most {PENDING_MAX_INPUTS} messages may wait for an agent: send again when it has taken some"
            )
        } else if self.has_too_many(&steers_by_run(drafts)) {
            format!(
                "at most {RUN_MAX_STEERS} steers may wait for a run: send again when it has taken some"
            )
        } else {
            return Ok(());
        };
        Err(Problem::new(ErrorCode::RateLimited, full))
    }

    /// Whether a run has so many steers that these have to wait. What never fits is refused for good.
    fn has_too_many(&self, steers: &BTreeMap<&Id, usize>) -> bool {
        steers.iter().filter(|(_, more)| **more <= RUN_MAX_STEERS).any(|(run, more)| {
            self.runs.get(*run).is_some_and(|run| run.steers.len() + more > RUN_MAX_STEERS)
        })
    }
}

/// Refuses a publish for which there will never be room.
pub(super) fn check_one_publish(drafts: &[Draft]) -> Result<(), Problem> {
    if steers_by_run(drafts).values().any(|count| *count > RUN_MAX_STEERS) {
        return Err(invalid(format!(
            "a publish may have at most {RUN_MAX_STEERS} steers of a run: send the others when it has taken some"
        )));
    }
    Ok(())
}

fn steers_by_run(drafts: &[Draft]) -> BTreeMap<&Id, usize> {
    let mut steers = BTreeMap::new();
    for draft in drafts {
        if let Event::Steer(steer) = &draft.event {
            *steers.entry(&steer.run).or_default() += 1;
        }
    }
    steers
}
