//! A part of the transcript: the newest messages, or a page of older ones.

use std::collections::{BTreeSet, HashSet};

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;

use super::State;

/// What to read for a part of the transcript as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The last offset: what follows is in no part of it.
    pub tail: Offset,
    /// The first event of the oldest message shown; 1 when there is none before that.
    pub first: Offset,
    /// Messages and runs that begin here or later are not shown.
    pub before: Offset,
    /// The last event to read from `first` on.
    pub until: Offset,
    /// The first events of the messages shown.
    pub shown: BTreeSet<Offset>,
    /// Events before `first` that tell of the runs which are at work in it.
    pub earlier: Vec<Offset>,
    /// Events after `until` that settle what is shown.
    pub later: Vec<Offset>,
    /// The session's title.
    pub title: Option<String>,
    /// Runs that were stopped and have not ended.
    pub stopping: Vec<Id>,
    /// Messages from before `first` that those runs write to, and which.
    pub left_out: Vec<(Id, Id)>,
    /// Messages that begin between `until` and `before`, with the runs that write them: none of them
    /// is shown, but one may be replaced again.
    pub hidden: Vec<(Id, Option<Id>)>,
}

impl State {
    /// The newest messages shown, `last` of them or all, of those whose first event is before an
    /// offset.
    #[must_use]
    pub fn part(&self, last: Option<u64>, before: Option<Offset>) -> Part {
        let end = self.tail.next();
        let before = before.map_or(end, |before| before.min(end));
        let is_newest = before == end;
        let last = last.map_or(usize::MAX, |last| usize::try_from(last).unwrap_or(usize::MAX));
        let mut newest_first = self.places.shown(before);
        let shown: BTreeSet<Offset> = newest_first.by_ref().take(last).collect();
        let has_older = newest_first.next().is_some();
        let oldest = shown.first().copied().unwrap_or(before);
        let first = if has_older { oldest } else { Offset::ZERO.next() };

        let messages = || shown.iter().filter_map(|begun| self.places.message(*begun));
        let infos = || messages().filter_map(|id| self.messages.get(id));
        let until = if is_newest {
            self.tail
        } else {
            infos().map(|info| info.last).chain(shown.last().copied()).max().unwrap_or(first.prev())
        };
        let mut part = Part {
            tail: self.tail,
            first,
            before,
            until,
            shown: BTreeSet::new(),
            earlier: Vec::new(),
            later: Vec::new(),
            title: self.title.clone(),
            stopping: Vec::new(),
            left_out: self.left_out(first),
            hidden: self.hidden(until, before),
        };
        for run in self.concerned(first, before, until) {
            part.add_run(self, run);
        }
        if !is_newest {
            let fates = infos().filter_map(|info| info.settled);
            let steers = messages().filter_map(|id| self.steers.get(id)?.settled);
            part.later.extend(fates.chain(steers).filter(|at| *at > until));
        }
        part.earlier.sort_unstable();
        part.later.sort_unstable();
        part.stopping.sort_unstable();
        part.shown = shown;
        part
    }

    /// Runs that a part does not tell all about, for they were at work before it or were so after, and
    /// those above them.
    fn concerned(&self, first: Offset, before: Offset, until: Offset) -> HashSet<&Id> {
        // Nothing was before all of it: what ended in it has nothing above it elsewhere.
        let from = if first == Offset::ZERO.next() { until.next() } else { first };
        let mut concerned = HashSet::new();
        for id in self.at_work(from, before) {
            let mut above = Some(id);
            while let Some(id) = above
                && concerned.insert(id)
            {
                above = self.runs.get(id).and_then(|run| run.parent.as_ref());
            }
        }
        concerned
    }

    /// Runs that began before an offset and had not ended before another.
    pub(super) fn at_work(&self, from: Offset, before: Offset) -> impl Iterator<Item = &Id> {
        let open = self.open_runs().filter(move |(_, run)| run.started < before);
        self.past.at_work(from, before).chain(open.map(|(id, _)| id))
    }

    /// Messages that began after an offset and before another.
    fn hidden(&self, after: Offset, before: Offset) -> Vec<(Id, Option<Id>)> {
        let with_run = |id: &Id| (id.clone(), self.messages.get(id).and_then(|it| it.run.clone()));
        self.places.begun(after.next(), before).map(with_run).collect()
    }

    /// Messages that began before an offset, of runs that were at work then or later.
    pub(super) fn left_out(&self, first: Offset) -> Vec<(Id, Id)> {
        let runs =
            self.at_work(first, first).filter_map(|id| Some((id, self.runs.get(id)?.started)));
        let messages = runs.flat_map(|(run, started)| {
            let written = self.places.written(started, first);
            written.map(move |(begun, message)| (begun, message, run))
        });
        let mut messages: Vec<_> = messages.collect();
        messages.sort_unstable_by_key(|(begun, ..)| *begun);
        messages.into_iter().map(|(_, message, run)| (message.clone(), run.clone())).collect()
    }
}

impl Part {
    fn add_run(&mut self, state: &State, id: &Id) {
        let Some(run) = state.runs.get(id) else { return };
        if run.ended_at.is_none() && run.fence_until.is_some() {
            self.stopping.push(id.clone());
        }
        let is_here = |asked: &Offset| (self.first..=self.until).contains(asked);
        let answered = run.answered.iter().filter(|(asked, _)| is_here(asked));
        let late = answered.map(|(_, answered)| *answered).filter(|at| *at > self.until);
        self.later.extend(late.collect::<Vec<_>>());
        let asks = run.asks.iter().map(|ask| ask.offset);
        for at in asks.chain([run.started]).chain(run.ended_at) {
            if at < self.first {
                self.earlier.push(at);
            } else if at > self.until {
                self.later.push(at);
            }
        }
    }
}
