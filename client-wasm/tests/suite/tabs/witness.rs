//! What a tab is given, held against the log: in order, without gap or overlap, each event as it is
//! stored, each patch as the fold of the whole log makes it.

use std::collections::BTreeMap;

use durable_sessions_client::core::SessionStatus;
use durable_sessions_client::core::limits::READER_MAX_EVENTS;
use durable_sessions_protocol::fold::{Fold, Patch};
use durable_sessions_protocol::id::LogId;
use durable_sessions_protocol::offset::Offset;
use serde_json::Value;

use crate::sim::server::Log;

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

    pub(super) fn is_act(&self, offset: u64) -> bool {
        self.acts.values().any(|at| *at == offset)
    }

    fn is_log(&self, log: &LogId) {
        assert_eq!(self.log.as_ref(), Some(log), "events of another log");
    }

    /// The events after an offset are these.
    fn continues(&self, after: u64, first: Offset, last: Offset, events: &[Value]) {
        assert_eq!(first.as_u64(), after + 1, "a gap or an overlap");
        assert_eq!(last.as_u64(), after + events.len() as u64, "a range of other length");
        assert_eq!(self.events[index(after)..index(last.as_u64())], *events, "other events");
    }

    fn folds(&self, after: u64, offset: Offset, patches: &[Patch<Value>]) {
        let offset = offset.as_u64();
        assert!(after <= offset && offset <= self.tail(), "{after} to {offset} of {}", self.tail());
        let of_log: Vec<&Patch<Value>> =
            self.patches[index(after)..index(offset)].iter().flatten().collect();
        assert_eq!(of_log, patches.iter().collect::<Vec<_>>(), "{after} to {offset}");
    }
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
        assert!(reader.ahead < READER_MAX_EVENTS, "{} events ahead", reader.ahead);
        reader.at = last.as_u64();
        reader.ahead += events.len();
    }
}
