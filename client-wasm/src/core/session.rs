//! One session of the client: what it follows, what it writes, where it stands.

mod others;
mod paging;
mod sending;
mod taking;

use std::collections::VecDeque;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::{Fold, Node};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

use super::act::{Act, Body, StopTarget};
use super::backoff::{Backoff, Random};
use super::cursor::Cursor;
use super::frames::{problem, write_number};
use super::input::Follow;
use super::outbox::{Outbox, Refusal};
use super::output::{Output, SessionStatus};
use super::read::Read;
use super::reader::Reader;
use super::writer::{Report, Writer};
use others::Others;

/// A session the app follows, writes to, or both.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    follow: Option<Follow>,
    link: Link,
    cursor: Cursor,
    fold: Fold,
    status: SessionStatus,
    /// The tail the last `attached` told: caught up means having reached it.
    goal: Option<Offset>,
    /// Where the reader's log began when it came to it.
    first: Offset,
    unseen_bytes: usize,
    backoff: Backoff,
    pub(super) outbox: Outbox,
    pub(super) writer: Option<Writer>,
    /// Of a follower: how far the log is known to go, and what is asked of it.
    known: Offset,
    is_fetching: bool,
    readers: Vec<Reader>,
    /// Of a leader: the tabs that are given what comes.
    pub(super) others: Others,
}

/// The session on the socket in use, or with the leader.
#[derive(Debug, PartialEq, Eq)]
enum Link {
    /// To be attached at this time.
    Apart {
        at: u64,
    },
    Attaching {
        request: u64,
    },
    Attached,
}

/// Numbers requests. They are never used twice, so that an answer belongs to one.
#[derive(Debug, Default)]
pub(super) struct Requests(u64);

impl Requests {
    pub(super) const fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

impl Session {
    pub(super) fn new(id: SessionId) -> Self {
        Self {
            id,
            follow: None,
            link: Link::Apart { at: 0 },
            cursor: Cursor::default(),
            fold: Fold::new(),
            status: SessionStatus::Loading,
            goal: None,
            unseen_bytes: 0,
            first: Offset::ZERO.next(),
            backoff: Backoff::default(),
            outbox: Outbox::default(),
            writer: None,
            known: Offset::ZERO,
            is_fetching: false,
            readers: Vec::new(),
            others: Others::default(),
        }
    }

    pub(super) const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    pub(super) const fn is_followed(&self) -> bool {
        self.follow.is_some()
    }

    pub(super) fn follow(&mut self, follow: Follow) {
        self.follow = Some(match self.follow {
            Some(before) => Follow { patches: before.patches, ..follow },
            None => {
                // What came for other tabs alone was not folded: it is asked for again.
                self.forget_place();
                follow
            }
        });
    }

    /// Whether nothing is left to do for it.
    pub(super) fn is_done(&self) -> bool {
        !self.is_wanted() && self.outbox.is_empty()
    }

    /// Whether anybody reads it here.
    pub(super) fn is_wanted(&self) -> bool {
        self.follow.is_some() || !self.others.is_empty()
    }

    /// Takes a user's act in, or says why not.
    pub(super) fn send<N>(
        &mut self,
        act: Act,
        taking: Taking,
        out: &mut VecDeque<Output<N>>,
    ) -> Result<(), Problem> {
        // Who follows a session stops what was seen of it; who does not has seen nothing to go by.
        let follow = self.follow;
        let seen = follow.map(|_| self.cursor.offset().max(self.outbox.acknowledged()));
        let has_seen = follow.is_some() && self.cursor.offset() > Offset::ZERO;
        let log = self.cursor.log().filter(|_| has_seen).cloned();
        // A stop of everything says what was seen. The person's own messages that are still on
        // their way stand after that, and are stopped by name.
        let is_all = matches!(act.body, Body::Stop { target: StopTarget::All, .. });
        let messages = if is_all { self.outbox.messages() } else { Vec::new() };
        let id = act.id.clone();
        let event = act.into_event(seen);
        self.take(id.clone(), log.clone(), event, false, taking, out)?;
        for (number, message) in messages.into_iter().enumerate() {
            let Some(own) = numbered(&id, number) else { break };
            let event = Act::stop(own.clone(), StopTarget::Message(message)).into_event(None);
            // One that finds no room is left out.
            let _: Result<(), Problem> = self.take(own, log.clone(), event, false, taking, out);
        }
        Ok(())
    }

