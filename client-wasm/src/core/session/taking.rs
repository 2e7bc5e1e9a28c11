//! What a session takes in: where its log begins, batches, pages.

use std::collections::VecDeque;

use durable_sessions_protocol::fold::{Fold, Node, Patch};
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::{Offset, Position};

use super::super::cursor::Step;
use super::super::input::Follow;
use super::super::output::Output;
use super::super::read::Read;
use super::super::reader::Reader;
use super::super::writer::Report;
use super::{Asker, Link, Session};

impl Session {
    /// The server, or the leader, has answered the attach.
    pub(in crate::core) fn attached<N: Node + Clone>(
        &mut self,
        frame: &N,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) -> Option<()> {
        let request = frame.number("request");
        if !matches!(self.link, Link::Attaching { request: own } if request == Some(own)) {
            return None;
        }
        let log = frame.log_id("log")?;
        let tail = frame.offset("tail")?;
        // Only a leader says where its log begins, and how far it was passed on.
        let first = frame.offset("first");
        self.link = Link::Attached;
        self.backoff.reset();
        self.goal = Some(tail);
        self.known = frame.offset("known").unwrap_or_default();
        self.unseen_bytes = 0;
        self.others.tabs_told = 1;
        let is_other = self.cursor.log().is_none_or(|known| *known != log);
        match (self.cursor.log(), first) {
            (None, None) => self.restart(log, Offset::ZERO.next(), reports, out),
            (_, Some(first)) if is_other || self.cursor.offset().next() < first => {
                self.restart(log, first, reports, out);
            }
            // A `reset` follows.
            (Some(_), None) if is_other => return None,
            (Some(_), _) | (None, Some(_)) => {}
        }
        if let (Some(writer), Some(grant)) = (&mut self.writer, frame.field("producer")) {
            writer.granted(grant.number("epoch")?, grant.number("seq")?, reports);
        }
        self.catch_up(out);
        Some(())
    }

    pub(in crate::core) fn reset<N: Node + Clone>(
        &mut self,
        frame: &N,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) -> Option<()> {
        let log = frame.log_id("log")?;
        let first = frame.offset("first")?;
        self.restart(log, first, reports, out);
        self.catch_up(out);
        Some(())
    }

    /// The leader was told to start over. Whoever stands in that log goes on.
    pub(in crate::core) fn reset_elsewhere<N: Node + Clone>(&mut self, frame: &N) {
        let first = frame.offset("first").unwrap_or_default();
        let is_here = self.is_in_log(frame.text("log").as_deref());
        if !is_here || self.cursor.offset().next() < first {
            self.link = Link::Apart { at: 0 };
        }
    }

    /// A follower hears how far a log goes.
    pub(in crate::core) fn learn(&mut self, log: Option<&str>, offset: Offset) {
        if self.is_in_log(log) {
            self.known = self.known.max(offset);
        }
    }

    /// Whoever sends the events has forgotten that they are wanted.
    pub(in crate::core) fn attach_again(&mut self) {
        if self.link == Link::Attached {
            self.link = Link::Apart { at: 0 };
        }
    }

    /// A leader passes on what came. What is of another log than this follower's has it attach again.
    pub(in crate::core) fn passed_on<N: Node + Clone>(
        &mut self,
        log: Option<&str>,
        frame: &N,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) {
        if self.is_in_log(log) {
            if let Some(last) = frame.offset("last") {
                self.known = self.known.max(last);
            }
            self.events(frame, 0, reports, out);
        } else {
            self.attach_again();
        }
    }

    /// The answer to a `fetch`.
    pub(in crate::core) fn page<N: Node + Clone>(
        &mut self,
        asker: Asker,
        frame: &N,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) -> Option<()> {
        match asker {
            Asker::Session => {
                self.is_fetching = false;
                let before = self.cursor.offset();
                self.events(frame, 0, reports, out);
                if self.cursor.offset() == before && frame.offset("last")? <= before {
                    // There is no more than that.
                    self.known = self.known.min(before);
                }
            }
            Asker::Reader(number) => {
                let (first, last) = range(frame)?;
                let events = frame.field("events")?.items();
                let session = self.id.clone();
                let reader = self.reader(number)?;
                reader.fetched();
                give(reader, &session, first, last, &events, out);
            }
        }
        Some(())
    }

    fn is_in_log(&self, log: Option<&str>) -> bool {
        self.cursor.log().map(LogId::as_str) == log
    }

