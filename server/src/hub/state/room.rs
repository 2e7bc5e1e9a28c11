//! How much of a session may wait for agents and people at a time.

use std::collections::BTreeMap;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{Draft, Event};
use durable_sessions_protocol::id::Id;

use super::State;
use super::publish::invalid;
use super::runs::Run;

/// Inputs of one session that may wait for their agents. Beyond it: `rate_limited`.
pub(super) const PENDING_MAX_INPUTS: usize = 1024;
/// Open runs of one session. Beyond it: `rate_limited`.
pub(super) const OPEN_MAX_RUNS: usize = 1024;
/// Steers of one run without a fate, and its asks without an answer. Beyond it: `rate_limited`.
pub(super) const RUN_MAX_WAITING: usize = 64;

impl State {
    /// Whether there is room for these now. A refusal for the lack of it is not recorded: the same
    /// publish is welcome later.
    pub(super) fn check_room(&self, drafts: &[Draft]) -> Result<(), Problem> {
        let (mut inputs, mut runs) = (0, 0);
        for draft in drafts {
            if let Event::Message(message) = &draft.event {
                inputs += usize::from(self.addressee(message).is_some());
            } else if let Event::RunStarted(_) = &draft.event {
                runs += 1;
            }
        }
        let Waiting { steers, asks } = Waiting::of(drafts);
        let full = if inputs > 0 && self.pending.len() + inputs > PENDING_MAX_INPUTS {
            format!(
                "at most {PENDING_MAX_INPUTS} messages may wait for an agent: send again when it has taken some"
            )
        } else if runs > 0 && self.open.len() + runs > OPEN_MAX_RUNS {
            format!(
                "at most {OPEN_MAX_RUNS} runs of a session may be open: start it when one has ended"
            )
        } else if self.is_full(&steers, |run| run.steers.len()) {
            format!(
                "at most {RUN_MAX_WAITING} steers may wait for a run: send again when it has taken some"
            )
        } else if self.is_full(&asks, |run| run.asks.len()) {
            format!(
                "a run may wait for at most {RUN_MAX_WAITING} answers: ask again when it has some"
            )
        } else {
            return Ok(());
        };
        Err(Problem::new(ErrorCode::RateLimited, full))
    }

    /// Whether a run has so much waiting that more has to wait. What never fits is refused for good.
    fn is_full(&self, waiting: &BTreeMap<&Id, usize>, has: fn(&Run) -> usize) -> bool {
        waiting.iter().filter(|(_, more)| **more <= RUN_MAX_WAITING).any(|(run, more)| {
            self.runs.get(*run).is_some_and(|run| has(run) + more > RUN_MAX_WAITING)
        })
    }
}

/// Refuses a publish for which there will never be room.
pub(super) fn check_one_publish(drafts: &[Draft]) -> Result<(), Problem> {
    let Waiting { steers, asks } = Waiting::of(drafts);
    if steers.values().chain(asks.values()).any(|count| *count > RUN_MAX_WAITING) {
        return Err(invalid(format!(
            "a publish may have at most {RUN_MAX_WAITING} steers and {RUN_MAX_WAITING} asks of a run: write them as they are taken and answered"
        )));
    }
    Ok(())
}

/// What a publish would have wait, counted by run.
#[derive(Default)]
struct Waiting<'a> {
    steers: BTreeMap<&'a Id, usize>,
    asks: BTreeMap<&'a Id, usize>,
}

impl<'a> Waiting<'a> {
    fn of(drafts: &'a [Draft]) -> Self {
        let mut waiting = Self::default();
        for draft in drafts {
            if let Event::Steer(steer) = &draft.event {
                *waiting.steers.entry(&steer.run).or_default() += 1;
            } else if let Event::RunSuspended(suspended) = &draft.event {
                *waiting.asks.entry(&suspended.run).or_default() += 1;
            }
        }
        waiting
    }
}
