//! Acts of a user on their way to the log: in order, one at a time, each exactly once.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

use super::backoff::{Backoff, Random};
use super::frames::Frame;
use super::limits::{OUTBOX_MAX_BYTES, OUTBOX_MAX_ENTRIES, RETRY_AFTER_MAX_MS};

/// The acts of one session. Only the first may be in flight: were a later one sent before the
/// first is answered, a refusal that may be retried would change their order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: Vec<Entry>,
    bytes: usize,
    head: Head,
    backoff: Backoff,
    /// Offset of the last act that was acknowledged.
    acknowledged: Offset,
}

#[derive(Debug)]
struct Entry {
    id: Id,
    /// The log it is meant for: it never moves to another one. `None` when nothing of a log had
    /// been seen, so that the act is about none: a server may forget a log that never had an event.
    log: Option<LogId>,
    /// The event's JSON. It never changes: a tab that sends it again has to say the same.
    event: String,
    /// Whether it was sent and may be in the log.
    was_sent: bool,
    /// Whether it was read in the log.
    was_read: bool,
}

/// Where the first entry stands.
#[derive(Debug, Default, PartialEq, Eq)]
enum Head {
    #[default]
    Queued,
    InFlight {
        request: u64,
    },
    /// Refused for now.
    Paused {
        until: u64,
    },
}

/// What became of a refused act.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is not the one in flight.
    Unknown,
    /// It will be sent again.
    Later,
    /// It is out.
    Final(Id),
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn holds(&self, id: &Id) -> bool {
        self.entries.iter().any(|entry| entry.id == *id)
    }

    /// Offset of the last act that was acknowledged.
    pub(super) const fn acknowledged(&self) -> Offset {
        self.acknowledged
    }

    /// An event of the log was read.
    pub(super) fn read<N: Node>(&mut self, event: &N) {
        if self.entries.is_empty() {
            return;
        }
        let Some(id) = event.text("id") else { return };
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id.as_str() == id) {
            entry.was_read = true;
        }
    }

    /// The messages that wait and were not read.
    pub(super) fn messages(&self) -> Vec<Id> {
        let mut messages = Vec::new();
        for entry in &self.entries {
            // As every message of an app begins: its kind is written first.
            if !entry.was_read && entry.event.starts_with("{\"kind\":\"message\"") {
                messages.push(entry.id.clone());
            }
        }
        messages
    }

    /// Takes an act in, or says why not.
    pub(super) fn push(
        &mut self,
        id: Id,
        event: String,
        log: Option<LogId>,
        event_max_bytes: usize,
    ) -> Result<(), Problem> {
        let bytes = event.len();
        if bytes > event_max_bytes {
            return Err(Problem::new(
                ErrorCode::TooLarge,
                "the event is over the size limit: send large content as a URL in a part",
            ));
        }
        if self.entries.len() >= OUTBOX_MAX_ENTRIES || self.bytes + bytes > OUTBOX_MAX_BYTES {
            return Err(Problem::new(
                ErrorCode::OutboxFull,
                "too much waits to be sent: try again when some of it has been",
            ));
        }
        self.bytes += bytes;
        self.entries.push(Entry { id, log, event, was_sent: false, was_read: false });
        Ok(())
    }

    /// The `publish` frame to send now, if there is one, without its request.
    pub(super) fn transmit(
        &mut self,
        now: u64,
        request: u64,
        session: &SessionId,
    ) -> Option<Frame> {
        match self.head {
            Head::Queued => {}
            Head::Paused { until } if now >= until => {}
            Head::InFlight { .. } | Head::Paused { .. } => return None,
        }
        let entry = self.entries.first_mut()?;
        self.head = Head::InFlight { request };
        entry.was_sent = true;
        let mut frame = Frame::new("publish");
        frame.text("session", session.as_str());
        if let Some(log) = &entry.log {
            frame.text("log", log.as_str());
        }
        frame.raw("events", "[", &entry.event, "]");
        Some(frame)
    }

    /// The act in flight is in the log.
    pub(super) fn acked(&mut self, request: u64, offset: Offset) -> Option<Id> {
        let id = self.take(request)?;
        self.acknowledged = self.acknowledged.max(offset);
        Some(id)
    }

    /// The act in flight was refused.
    pub(super) fn refused(
        &mut self,
        request: u64,
        problem: &Problem,
        now: u64,
        random: &mut Random,
    ) -> Refusal {
        if self.head != (Head::InFlight { request }) {
            return Refusal::Unknown;
        }
        if problem.code.retryable() {
            let pause = self.backoff.next_pause(random);
            let asked = problem.retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS);
            self.head = Head::Paused { until: now.saturating_add(pause.max(asked)) };
            return Refusal::Later;
        }
        self.take(request).map_or(Refusal::Unknown, Refusal::Final)
    }

    /// The socket is gone: what was in flight has an unknown fate and is sent again.
    pub(super) fn cut(&mut self) {
        if matches!(self.head, Head::InFlight { .. }) {
            self.head = Head::Queued;
        }
    }

    /// Takes an act back that is not on its way.
    pub(super) fn discard(&mut self, id: &Id) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.id == *id) else {
            return false;
        };
        let was_sent = self.entries.get(index).is_some_and(|entry| entry.was_sent);
        let is_refused = matches!(self.head, Head::Paused { .. });
        if index == 0 && was_sent && !is_refused {
            return false;
        }
        self.remove(index);
        if index == 0 {
            self.head = Head::Queued;
        }
        true
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<Id> {
        self.head = Head::Queued;
        self.bytes = 0;
        std::mem::take(&mut self.entries).into_iter().map(|entry| entry.id).collect()
    }

    pub(super) fn timeout(&self) -> Option<u64> {
        match self.head {
            Head::Paused { until } if !self.entries.is_empty() => Some(until),
            Head::Queued | Head::InFlight { .. } | Head::Paused { .. } => None,
        }
    }

    fn take(&mut self, request: u64) -> Option<Id> {
        if self.head != (Head::InFlight { request }) {
            return None;
        }
        self.head = Head::Queued;
        self.backoff.reset();
        self.remove(0)
    }

    fn remove(&mut self, index: usize) -> Option<Id> {
        let entry = self.entries.get(index)?;
        let id = entry.id.clone();
        self.bytes = self.bytes.saturating_sub(entry.event.len());
        // `Vec::remove`, without the text of its panic.
        let mut at = 0..;
        self.entries.retain(|_| at.next() != Some(index));
        Some(id)
    }
}
