//! What happens because time passes, and when next.

use std::collections::HashSet;

use durable_sessions_protocol::event::{Event, InputFate, Outcome, RunEnded};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::INPUT_MAX_ATTEMPTS;
use durable_sessions_protocol::offset::Offset;

use super::inputs::MessageInfo;
use super::runs::{Lease, Owner, Run};
use super::{State, Writer};

impl State {
    /// When [`State::tick`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let runs = self.open_runs().filter_map(|(_, run)| over(run));
        let inputs = self.pending.ids().filter_map(|id| Some(self.inputs.get(id)?.expires));
        runs.chain(inputs).min()
    }

    /// Ends what has run out of time.
    pub fn tick(&mut self, now: u64) {
        let mut ended: Vec<(Offset, Id, Outcome)> = self
            .open
            .iter()
            .filter_map(|id| {
                let run = self.runs.get(id)?;
                let is_stopped = run.fence_until.is_some();
                let outcome = if is_stopped { Outcome::Stopped } else { Outcome::Lost };
                (over(run)? <= now).then(|| (run.started, id.clone(), outcome))
            })
            .collect();
        ended.sort_unstable_by_key(|(started, ..)| *started);
        for (_, id, outcome) in ended {
            self.end_run(&id, outcome, now);
        }
        let expired: Vec<Id> = self
            .pending
            .ids()
            .filter(|id| self.inputs.get(*id).is_some_and(|input| input.expires <= now))
            .cloned()
            .collect();
        for id in expired {
            self.end_input(&id, InputFate::Expired, now);
        }
    }

    /// Open runs of a producer that its writer does not name are lost; those it names it holds.
    pub(super) fn lapse_unnamed(&mut self, grant: u32, writer: &Writer, named: &[Id], now: u64) {
        let own = self.in_order_of_start(|_, run| match run.owner {
            Owner::Grant(owner) => self.producers.is_same(owner, grant),
            Owner::Principal(_) => false,
        });
        let named: HashSet<&Id> = named.iter().collect();
        for id in own {
            if named.contains(&id) {
                self.hold(&id, writer, now);
                continue;
            }
            let is_stopped = self.runs.get(&id).is_some_and(|run| run.fence_until.is_some());
            let outcome = if is_stopped { Outcome::Stopped } else { Outcome::Lost };
            self.end_run(&id, outcome, now);
        }
    }

    /// The server's word that a run is over; an input whose last try it was expires with it.
    fn end_run(&mut self, id: &Id, outcome: Outcome, now: u64) {
        let input = self.runs.get(id).and_then(|run| run.input.clone());
        let ended = RunEnded { run: id.clone(), outcome, error: None, usage: None, data: None };
        self.server_event(Event::RunEnded(ended), now);
        self.expire_steers(id, now);
        let out_of_tries =
            |id: &Id| self.inputs.get(id).is_some_and(|input| input.attempts >= INPUT_MAX_ATTEMPTS);
        let Some(input) = input.filter(|_| outcome == Outcome::Lost) else { return };
        let is_hidden = |info: &MessageInfo| self.places.hides(info.begun);
        if out_of_tries(&input) {
            self.end_input(&input, InputFate::Expired, now);
        } else if self.messages.get(&input).is_some_and(is_hidden) {
            // Nobody would see what another run makes of it.
            self.end_input(&input, InputFate::Stopped, now);
        }
    }
}

/// When the server ends an open run itself.
fn over(run: &Run) -> Option<u64> {
    let lease = match run.lease {
        Lease::Held(_) => None,
        Lease::Until(until) => Some(until),
    };
    // A stopped run waits for no answer any more.
    let ask = match run.fence_until {
        Some(_) => None,
        None => run.asks.iter().map(|ask| ask.expires).min(),
    };
    [run.fence_until, lease, ask].into_iter().flatten().min()
}
