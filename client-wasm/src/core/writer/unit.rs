//! What is published as one.

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::PUBLISH_MAX_EVENTS;

use crate::core::limits::PUBLISH_TARGET_BYTES;

/// One publish of one run. The server admits or refuses it whole, so a start or an end never
/// shares one with writes that a stop refuses.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) run: Id,
    pub(super) kind: Kind,
    /// The events' JSON with commas between them.
    pub(super) events: String,
    count: usize,
    /// Its place in the producer's stream, from its first sending on.
    pub(super) seq: Option<u64>,
    /// The request it is in flight as.
    pub(super) request: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    Write,
    End,
}

impl Unit {
    pub(super) const fn new(run: Id, kind: Kind, events: String) -> Self {
        Self { run, kind, events, count: 1, seq: None, request: None }
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
