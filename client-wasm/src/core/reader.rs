//! A reader with a cursor of its own beside its session's.

use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

use super::cursor::{Cursor, Step, is_dense};
use super::frames::Frame;
use super::limits::{READER_MAX_EVENTS, READER_RETRY_MS};

/// It takes what its session takes while it stands where that stands; else it fetches.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) number: u32,
    cursor: Cursor,
    /// Whether it takes joined deltas.
    merge: bool,
    /// Events it was given and has not consumed.
    ahead: usize,
    fetch: Fetch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetch {
    None,
    /// From this time on.
    Due(u64),
    Asked,
}

/// What a reader takes of a batch.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) first: Offset,
    /// Events it had before.
    pub(super) skip: usize,
}

impl Reader {
    pub(super) const fn new(number: u32, after: Offset, merge: bool) -> Self {
        let cursor = Cursor::after(after);
        Self { number, cursor, merge, ahead: 0, fetch: Fetch::Due(0) }
    }

    /// It has consumed what it was given.
    pub(super) fn consumed(&mut self) {
        self.ahead = 0;
        if self.fetch == Fetch::None {
            self.fetch = Fetch::Due(0);
        }
    }

    /// A batch that its session takes, or a page that it fetched.
    pub(super) fn take(&mut self, first: Offset, last: Offset, events: usize) -> Option<Taken> {
        let next = self.cursor.offset().next();
        if self.ahead >= READER_MAX_EVENTS {
            return None;
        }
        // Pages are joined for who asks for that.
        let is_joined =
            !self.merge && last > self.cursor.offset() && !is_dense(first, last, events);
        let step = if is_joined { Step::Gap } else { self.cursor.step(first, last, events) };
        match step {
            Step::Take { skip } => {
                self.ahead += events.saturating_sub(skip);
                Some(Taken { first: next, skip })
            }
            Step::Gap => {
                if self.fetch == Fetch::None {
                    self.fetch = Fetch::Due(0);
                }
                None
            }
            Step::Drop => None,
        }
    }

    /// The answer to its `fetch` is here.
    pub(super) const fn fetched(&mut self) {
        self.fetch = Fetch::Due(0);
    }

    /// Its `fetch` was refused.
    pub(super) const fn refused(&mut self, now: u64) {
        self.fetch = Fetch::Due(now.saturating_add(READER_RETRY_MS));
    }

    /// What was asked is not answered any more.
    pub(super) fn cut(&mut self) {
        if self.fetch == Fetch::Asked {
            self.fetch = Fetch::Due(0);
        }
    }

    /// The `fetch` to send now, without its request, where its session stands at `tail`.
    pub(super) fn transmit(
        &mut self,
        now: u64,
        session: &SessionId,
        log: &LogId,
        tail: Offset,
    ) -> Option<Frame> {
        let Fetch::Due(at) = self.fetch else { return None };
        if self.cursor.offset() >= tail {
            self.fetch = Fetch::None;
            return None;
        }
        if now < at || self.ahead >= READER_MAX_EVENTS {
            return None;
        }
        self.fetch = Fetch::Asked;
        Some(fetch_frame(session, log, self.cursor.offset(), self.merge))
    }

    pub(super) fn timeout(&self) -> Option<u64> {
        match self.fetch {
            Fetch::Due(at) if at > 0 && self.ahead < READER_MAX_EVENTS => Some(at),
            Fetch::None | Fetch::Due(_) | Fetch::Asked => None,
        }
    }
}

/// Reads on after an offset, with deltas joined where that may be.
pub(super) fn fetch_frame(session: &SessionId, log: &LogId, after: Offset, merge: bool) -> Frame {
    let mut frame = Frame::new("fetch");
    frame
        .text("session", session.as_str())
        .text("log", log.as_str())
        .number("after", after.as_u64());
    if merge {
        frame.raw("merge", "", "true", "");
    }
    frame
}
