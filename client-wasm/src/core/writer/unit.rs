//! What is published as one.

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::PUBLISH_MAX_EVENTS;

use super::run::PartName;
use crate::core::limits::{DELTA_TARGET_BYTES, PUBLISH_TARGET_BYTES};

/// One publish of one run. The server admits or refuses it whole, so a start or an end never
/// shares one with writes that a stop refuses.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) run: Id,
    pub(super) kind: Kind,
    /// The events' JSON with commas between them.
    pub(super) events: String,
    pub(super) count: usize,
    /// The delta it ends with, which may grow.
    pub(super) tail: Option<Tail>,
    /// It is not sent before this time: more text may come.
    pub(super) held_until: Option<u64>,
    /// Its place in the producer's stream, from its first sending on.
    pub(super) seq: Option<u64>,
    /// The request it is in flight as.
    pub(super) request: Option<u64>,
}

/// The last delta of a unit.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) to: PartName,
    /// Length of its JSON.
    pub(super) bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    Write,
    End {
        /// Whether the run has done its work, which is true once all it wrote is in the log.
        completes: bool,
    },
}

pub(super) const COMPLETION: Kind = Kind::End { completes: true };
pub(super) const END: Kind = Kind::End { completes: false };

impl Unit {
    pub(super) const fn new(run: Id, kind: Kind, events: String) -> Self {
        let (tail, held_until) = (None, None);
        Self { run, kind, events, count: 1, tail, held_until, seq: None, request: None }
    }

    /// Whether one more write of a run may travel in it.
    pub(super) fn may_join(&self, run: &Id, event: &str) -> bool {
        self.kind == Kind::Write
            && self.seq.is_none()
            && self.run == *run
            && self.count < PUBLISH_MAX_EVENTS
            && self.events.len() + event.len() <= PUBLISH_TARGET_BYTES
    }

    pub(super) fn join(&mut self, event: &str) {
        self.events.push(',');
        self.events.push_str(event);
        self.count += 1;
        self.tail = None;
        self.held_until = None;
    }

    /// Makes its last delta longer, if that is one of the same part. Answers by how many bytes.
    pub(super) fn extend(&mut self, to: &PartName, text: &str) -> Option<usize> {
        let tail = self.tail.as_mut().filter(|tail| self.seq.is_none() && tail.to == *to)?;
        if tail.bytes + text.len() > DELTA_TARGET_BYTES {
            return None;
        }
        let before = self.events.len();
        PartName::extend(&mut self.events, text);
        let added = self.events.len() - before;
        tail.bytes += added;
        Some(added)
    }

    /// Whether it ends its run as stopped.
    pub(super) fn is_stopped_end(&self) -> bool {
        self.events.ends_with("\"outcome\":\"stopped\"}")
    }

    /// Whether it ends its run without saying more than how.
    pub(super) fn is_plain_end(&self) -> bool {
        self.is_stopped_end() || self.events.ends_with("\"outcome\":\"failed\"}")
    }
}
