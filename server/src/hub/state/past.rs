//! Runs that have ended, found by when they were at work.

use std::collections::BTreeMap;

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;

use super::runs::Run;

/// Ended runs by the power of two below their length in events, then by their end. Of one such power
/// those at work at some time end within a window as long as the next power: so what is looked at
/// beside them is no more than what was at work at once, however many runs there were.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Past(BTreeMap<(u32, Offset), Ended>);

#[derive(Debug, PartialEq)]
struct Ended {
    started: Offset,
    id: Id,
}

impl Past {
    /// Of all runs that there are.
    pub(super) fn of<'a>(runs: impl Iterator<Item = (&'a Id, &'a Run)>) -> Self {
        let ended = runs.filter_map(|(id, run)| {
            Some((place(run)?, Ended { started: run.started, id: id.clone() }))
        });
        Self(ended.collect())
    }

    /// A run has ended.
    pub(super) fn add(&mut self, id: &Id, run: &Run) {
        if let Some(place) = place(run) {
            self.0.insert(place, Ended { started: run.started, id: id.clone() });
        }
    }

    /// As if it had not.
    pub(super) fn remove(&mut self, run: &Run) {
        if let Some(place) = place(run) {
            self.0.remove(&place);
        }
    }

    /// The runs that started before an offset and ended at another or later.
    pub(super) fn at_work(&self, from: Offset, before: Offset) -> impl Iterator<Item = &Id> {
        let powers = self.0.last_key_value().map_or(0, |((power, _), _)| power + 1);
        (0..powers).flat_map(move |power| {
            let latest = before.plus(1 << (power + 1));
            let ended = self.0.range((power, from)..(power, latest.max(from)));
            ended.filter(move |(_, run)| run.started < before).map(|(_, run)| &run.id)
        })
    }
}

/// Where an ended run stands.
fn place(run: &Run) -> Option<(u32, Offset)> {
    let ended = run.ended_at?;
    Some((ended.since(run.started).max(1).ilog2(), ended))
}