    /// Takes an act in, unless it waits already, or says why not.
    pub(super) fn take<N>(
        &mut self,
        id: Id,
        log: Option<LogId>,
        event: String,
        is_stored: bool,
        Taking { event_max_bytes, keeps }: Taking,
        out: &mut VecDeque<Output<N>>,
    ) -> Result<(), Problem> {
        if self.outbox.holds(&id) {
            return Ok(());
        }
        self.outbox.push(id.clone(), event.clone(), log.clone(), event_max_bytes)?;
        if keeps {
            out.push_back(Output::Store { session: self.id.clone(), id, log, event, is_stored });
        }
        Ok(())
    }

    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    pub(super) fn produce(&mut self, producer: Id, at: u64) {
        if self.writer.as_ref().is_some_and(|writer| !writer.is_fenced()) {
            return;
        }
        self.writer = Some(Writer::new(producer));
        if self.follow.is_none() {
            self.follow = Some(Follow { merge: false, ..Follow::NOTHING });
        }
        self.link = Link::Apart { at };
    }

    /// Names a run of an earlier process from now on. `false`: it is written to as another producer.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    pub(super) fn name_run(&mut self, producer: &Id, run: &Id, at: u64) -> bool {
        let Some(writer) = self.writer.as_mut().filter(|writer| writer.is_of(producer)) else {
            return false;
        };
        if writer.adopt(run) && !matches!(self.link, Link::Apart { .. }) {
            // The run is named with the next attach, in the same epoch.
            self.link = Link::Apart { at };
        }
        true
    }

