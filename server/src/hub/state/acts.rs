//! Which ids stand for what: a user may send the same act again, and only that one.

use std::collections::HashMap;

use durable_sessions_protocol::event::{Event, Principal};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::json;
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

/// Fields of a stored event that its writer did not send.
const STAMPS: &[&str] = &["offset", "at", "from", "runs"];

/// The acts of a session by their id. Ids last as long as the log.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Acts(HashMap<(Class, Id), Act>);

/// Starting a run and ending it carry the same id and are two acts; so do and are an ask and its
/// answer, and a message and its fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Class {
    Act,
    RunStart,
    RunEnd,
    Answer,
    Fate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Act {
    pub(super) offset: Offset,
    by: Principal,
    digest: u64,
}

/// What an id stands for already.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    No,
    /// The same act, first admitted at this offset.
    Same(Offset),
    /// Something else.
    Other,
}

/// The key an event is known by; `None` for one without an id.
pub(super) fn key(event: &Event) -> Option<(Class, Id)> {
    let class = match event {
        Event::RunStarted(_) => Class::RunStart,
        Event::RunEnded(_) => Class::RunEnd,
        Event::InputState(_) => Class::Fate,
        Event::RunResumed(_) => Class::Answer,
        Event::Message(_)
        | Event::Delta(_)
        | Event::Data(_)
        | Event::StopRequested(_)
        | Event::Steer(_)
        | Event::RunSuspended(_)
        | Event::SessionUpdated(_) => Class::Act,
    };
    Some((class, event.act_id()?.clone()))
}

impl Acts {
    pub(super) fn known(&self, key: &(Class, Id), by: &Principal, json: &str) -> Known {
        match self.0.get(key) {
            None => Known::No,
            Some(act) if act.by == *by && act.digest == digest(json) => Known::Same(act.offset),
            Some(_) => Known::Other,
        }
    }

    pub(super) fn is_taken(&self, key: &(Class, Id)) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn insert(&mut self, key: (Class, Id), offset: Offset, by: &Principal, json: &str) {
        self.0.entry(key).or_insert_with(|| Act { offset, by: by.clone(), digest: digest(json) });
    }

    pub(super) fn take(&mut self, key: &(Class, Id)) -> Option<Act> {
        self.0.remove(key)
    }

    pub(super) fn put_back(&mut self, key: (Class, Id), act: Act) {
        self.0.insert(key, act);
    }
}

fn digest(text: &str) -> u64 {
    json::digest(&serde_json::from_str(text).unwrap_or_default(), STAMPS)
}
