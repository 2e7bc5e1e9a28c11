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
    /// Messages are hidden that begin at a first offset or later and before a second. No two of
    /// these spans meet.
    hidden: BTreeMap<Offset, Offset>,
    /// The first events of runs' messages, each behind its run's start.
    #[serde(skip)]
    of_runs: BTreeSet<(Offset, Offset)>,
}

impl Places {
    pub(super) fn begin(&mut self, at: Offset, id: &Id) {
        self.begun.insert(at, id.clone());
    }

    /// An edit hides what began from an offset on; its own message, at another, is shown.
    pub(super) fn hide(&mut self, mut from: Offset, at: Offset) {
        while let Some(last) = self.hidden.last_entry()
            && *last.get() >= from
        {
            from = from.min(*last.key());
            last.remove();
        }
        self.hidden.insert(from, at);
    }

    /// Whether an edit hides the message that began at an offset.
    pub(super) fn hides(&self, begun: Offset) -> bool {
        let span = self.hidden.range(..=begun).next_back();
        span.is_some_and(|(_, until)| begun < *until)
    }

    /// The spans that another edit may lengthen, if it hides nothing before an offset.
    pub(super) fn spans_from(&self, from: Offset) -> Vec<(Offset, Offset)> {
        let newest_first = self.hidden.iter().rev().map(|(from, until)| (*from, *until));
        newest_first.take_while(|(_, until)| *until >= from).collect()
    }

    /// As if nothing after an offset had been told, and these spans had not been lengthened.
    pub(super) fn undo(&mut self, tail: Offset, spans: Vec<(Offset, Offset)>) {
        self.begun.split_off(&tail.next());
        while let Some(last) = self.hidden.last_entry()
            && *last.get() > tail
        {
            last.remove();
        }
        self.hidden.extend(spans);
    }

    /// A run that started at an offset writes a message that begins at another.
    pub(super) fn begin_of_run(&mut self, started: Offset, begun: Offset) {
        self.of_runs.insert((started, begun));
    }

    /// As if it did not.
    pub(super) fn undo_of_run(&mut self, started: Offset, begun: Offset) {
        self.of_runs.remove(&(started, begun));
    }

    /// The message that begins at an offset.
    pub(super) fn message(&self, begun: Offset) -> Option<&Id> {
        self.begun.get(&begun)
    }

    /// The messages that begin from an offset on and before another.
    pub(super) fn begun(&self, from: Offset, before: Offset) -> impl Iterator<Item = &Id> {
        self.begun.range(from..before.max(from)).map(|(_, id)| id)
    }

    /// The messages that a run began before an offset, and where.
    pub(super) fn written(
        &self,
        started: Offset,
        before: Offset,
    ) -> impl Iterator<Item = (Offset, &Id)> {
        let begun = self.of_runs.range((started, Offset::ZERO)..(started, before));
        begun.filter_map(|(_, begun)| Some((*begun, self.begun.get(begun)?)))
    }

    /// The first events of the messages before an offset that are not hidden, newest first.
    pub(super) fn shown(&self, before: Offset) -> impl Iterator<Item = Offset> {
        let hidden = self.hidden.range(..before).rev().map(|(from, until)| (*from, *until));
        let start = (Offset::ZERO, Offset::ZERO);
        let between = hidden.chain([start]).scan(before, |end, (from, until)| {
            let between = until.min(*end)..*end;
            *end = from;
            Some(between)
        });
        between.flat_map(|range| self.begun.range(range).rev()).map(|(begun, _)| *begun)
    }
}

impl State {
    /// A message begins.
    pub(super) fn begin_message(&mut self, id: &Id, run: Option<&Id>, at: Offset) {
        self.places.begin(at, id);
        if let Some(started) = self.start_of(run) {
            self.places.begin_of_run(started, at);
        }
        self.messages.insert(id.clone(), MessageInfo::new(run.cloned(), at));
    }

    /// An event writes to a message of a run, and makes it if it is new.
    pub(super) fn written(&mut self, message: &Id, run: &Id) {
        let at = self.tail;
        if let Some(info) = self.messages.get_mut(message) {
            info.last = at;
            return;
        }
        self.begin_message(message, Some(run), at);
    }

    /// Finds again what checkpoints leave out, for everything else says it too.
    pub(super) fn find_places(&mut self) {
        let messages = self.messages.values();
        let of_runs = messages
            .filter_map(|info| Some((self.start_of(info.run.as_ref())?, info.begun)))
            .collect();
        self.places.of_runs = of_runs;
    }

    pub(super) fn start_of(&self, run: Option<&Id>) -> Option<Offset> {
        Some(self.runs.get(run?)?.started)
    }
}
