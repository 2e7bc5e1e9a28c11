//! Where messages stand in the log, so that the newest of them, or a page of older ones, are found
//! without reading what is before them.

use std::collections::{BTreeMap, BTreeSet};

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use super::State;
use super::inputs::MessageInfo;

/// The order of messages and what edits hid of them.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Places {
    /// Messages and steers by their first event.
    begun: BTreeMap<Offset, Id>,
    /// The edits, each with where it stands: messages from the first offset up to there are hidden.
    hidden: Vec<(Offset, Offset)>,
}

impl Places {
    pub(super) fn begin(&mut self, at: Offset, id: &Id) {
        self.begun.insert(at, id.clone());
    }

    pub(super) fn hide(&mut self, from: Offset, at: Offset) {
        self.hidden.push((from, at));
    }

    /// Whether an edit hides the message that began at an offset.
    pub(super) fn hides(&self, begun: Offset) -> bool {
        self.hidden.iter().any(|(from, at)| (*from..*at).contains(&begun))
    }

    /// As if nothing after an offset had been told.
    pub(super) fn undo(&mut self, tail: Offset) {
        self.begun.split_off(&tail.next());
        self.hidden.retain(|(_, at)| *at <= tail);
    }

    /// The first events of the messages before an offset that are not hidden, newest first.
    fn shown(&self, before: Offset) -> impl Iterator<Item = Offset> {
        let mut hidden = self.hidden.iter().rev().peekable();
        let mut from = Offset::MAX;
        let newest_first = self.begun.range(..before).rev();
        newest_first.filter_map(move |(&begun, _)| {
            while let Some((first, _)) = hidden.next_if(|(_, at)| *at > begun) {
                from = from.min(*first);
            }
            (begun < from).then_some(begun)
        })
    }
}

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

        let messages = || shown.iter().filter_map(|begun| self.places.begun.get(begun));
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
            left_out: Vec::new(),
            hidden: self.hidden(until, before),
        };
        for run in self.concerned(first, before) {
            part.add_run(self, run);
        }
        let fates = infos().filter_map(|info| info.settled);
        let steers = messages().filter_map(|id| self.steers.get(id)?.settled);
        part.later.extend(fates.chain(steers).filter(|at| *at > until));
        part.left_out = self.left_out(first);
        part.earlier.sort_unstable();
        part.later.sort_unstable();
        part.shown = shown;
        part
    }

    /// Runs that began or were at work in a part of the log, and those above them.
    fn concerned(&self, first: Offset, before: Offset) -> BTreeSet<&Id> {
        let mut concerned = BTreeSet::new();
        for (id, run) in &self.runs {
            let is_here = run.started < before && run.ended_at.is_none_or(|ended| ended >= first);
            let mut above = is_here.then_some(id);
            while let Some(id) = above
                && concerned.insert(id)
            {
                above = self.runs.get(id).and_then(|run| run.parent.as_ref());
            }
        }
        concerned
    }

    /// Messages that began after an offset and before another.
    fn hidden(&self, after: Offset, before: Offset) -> Vec<(Id, Option<Id>)> {
        let begun = self.places.begun.range(after.next()..before.max(after.next()));
        let with_run = |id: &Id| (id.clone(), self.messages.get(id).and_then(|it| it.run.clone()));
        begun.map(|(_, id)| with_run(id)).collect()
    }

    /// Messages that began before an offset, of runs that were at work then or later.
    fn left_out(&self, first: Offset) -> Vec<(Id, Id)> {
        let at_work: BTreeMap<&Id, Offset> = self
            .runs
            .iter()
            .filter(|(_, run)| {
                run.started < first && run.ended_at.is_none_or(|ended| ended >= first)
            })
            .map(|(id, run)| (id, run.started))
            .collect();
        let Some(oldest) = at_work.values().min() else { return Vec::new() };
        let messages = self.places.begun.range(oldest..&first).filter_map(|(_, id)| {
            let run = self.messages.get(id)?.run.as_ref()?;
            at_work.contains_key(run).then(|| (id.clone(), run.clone()))
        });
        messages.collect()
    }

    /// An event writes to a message of a run, and makes it if it is new.
    pub(super) fn written(&mut self, message: &Id, run: &Id) {
        let at = self.tail;
        if let Some(info) = self.messages.get_mut(message) {
            info.last = at;
            return;
        }
        self.places.begin(at, message);
        self.messages.insert(message.clone(), MessageInfo::new(Some(run.clone()), at));
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
