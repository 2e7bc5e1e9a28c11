//! What a tab is given, held against the log: in order, without gap or overlap, each event as it is
//! stored or joined as it may be, each patch as the fold of the whole log makes it.

use std::collections::BTreeMap;

use durable_sessions_client::core::SessionStatus;
use durable_sessions_client::core::limits::READER_MAX_EVENTS;
use durable_sessions_protocol::fold::{Fold, Patch};
use durable_sessions_protocol::id::{Id, LogId};
use durable_sessions_protocol::offset::Offset;
use serde_json::Value;

use crate::sim::server::{Log, merged};

/// A log and its fold.
#[derive(Debug, Default)]
pub(super) struct Record {
    log: Option<LogId>,
    events: Vec<Value>,
    fold: Fold,
    /// Of each event.
    patches: Vec<Vec<Patch<Value>>>,
    /// Where the users' acts stand.
    acts: BTreeMap<String, u64>,
}

impl Record {
    pub(super) fn grow(&mut self, log: &Log) {
        for event in &log.events[self.events.len()..] {
            let event: Value = serde_json::from_str(event).unwrap();
            let mut patches = Vec::new();
            self.fold.apply(&event, &mut |patch| patches.push(patch));
            if event["from"]["kind"] == "user" {
                let id = event["id"].as_str().expect("an act has an id").to_owned();
                let offset = event["offset"].as_u64().unwrap();
                let before = self.acts.insert(id, offset);
                assert_eq!(before, None, "an act is applied once: {event}");
            }
            self.events.push(event);
            self.patches.push(patches);
        }
        self.log = Some(log.id().clone());
    }

    pub(super) fn tail(&self) -> u64 {
        self.events.len() as u64
    }

    pub(super) fn offset_of(&self, act: &str) -> Option<u64> {
        self.acts.get(act).copied()
    }

    /// The runs that the event at an offset stopped.
    pub(super) fn stopped_at(&self, offset: Offset) -> Vec<Id> {
        let runs = self.events[index(offset.as_u64()) - 1]["runs"].as_array();
        let names = runs.into_iter().flatten().map(|run| run.as_str().expect("a name"));
        names.map(|run| Id::parse(run).unwrap()).collect()
    }

    pub(super) fn is_act(&self, offset: u64) -> bool {
        self.acts.values().any(|at| *at == offset)
    }

    fn is_log(&self, log: &LogId) {
        assert_eq!(self.log.as_ref(), Some(log), "events of another log");
    }

    /// The events after an offset are these.
    fn continues(&self, after: u64, first: Offset, last: Offset, events: &[Value]) {
        assert_eq!(first.as_u64(), after + 1, "a gap or an overlap");
        let stored = &self.events[index(after)..index(last.as_u64())];
        if events.len() == stored.len() {
            assert_eq!(stored, events, "other events");
        } else {
            let stored: Vec<String> = stored.iter().map(Value::to_string).collect();
            let joined: Vec<Value> =
                merged(&stored).iter().map(|event| serde_json::from_str(event).unwrap()).collect();
            assert_eq!(joined, events, "other events than those joined");
        }
    }

    fn folds(&self, after: u64, offset: Offset, patches: &[Patch<Value>]) {
        let offset = offset.as_u64();
        assert!(after <= offset && offset <= self.tail(), "{after} to {offset} of {}", self.tail());
        let of_log = self.patches[index(after)..index(offset)].iter().flatten();
        assert_eq!(joined(of_log), joined(patches.iter()), "{after} to {offset}");
    }
}

/// Patches with what is appended to a part in one place: however it was cut, it is the same.
fn joined<'a>(patches: impl Iterator<Item = &'a Patch<Value>>) -> Vec<Patch<Value>> {
    let mut out: Vec<Patch<Value>> = Vec::new();
    let mut open: BTreeMap<(usize, u64), usize> = BTreeMap::new();
    for patch in patches {
        match patch {
            Patch::Append { message, part, text: more, .. } => {
                let before = open.get(&(*message, *part)).and_then(|&at| out.get_mut(at));
                if let Some(Patch::Append { text: Value::String(text), .. }) = before {
                    text.push_str(more.as_str().expect("words"));
                    continue;
                }
                open.insert((*message, *part), out.len());
            }
            Patch::Truncate { .. } | Patch::Part { .. } => open.clear(),
            Patch::Message { .. }
            | Patch::MessageState { .. }
            | Patch::Older { .. }
            | Patch::Run { .. }
            | Patch::RunState { .. }
            | Patch::Ask { .. }
            | Patch::Answered { .. }
            | Patch::Title { .. } => {}
        }
        let mut patch = patch.clone();
        if let Patch::Append { part_type, .. } = &mut patch {
            // What is joined says what goes without saying.
            part_type.get_or_insert_with(|| "text".into());
        }
        out.push(patch);
    }
    out
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

/// What one tab was given of a session.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) status: SessionStatus,
    pub(super) has_log: bool,
    pub(super) patches_at: u64,
    pub(super) events_at: u64,
    pub(super) readers: BTreeMap<u32, ReaderWatch>,
}

#[derive(Debug)]
pub(super) struct ReaderWatch {
    pub(super) at: u64,
    /// Whether deltas may be joined for it.
    pub(super) merges: bool,
    /// Given, and not consumed.
    pub(super) ahead: usize,
}

impl Watch {
    pub(super) const fn new() -> Self {
        Self {
            status: SessionStatus::Loading,
            has_log: false,
            patches_at: 0,
            events_at: 0,
            readers: BTreeMap::new(),
        }
    }

    pub(super) fn reset(&mut self) {
        self.has_log = true;
        self.patches_at = 0;
        self.events_at = 0;
    }

    pub(super) fn patches(
        &mut self,
        record: &Record,
        log: &LogId,
        offset: Offset,
        patches: &[Patch<Value>],
    ) {
        record.is_log(log);
        record.folds(self.patches_at, offset, patches);
        self.patches_at = offset.as_u64();
    }

    pub(super) fn events(
        &mut self,
        record: &Record,
        log: &LogId,
        (first, last): (Offset, Offset),
        events: &[Value],
    ) {
        record.is_log(log);
        record.continues(self.events_at, first, last, events);
        self.events_at = last.as_u64();
        assert_eq!(self.patches_at, self.events_at, "the events of the patches before");
    }

    pub(super) fn batch(
        &mut self,
        record: &Record,
        reader: u32,
        (first, last): (Offset, Offset),
        events: &[Value],
    ) {
        let reader = self.readers.get_mut(&reader).expect("a reader that was opened");
        record.continues(reader.at, first, last, events);
        let is_joined = last.since(first) + 1 != events.len() as u64;
        assert!(reader.merges || !is_joined, "joined deltas for who wants none");
        assert!(reader.ahead < READER_MAX_EVENTS, "{} events ahead", reader.ahead);
        reader.at = last.as_u64();
        reader.ahead += events.len();
    }
}
