//! What happened in all interleavings together.

use std::collections::BTreeMap;

use crate::world::World;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) calls: usize,
    events: BTreeMap<String, usize>,
    refusals: BTreeMap<String, usize>,
}

/// Each of these occurs in a run of any use.
const EVENTS: [&str; 17] = [
    "message",
    "run.started",
    "run.started child",
    "delta",
    "data",
    "run.suspended",
    "run.resumed",
    "stop.requested",
    "stop.requested of several",
    "steer",
    "input.state used",
    "input.state expired",
    "input.state stopped",
    "run.ended lost",
    "run.ended stopped",
    "run.ended completed",
    "session.updated",
];
const REFUSALS: [&str; 16] = [
    "forbidden",
    "invalid",
    "rate_limited",
    "busy",
    "run_stopped",
    "run_ended",
    "not_owner",
    "fenced",
    "sequence_gap",
    "id_conflict",
    "already_claimed",
    "already_answered",
    "log_changed",
    "not_found",
    "duplicate",
    "ok",
];

impl Tally {
    pub(crate) fn add(&mut self, world: &World) {
        self.calls += world.trace.len();
        for event in world.log() {
            let kind = event["kind"].as_str().unwrap_or_default();
            let detail = event["state"].as_str().or(event["outcome"].as_str());
            let name = match detail {
                Some(detail) => format!("{kind} {detail}"),
                None => kind.to_owned(),
            };
            *self.events.entry(name).or_default() += 1;
            if kind == "run.started" && event["parent"].is_string() {
                *self.events.entry("run.started child".to_owned()).or_default() += 1;
            }
            if event["runs"].as_array().is_some_and(|runs| runs.len() > 1) {
                *self.events.entry("stop.requested of several".to_owned()).or_default() += 1;
            }
        }
        for (name, count) in &world.answers {
            *self.refusals.entry((*name).to_owned()).or_default() += count;
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        EVENTS.iter().all(|name| self.events.contains_key(*name))
            && REFUSALS.iter().all(|name| self.refusals.contains_key(*name))
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} calls", self.calls)?;
        writeln!(f, "events: {:?}", self.events)?;
        write!(f, "answers: {:?}", self.refusals)
    }
}
