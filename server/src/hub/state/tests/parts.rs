//! What is found of the past is what a look through all of it finds.

use std::collections::{BTreeMap, BTreeSet};

use durable_sessions_protocol::event::{Event, Stored};
use durable_sessions_protocol::id::{Id, LogId};
use durable_sessions_protocol::offset::Offset;
use proptest::prelude::*;

use super::steps::{play, steps};
use super::{Bench, State, id};

fn offset(value: usize) -> Offset {
    Offset::new(value as u64).unwrap()
}

/// A log as somebody sees it who reads all of it.
#[derive(Debug, Default)]
struct Read {
    /// The first events of messages and steers, and of those that runs write the run.
    begun: BTreeMap<Offset, (Id, Option<Id>)>,
    /// From where each edit hides what begins before it.
    edits: Vec<(Offset, Offset)>,
    runs: BTreeMap<Id, (Offset, Option<Offset>)>,
}

impl Read {
    fn of(events: &[Stored]) -> Self {
        let mut read = Self::default();
        for stored in events {
            read.take(&stored.event, stored.offset);
        }
        read
    }

    fn take(&mut self, event: &Event, at: Offset) {
        if let Event::Message(message) = event {
            let replaced = message.replaces.as_ref().map(|id| self.start_of(id).unwrap());
            self.edits.extend(replaced.map(|from| (from, at)));
            self.begun.insert(at, (message.id.clone(), message.run.clone()));
        } else if let Event::Delta(delta) = event
            && self.start_of(&delta.message).is_none()
        {
            self.begun.insert(at, (delta.message.clone(), Some(delta.run.clone())));
        } else if let Event::Steer(steer) = event {
            self.begun.insert(at, (steer.id.clone(), None));
        } else if let Event::RunStarted(started) = event {
            self.runs.insert(started.run.clone(), (at, None));
        } else if let Event::RunEnded(ended) = event {
            self.runs.get_mut(&ended.run).unwrap().1 = Some(at);
        }
    }

    fn start_of(&self, message: &Id) -> Option<Offset> {
        self.begun.iter().find(|(_, (id, _))| id == message).map(|(at, _)| *at)
    }

    fn hides(&self, begun: Offset) -> bool {
        self.edits.iter().any(|(from, at)| (*from..*at).contains(&begun))
    }

    fn at_work(&self, from: Offset, before: Offset) -> BTreeSet<&Id> {
        let runs = self.runs.iter();
        let at_work = runs.filter(|(_, (started, ended))| {
            *started < before && ended.is_none_or(|ended| ended >= from)
        });
        at_work.map(|(id, _)| id).collect()
    }

    fn check(&self, state: &State, tail: usize) {
        let spans = state.places.spans_from(Offset::ZERO);
        let is_apart = |pair: &[(Offset, Offset)]| pair[1].1 < pair[0].0;
        assert!(spans.windows(2).all(is_apart), "what is hidden stays short: {spans:?}");
        for from in (1..=tail + 1).map(offset) {
            assert_eq!(state.places.hides(from), self.hides(from), "hides {from}");
            let shown: Vec<_> = self.begun.range(..from).map(|(begun, _)| *begun).collect();
            let shown = shown.into_iter().rev().filter(|begun| !self.hides(*begun));
            let found = state.places.shown(from).collect::<Vec<_>>();
            assert_eq!(found, shown.collect::<Vec<_>>(), "shown before {from}");
            for before in [from, from.plus(1), from.plus(7), offset(tail + 1)] {
                let found: Vec<_> = state.at_work(from, before).collect();
                let at_work = self.at_work(from, before);
                assert_eq!(found.len(), at_work.len(), "each once: {found:?}");
                assert_eq!(BTreeSet::from_iter(found), at_work, "from {from}, before {before}");
            }
            let at_work = self.at_work(from, from);
            let left_out = self.begun.range(..from).filter_map(|(_, (id, run))| {
                let run = run.as_ref().filter(|run| at_work.contains(run))?;
                Some((id.clone(), run.clone()))
            });
            assert_eq!(state.left_out(from), left_out.collect::<Vec<_>>(), "left out of {from}");
        }
        for last in [None, Some(1), Some(3)] {
            for before in [None, Some(offset(tail / 2)), Some(offset(tail / 3))] {
                self.check_part(state, last, before);
            }
        }
    }

    /// Where a part has runs begin and end beside it.
    fn check_part(&self, state: &State, last: Option<u64>, before: Option<Offset>) {
        let part = state.part(last, before);
        let mut concerned = BTreeSet::new();
        let mut found: Vec<_> = self.at_work(part.first, part.before).into_iter().collect();
        while let Some(id) = found.pop() {
            if concerned.insert(id) {
                found.extend(&state.runs[id].parent);
            }
        }
        let of = |run: &(Offset, Option<Offset>)| [Some(run.0), run.1].into_iter().flatten();
        let all: BTreeSet<_> = self.runs.values().flat_map(of).collect();
        let told: BTreeSet<_> = concerned.iter().flat_map(|id| of(&self.runs[*id])).collect();
        let beside = part.earlier.iter().chain(&part.later).copied();
        let found: Vec<_> = beside.filter(|at| all.contains(at)).collect();
        let is_beside = |at: &Offset| !(part.first..=part.until).contains(at);
        let expected: Vec<_> = told.into_iter().filter(is_beside).collect();
        assert_eq!(found, expected, "{last:?} before {before:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_past_is_found_as_it_is_read_after_refused_publishes_and_from_a_checkpoint_too(
        before in steps(60),
        later in steps(20),
    ) {
        let (mut bench, mut producer) = (Bench::new(), (0, 0));
        for step in before {
            play(&mut bench, &mut producer, step);
        }
        Read::of(&bench.events()).check(&bench.state, bench.events().len());
        let checkpoint = bench.state.checkpoint();
        let log = LogId::parse("log").unwrap();
        bench.state = State::restore(&checkpoint, &log, &id("assistant")).unwrap();
        bench.state.finish_replay(bench.now);
        for step in later {
            play(&mut bench, &mut producer, step);
        }
        Read::of(&bench.events()).check(&bench.state, bench.events().len());
    }
}

/// A message that nobody answers.
fn note(bench: &mut Bench, name: &str, replaces: Option<&str>) {
    let replaces = replaces.map_or(String::new(), |id| format!(r#","replaces":"{id}""#));
    bench.asked(name, &format!(r#","to":null{replaces}"#)).unwrap();
}

#[test]
fn an_edit_that_was_refused_with_its_publish_hides_nothing() {
    let mut bench = Bench::new();
    for name in ["m1", "m2", "m3"] {
        note(&mut bench, name, None);
    }
    note(&mut bench, "m4", Some("m2"));
    note(&mut bench, "m5", None);
    let shown = |bench: &Bench| bench.state.places.shown(Offset::MAX).collect::<Vec<_>>();
    let before = shown(&bench);
    assert_eq!(before, [offset(5), offset(4), offset(1)]);
    let agent = super::writer("agent/a", None);
    let edit =
        r#"{"kind":"message","id":"e","role":"assistant","run":"r","text":"x","replaces":"m3"}"#;
    let start = r#"{"kind":"run.started","run":"r","agent":"a"}"#;
    let wrong = r#"{"kind":"delta","run":"x","message":"x","text":"x"}"#;
    bench.publish(&agent, Some(("p", 0, 0)), &[start, edit, wrong]).unwrap_err();
    assert_eq!(shown(&bench), before);
    bench.publish(&agent, Some(("p", 0, 1)), &[start, edit]).unwrap();
    assert_eq!(shown(&bench), [offset(7), offset(1)]);
}