    /// Takes a batch by the cursor's rule.
    pub(in crate::core) fn events<N: Node + Clone>(
        &mut self,
        frame: &N,
        bytes: usize,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) -> Option<()> {
        let follow = self.follow.unwrap_or(Follow::NOTHING);
        let (first, last) = range(frame)?;
        let mut events = frame.field("events")?.items();
        let log = self.cursor.log()?.clone();
        self.unseen_bytes = self.unseen_bytes.saturating_add(bytes);
        let skip = match self.cursor.step(first, last, events.len()) {
            Step::Drop => return None,
            Step::Gap => {
                // Begin again where this reader stands, unless that is under way already. A follower
                // knows by now that it lacks something, and asks for that alone.
                if self.link == Link::Attached && self.known < last {
                    self.link = Link::Apart { at: 0 };
                }
                return None;
            }
            Step::Take { skip } => skip,
        };
        let mut at = 0..;
        events.retain(|_| at.next() >= Some(skip));
        for event in &events {
            self.outbox.read(event);
            if let Some(writer) = &mut self.writer {
                writer.observe(event, reports);
            }
        }
        for reader in &mut self.readers {
            give(reader, &self.id, first.plus(skip as u64), last, &events, out);
        }
        if follow.patches {
            let mut patches = Vec::new();
            self.apply(&events, &mut patches);
            let (session, log) = (self.id.clone(), log.clone());
            out.push_back(Output::Patches { session, log, offset: last, patches });
        }
        if follow.events {
            let first = first.plus(skip as u64);
            out.push_back(Output::Events { session: self.id.clone(), log, first, last, events });
        }
        self.catch_up(out);
        Some(())
    }

    /// Folds events. In the browser another place that does would bring all of the fold once more.
    #[inline(never)]
    pub(super) fn apply<N: Node>(&mut self, events: &[N], patches: &mut Vec<Patch<N>>) {
        for event in events {
            self.fold.apply(event, &mut |patch| patches.push(patch));
        }
    }

    /// Begins with a log, before its event `first`.
    fn restart<N>(
        &mut self,
        log: LogId,
        first: Offset,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) {
        let is_other = self.cursor.log().is_some_and(|known| *known != log);
        if is_other && let Some(writer) = &mut self.writer {
            // The new log grants this producer a place of its own.
            writer.lose_log(reports);
            self.link = Link::Apart { at: 0 };
        }
        if is_other {
            self.readers.clear();
            self.others.passed = Offset::ZERO;
        }
        self.first = first;
        self.cursor.start(log.clone(), first);
        self.fold = Fold::new();
        if self.follow.is_some() {
            out.push_back(Output::Reset { session: self.id.clone(), log });
        }
    }

    /// Opens a reader after an offset, or gives one more that has consumed what it had.
    pub(in crate::core) fn read(&mut self, number: u32, after: Option<Offset>, merge: bool) {
        if let Some(reader) = self.reader(number) {
            reader.consumed();
        } else if let (Some(after), Some(_)) = (after, self.follow) {
            self.readers.push(Reader::new(number, after, merge));
        }
    }

    /// A reader is done.
    pub(in crate::core) fn read_end(&mut self, number: u32) {
        self.readers.retain(|reader| reader.number != number);
    }

    pub(in crate::core) fn reader(&mut self, number: u32) -> Option<&mut Reader> {
        self.readers.iter_mut().find(|reader| reader.number == number)
    }

    /// Where other tabs may begin, once that is known.
    pub(in crate::core) fn place(&self) -> Option<Place<'_>> {
        let log = self.cursor.log().filter(|_| self.link == Link::Attached)?;
        let known = self.others.passed.max(self.cursor.offset());
        let tail = self.goal.unwrap_or_default().max(known);
        Some(Place { log, first: self.first, known, tail })
    }

    /// A follower's place becomes that of a session that nobody reads here.
    pub(in crate::core) fn adopt(&mut self, place: Option<Position>) {
        if !self.is_wanted()
            && self.cursor.log().is_none()
            && let Some(Position { log, offset }) = place
        {
            // That is where one tab stands, not where the log begins for others.
            self.first = Offset::ZERO.next();
            self.cursor.start(log, offset.next());
        }
    }
}

/// Where a log stands for other tabs.
pub(in crate::core) struct Place<'a> {
    pub(in crate::core) log: &'a LogId,
    /// Where it began.
    pub(in crate::core) first: Offset,
    /// What comes after here is passed on.
    pub(in crate::core) known: Offset,
    /// The last offset the server told.
    pub(in crate::core) tail: Offset,
}

fn range<N: Node>(frame: &N) -> Option<(Offset, Offset)> {
    Some((frame.offset("first")?, frame.offset("last")?))
}

/// Gives a reader what it lacks of a batch.
fn give<N: Clone>(
    reader: &mut Reader,
    session: &SessionId,
    first: Offset,
    last: Offset,
    events: &[N],
    out: &mut VecDeque<Output<N>>,
) {
    let Some(taken) = reader.take(first, last, events.len()) else { return };
    let events = events.get(taken.skip..).unwrap_or_default().to_vec();
    let (session, reader) = (session.clone(), reader.number);
    out.push_back(Output::Batch { session, reader, first: taken.first, last, events });
}
