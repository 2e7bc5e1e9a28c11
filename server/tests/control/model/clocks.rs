//! Leases, and what ends because time passes.

use serde_json::{Value, json};

use super::Model;
use super::view::{Fact, Fate, View};
use crate::call::Who;

/// How long a run may live without a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    /// As long as this connection.
    Held(u64),
    Until(u64),
}

const GRACE_MS: u64 = 5_000;

impl Model {
    /// The earliest of all clocks that run.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let view = self.view();
        let mut all: Vec<u64> = view.waiting().map(|input| input.expires).collect();
        for run in view.open() {
            all.extend(run.fenced.map(|since| since + GRACE_MS));
            // A stopped run has its grace, whatever it asked.
            if run.fenced.is_none() {
                all.extend(view.open_asks(&run.id).map(|ask| ask.expires));
            }
            if let Some(Lease::Until(until)) = self.leases.get(&run.id) {
                all.push(*until);
            }
        }
        all.into_iter().min()
    }

    /// What it writes stands at the end of the log, in any order of runs and inputs.
    pub(crate) fn tick(&mut self, now: u64) {
        let view = self.view();
        for run in view.open() {
            let is_away = matches!(self.leases.get(&run.id), Some(Lease::Until(at)) if *at <= now);
            let is_unanswered =
                run.fenced.is_none() && view.open_asks(&run.id).any(|ask| ask.expires <= now);
            let is_stopped = run.fenced.is_some_and(|since| since + GRACE_MS <= now);
            if is_away || is_unanswered || is_stopped {
                self.end_by_server(&run.id, now);
            }
        }
        for input in view.waiting().filter(|input| input.expires <= now) {
            self.write_fate(&input.id, "expired", now);
        }
    }

    /// A sign of life of a run's writer.
    pub(crate) fn hold(&mut self, run: &str, who: &Who, now: u64) {
        let view = self.view();
        let Some(found) = view.run(run).filter(|run| run.ended.is_none()) else { return };
        let lease = match (&who.connection, self.leases.get(run)) {
            (Some((new, _)), Some(Lease::Held(old))) => Lease::Held(*new.max(old)),
            (Some((new, _)), _) => Lease::Held(*new),
            (None, Some(Lease::Held(old))) => Lease::Held(*old),
            (None, _) => Lease::Until(now + found.lease_ms),
        };
        self.leases.insert(run.to_owned(), lease);
    }

    /// An append over HTTP is a sign of life of its writer's runs: without a producer, of those that
    /// were started without one; of a producer, of its own that it has written in this epoch.
    pub(crate) fn renew_over_http(&mut self, who: &Who, producer: Option<&str>, now: u64) {
        if who.connection.is_some() {
            return;
        }
        let epoch =
            producer.map(|id| self.producers[&(who.principal.clone(), id.to_owned())].epoch);
        let view = self.view();
        let own = view.open().filter(|run| run.principal == who.principal);
        for run in own.filter(|run| run.producer.as_deref() == producer) {
            if epoch.is_some_and(|epoch| self.written_in.get(&run.id) != Some(&epoch)) {
                continue;
            }
            self.hold(&run.id, who, now);
        }
    }

    /// A connection names runs in a `ping`: those of its principal, unless a newer one has attached
    /// their producer.
    pub(crate) fn renew(&mut self, who: &Who, runs: &[String], now: u64) {
        let view = self.view();
        for run in view.open().filter(|run| run.principal == who.principal) {
            let key = (run.principal.clone(), run.producer.clone().unwrap_or_default());
            let number = |of: &(u64, String)| of.0;
            let holder = self.producers.get(&key).and_then(|known| known.holder.as_ref());
            let is_replaced = holder.map(number) > who.connection.as_ref().map(number);
            if runs.contains(&run.id) && !is_replaced {
                self.hold(&run.id, who, now);
            }
        }
    }

    pub(crate) fn leave(&mut self, connection: u64, now: u64) {
        for run in self.view().open() {
            if self.leases.get(&run.id) == Some(&Lease::Held(connection)) {
                self.leases.insert(run.id.clone(), Lease::Until(now + run.lease_ms));
            }
        }
    }

    /// Whether nobody holds the run.
    pub(crate) fn is_left(&self, run: &str) -> bool {
        matches!(self.leases.get(run), Some(Lease::Until(_)))
    }

    /// The server ends a run: what follows stands right behind it.
    pub(super) fn end_by_server(&mut self, run: &str, now: u64) {
        let view = self.view();
        let is_stopped = view.run(run).is_some_and(|run| run.fenced.is_some());
        let outcome = if is_stopped { "stopped" } else { "lost" };
        self.write(None, None, json!({"kind": "run.ended", "run": run, "outcome": outcome}), now);
        self.after_end(&view, run, now);
    }

    /// R10: what a run's end decides. `before` is the view in front of it.
    pub(super) fn after_end(&mut self, before: &View, run: &str, now: u64) {
        for steer in before.pending_steers(run) {
            self.write_fate(&steer.id, "expired", now);
        }
        let after = self.view();
        let was_lost = after.run(run).is_some_and(|run| run.ended.as_deref() == Some("lost"));
        let input = after.inputs.iter().find(|it| it.claims.last().is_some_and(|it| it == run));
        if let Some(input) = input
            && was_lost
        {
            if input.fate == Fate::Claimed {
                self.write_fate(&input.id, "expired", now);
            } else if after.is_hidden(input.offset) {
                self.write_fate(&input.id, "stopped", now);
            }
        }
        self.leases.remove(run);
    }

    pub(super) fn write_fate(&mut self, id: &str, state: &str, now: u64) {
        self.write(None, None, json!({"kind": "input.state", "id": id, "state": state}), now);
    }

    /// Puts an event into the log and returns its offset.
    pub(super) fn write(
        &mut self,
        from: Option<&str>,
        producer: Option<&str>,
        event: Value,
        now: u64,
    ) -> u64 {
        let last = self.facts.last().map_or(0, |fact| fact.at);
        self.push(Fact {
            at: last.max(now),
            clock: now,
            from: from.map(str::to_owned),
            producer: producer.map(str::to_owned),
            event,
            runs: Vec::new(),
        });
        self.tail()
    }
}
