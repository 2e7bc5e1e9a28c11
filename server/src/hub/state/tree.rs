//! The tree of runs: who works for whom, and what a stop reaches below.

use std::collections::HashSet;
use std::iter;

use durable_sessions_protocol::id::Id;

use super::State;
use super::runs::Run;

/// A run and those it works for stand in a line of at most so many.
pub(super) const RUN_MAX_LEVELS: usize = 64;

impl State {
    /// The run and all it works for, up to its root.
    pub(super) fn line<'a>(&'a self, id: &'a Id) -> impl Iterator<Item = (&'a Id, &'a Run)> {
        let find = |id: &'a Id| Some((id, self.runs.get(id)?));
        iter::successors(find(id), move |(_, run)| find(run.parent.as_ref()?))
    }

    /// Whether a stop with all below it stands on the run or above it.
    pub(super) fn is_cut(&self, id: &Id) -> bool {
        self.line(id).any(|(_, run)| run.is_cut || run.stands_at <= self.cut_before)
    }

    /// The agents with an open run that works for no other.
    pub(super) fn agents_at_work(&self) -> HashSet<&Id> {
        self.open_runs()
            .filter(|(_, run)| run.parent.is_none())
            .map(|(_, run)| &run.agent)
            .collect()
    }

    /// Whether an agent has an open run that works for no other.
    pub(super) fn is_at_work(&self, agent: &Id) -> bool {
        self.open_runs().any(|(_, run)| run.parent.is_none() && run.agent == *agent)
    }

    /// Open runs of an agent that work for no other, in the order of their start.
    pub(super) fn open_roots(&self, agent: &Id) -> Vec<Id> {
        self.in_order_of_start(|_, run| run.parent.is_none() && run.agent == *agent)
    }

    pub(super) fn open_runs(&self) -> impl Iterator<Item = (&Id, &Run)> {
        self.open.iter().filter_map(|id| Some((id, self.runs.get(id)?)))
    }

    pub(super) fn in_order_of_start(&self, is_wanted: impl Fn(&Id, &Run) -> bool) -> Vec<Id> {
        let mut runs: Vec<_> = self.open_runs().filter(|(id, run)| is_wanted(id, run)).collect();
        runs.sort_unstable_by_key(|(_, run)| run.started);
        runs.into_iter().map(|(id, _)| id.clone()).collect()
    }
}