    /// Nobody takes a run over after all: named no more, it is lost, and offered again.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    pub(super) fn forget_run(&mut self, run: &Id) {
        if self.writer.as_mut().is_some_and(|writer| writer.disown(run)) {
            self.link = Link::Apart { at: 0 };
        }
    }

    /// The app leaves. Answers whether whoever sends the events has to know.
    pub(super) fn leave<N>(&mut self, out: &mut VecDeque<Output<N>>) -> bool {
        if self.follow.is_none() {
            return false;
        }
        let closed = Problem::new(ErrorCode::Closed, "the session was detached");
        self.drop_writer(&closed, out);
        self.set_status(SessionStatus::Closed, None, out);
        self.follow = None;
        self.status = SessionStatus::Loading;
        self.readers.clear();
        self.fold = Fold::new();
        let is_unwanted = self.others.is_empty();
        let is_linked = !matches!(self.link, Link::Apart { .. });
        if is_unwanted {
            self.forget_place();
        }
        is_unwanted && is_linked
    }

    /// Whether nobody reads it here any more, though the server sends it.
    pub(super) fn is_unread(&self) -> bool {
        !self.is_wanted() && !matches!(self.link, Link::Apart { .. })
    }

    /// Nothing is known of the log any more.
    pub(super) fn forget_place(&mut self) {
        self.link = Link::Apart { at: 0 };
        self.cursor = Cursor::default();
        self.fold = Fold::new();
        self.goal = None;
        self.is_fetching = false;
    }

    /// The session cannot go on; not even later, if it is `over`.
    pub(super) fn fail<N>(&mut self, problem: &Problem, over: bool, out: &mut VecDeque<Output<N>>) {
        self.drop_writer(problem, out);
        self.others.clear();
        self.readers.clear();
        for id in self.outbox.drain() {
            let (session, problem) = (self.id.clone(), problem.clone());
            if over {
                out.push_back(Output::Forget { session: session.clone(), id: id.clone() });
            }
            out.push_back(Output::Refused { session, id, problem });
        }
        self.set_status(SessionStatus::Closed, Some(problem.clone()), out);
        self.follow = None;
    }

    /// The socket is gone.
    pub(super) fn cut<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        self.link = Link::Apart { at: 0 };
        self.unseen_bytes = 0;
        self.backoff.reset();
        self.outbox.cut();
        self.is_fetching = false;
        for reader in &mut self.readers {
            reader.cut();
        }
        if let Some(writer) = &mut self.writer {
            writer.cut();
        }
        self.fall_behind(out);
    }

    /// The server follows no longer. Answers whether the session is at its end.
    pub(super) fn detached<N: Node>(
        &mut self,
        frame: &N,
        now: u64,
        random: &mut Random,
        out: &mut VecDeque<Output<N>>,
    ) {
        match frame.text("reason").as_deref() {
            // The answer to a `detach`; the session may have been attached again since.
            Some("requested") | None => {}
            Some("deleted") => {
                let problem = Problem::new(ErrorCode::NotFound, "the session was deleted");
                self.fail(&problem, true, out);
            }
            Some(_) => self.attach_later(now, None, random, out),
        }
    }

    /// An `attach` was refused. Answers the tabs that have to know.
    pub(super) fn attach_refused<N: Node>(
        &mut self,
        request: u64,
        frame: &N,
        now: u64,
        random: &mut Random,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) -> Vec<(Id, u64)> {
        if self.link != (Link::Attaching { request }) {
            return Vec::new();
        }
        let problem = problem(frame.field("error").as_ref());
        match (problem.code, &mut self.writer) {
            (ErrorCode::Fenced, Some(writer)) => {
                // The session can still be followed, only not written to.
                writer.fence(reports);
                self.link = Link::Apart { at: 0 };
            }
            (code, _) if code.retryable() => {
                self.attach_later(now, problem.retry_after_ms, random, out);
            }
            _ => {
                let waiting = self.others.take_waiting();
                self.fail(&problem, true, out);
                return waiting;
            }
        }
        Vec::new()
    }

    /// A `fetch` was refused.
    pub(super) fn fetch_refused<N>(
        &mut self,
        asked: Asker,
        now: u64,
        random: &mut Random,
        out: &mut VecDeque<Output<N>>,
    ) {
        match asked {
            // Perhaps the log is another one by now: the next `attached` says so.
            Asker::Session => self.attach_later(now, None, random, out),
            Asker::Reader(number) => {
                if let Some(reader) = self.reader(number) {
                    reader.refused(now);
                }
            }
        }
    }

    pub(super) fn act_acked<N: Node>(
        &mut self,
        request: u64,
        frame: &N,
        out: &mut VecDeque<Output<N>>,
    ) {
        let offset = frame.offset("first").or_else(|| frame.offset("offset")).unwrap_or_default();
        let Some(id) = self.outbox.acked(request, offset) else { return };
        let mut runs = Vec::new();
        for run in frame.texts("runs") {
            runs.extend(Id::parse(&run).ok());
        }
        out.push_back(Output::Forget { session: self.id.clone(), id: id.clone() });
        out.push_back(Output::Sent { session: self.id.clone(), id, offset, runs });
    }

    pub(super) fn act_refused<N>(
        &mut self,
        request: u64,
        problem: Problem,
        now: u64,
        random: &mut Random,
        out: &mut VecDeque<Output<N>>,
    ) {
        if let Refusal::Final(id) = self.outbox.refused(request, &problem, now, random) {
            out.push_back(Output::Forget { session: self.id.clone(), id: id.clone() });
            out.push_back(Output::Refused { session: self.id.clone(), id, problem });
        }
    }

    /// Passes on what the writer had to say.
    pub(super) fn report<N>(&self, reports: Vec<Report>, out: &mut VecDeque<Output<N>>) {
        // `VecDeque::extend` would bring the standard library's formatting along, for its panic.
        for report in reports {
            out.push_back(report.into_output(self.id.clone()));
        }
    }

    fn attach_later<N>(
        &mut self,
        now: u64,
        asked_ms: Option<u64>,
        random: &mut Random,
        out: &mut VecDeque<Output<N>>,
    ) {
        let pause = self.backoff.next_pause(random).max(asked_ms.unwrap_or(0));
        self.link = Link::Apart { at: now.saturating_add(pause) };
        self.is_fetching = false;
        if let Some(writer) = &mut self.writer {
            writer.cut();
        }
        self.fall_behind(out);
    }

    fn catch_up<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        if self.goal.is_some_and(|goal| self.cursor.offset() >= goal) {
            self.set_status(SessionStatus::Live, None, out);
        } else {
            self.fall_behind(out);
        }
    }

    fn fall_behind<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        if self.status == SessionStatus::Live {
            self.set_status(SessionStatus::Stale, None, out);
        }
    }

    fn set_status<N>(
        &mut self,
        status: SessionStatus,
        error: Option<Problem>,
        out: &mut VecDeque<Output<N>>,
    ) {
        // What is only read for other tabs is nothing to this app.
        if self.status != status && self.follow.is_some() {
            self.status = status;
            out.push_back(Output::Session { session: self.id.clone(), status, error });
        }
    }

    fn drop_writer<N>(&mut self, problem: &Problem, out: &mut VecDeque<Output<N>>) {
        if let Some(mut writer) = self.writer.take() {
            let mut reports = Vec::new();
            writer.lose_runs(problem, &mut reports);
            self.report(reports, out);
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Attach,
    Act,
    Publish,
    Fetch(Asker),
    /// No answer comes.
    Seen,
}

/// Who reads a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    Session,
    Reader(u32),
}

/// How acts are taken in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taking {
    pub(super) event_max_bytes: usize,
    /// Whether they are stored too.
    pub(super) keeps: bool,
}

/// `id.1` and so on, made from an id; none if that would be too long.
fn numbered(id: &Id, number: usize) -> Option<Id> {
    let mut text = String::from(id.as_str());
    text.push('.');
    write_number(&mut text, number as u64 + 1);
    Id::parse(&text).ok()
}
