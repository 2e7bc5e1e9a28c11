//! One session of the client: what it follows, what it writes, where it stands.

use std::collections::VecDeque;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::{Fold, Node};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

use super::act::Act;
use super::backoff::{Backoff, Random};
use super::cursor::{Cursor, Step};
use super::earliest;
use super::frames::{Frame, problem};
use super::input::Follow;
use super::limits::SEEN_EVERY_BYTES;
use super::outbox::{Outbox, Refusal};
use super::output::{Output, SessionStatus};
use super::writer::{Report, Writer};

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
    unseen_bytes: usize,
    backoff: Backoff,
    pub(super) outbox: Outbox,
    pub(super) writer: Option<Writer>,
}

/// The session on the socket in use.
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
            backoff: Backoff::default(),
            outbox: Outbox::default(),
            writer: None,
        }
    }

    pub(super) const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    pub(super) const fn follow(&mut self, follow: Follow) {
        self.follow = Some(match self.follow {
            Some(before) => Follow { patches: before.patches, ..follow },
            None => follow,
        });
    }

    /// Whether nothing is left to do for it.
    pub(super) fn is_done(&self) -> bool {
        self.follow.is_none() && self.outbox.is_empty()
    }

    /// Takes a user's act in, or says why not.
    pub(super) fn send(&mut self, act: Act, event_max_bytes: usize) -> Result<(), Problem> {
        // Who follows a session stops what was seen of it; who does not has seen nothing to go by.
        let seen = self.follow.map(|_| self.cursor.offset());
        let has_seen = self.cursor.offset() > Offset::ZERO;
        let log = self.cursor.log().filter(|_| has_seen).cloned();
        self.outbox.push(act, seen, log, event_max_bytes)
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn produce(&mut self, producer: Id) {
        if self.writer.as_ref().is_some_and(|writer| !writer.is_fenced()) {
            return;
        }
        self.writer = Some(Writer::new(producer));
        if self.follow.is_none() {
            self.follow = Some(Follow { patches: false, events: false, merge: true });
        }
        self.link = Link::Apart { at: 0 };
    }

    /// The app leaves. Answers the frame to send, if the server has to know.
    pub(super) fn leave<N>(&mut self, out: &mut VecDeque<Output<N>>) -> Option<String> {
        self.follow?;
        let closed = Problem::new(ErrorCode::Closed, "the session was detached");
        self.drop_writer(&closed, out);
        self.set_status(SessionStatus::Closed, None, out);
        let is_linked = !matches!(self.link, Link::Apart { .. });
        let outbox = std::mem::take(&mut self.outbox);
        *self = Self { outbox, ..Self::new(self.id.clone()) };
        is_linked.then(|| Frame::new("detach").text("session", self.id.as_str()).end())
    }

    /// The session cannot go on.
    pub(super) fn fail<N>(&mut self, problem: &Problem, out: &mut VecDeque<Output<N>>) {
        self.drop_writer(problem, out);
        for id in self.outbox.drain() {
            let problem = problem.clone();
            out.push_back(Output::Refused { session: self.id.clone(), id, problem });
        }
        if self.follow.take().is_some() {
            self.set_status(SessionStatus::Closed, Some(problem.clone()), out);
        }
    }

    /// The socket is gone.
    pub(super) fn cut<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        self.link = Link::Apart { at: 0 };
        self.unseen_bytes = 0;
        self.backoff.reset();
        self.outbox.cut();
        if let Some(writer) = &mut self.writer {
            writer.cut();
        }
        self.fall_behind(out);
    }

    pub(super) fn attached<N: Node>(
        &mut self,
        frame: &N,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) -> Option<()> {
        let request = frame.number("request");
        if !matches!(self.link, Link::Attaching { request: own } if request == Some(own)) {
            return None;
        }
        let log = LogId::parse(&frame.text("log")?).ok()?;
        let tail = Offset::new(frame.number("tail")?)?;
        self.link = Link::Attached;
        self.backoff.reset();
        self.goal = Some(tail);
        self.unseen_bytes = 0;
        match self.cursor.log() {
            None => self.restart(log, Offset::ZERO.next(), reports, out),
            // A `reset` follows.
            Some(known) if *known != log => return None,
            Some(_) => {}
        }
        if let (Some(writer), Some(grant)) = (&mut self.writer, frame.field("producer")) {
            writer.granted(grant.number("epoch")?, grant.number("seq")?, reports);
        }
        self.catch_up(out);
        Some(())
    }

    pub(super) fn reset<N: Node>(
        &mut self,
        frame: &N,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) -> Option<()> {
        self.follow?;
        let log = LogId::parse(&frame.text("log")?).ok()?;
        let first = Offset::new(frame.number("first")?)?;
        self.restart(log, first, reports, out);
        self.catch_up(out);
        Some(())
    }

    /// Takes a batch by the cursor's rule.
    pub(super) fn events<N: Node>(
        &mut self,
        frame: &N,
        bytes: usize,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) -> Option<()> {
        let follow = self.follow?;
        let first = Offset::new(frame.number("first")?)?;
        let last = Offset::new(frame.number("last")?)?;
        let mut events = frame.field("events")?.items();
        let log = self.cursor.log()?.clone();
        self.unseen_bytes = self.unseen_bytes.saturating_add(bytes);
        let skip = match self.cursor.step(first, last, events.len()) {
            Step::Drop => return None,
            Step::Gap => {
                // Begin again where this reader stands, unless that is under way already.
                if self.link == Link::Attached {
                    self.link = Link::Apart { at: 0 };
                }
                return None;
            }
            Step::Take { skip } => skip,
        };
        let mut at = 0..;
        events.retain(|_| at.next() >= Some(skip));
        if let Some(writer) = &mut self.writer {
            for event in &events {
                writer.observe(event, reports);
            }
        }
        if follow.patches {
            let mut patches = Vec::new();
            for event in &events {
                self.fold.apply(event, &mut |patch| patches.push(patch));
            }
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
                self.fail(&Problem::new(ErrorCode::NotFound, "the session was deleted"), out);
            }
            Some(_) => self.attach_later(now, None, random, out),
        }
    }

    /// An `attach` was refused.
    pub(super) fn attach_refused<N: Node>(
        &mut self,
        request: u64,
        frame: &N,
        now: u64,
        random: &mut Random,
        reports: &mut Vec<Report>,
        out: &mut VecDeque<Output<N>>,
    ) {
        if self.link != (Link::Attaching { request }) {
            return;
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
            _ => self.fail(&problem, out),
        }
    }

    /// The frames that may go out now: attach, acts, publishes, what was seen. In this order, since
    /// the server takes a producer's publish only after its attach.
    pub(super) fn transmit(
        &mut self,
        now: u64,
        requests: &mut Requests,
        mut send: impl FnMut(Sending, u64, String),
    ) {
        if let (Link::Apart { at }, Some(follow)) = (&self.link, self.follow)
            && now >= *at
        {
            let request = requests.next();
            self.link = Link::Attaching { request };
            send(Sending::Attach, request, self.attach_frame(request, follow));
        }
        let request = requests.next();
        if let Some(frame) = self.outbox.transmit(now, request, &self.id) {
            send(Sending::Act, request, frame);
        }
        if let (Some(writer), Some(log), Link::Attached) =
            (&mut self.writer, self.cursor.log(), &self.link)
        {
            loop {
                let request = requests.next();
                let Some(frame) = writer.transmit(now, request, &self.id, log) else { break };
                send(Sending::Publish, request, frame);
            }
        }
        if self.unseen_bytes >= SEEN_EVERY_BYTES && self.link == Link::Attached {
            self.unseen_bytes = 0;
            let frame = Frame::new("seen")
                .text("session", self.id.as_str())
                .number("offset", self.cursor.offset().as_u64());
            send(Sending::Seen, 0, frame.end());
        }
    }

    /// When something is due on a live connection.
    pub(super) fn timeout(&self) -> Option<u64> {
        let attach = match self.link {
            Link::Apart { at } if self.follow.is_some() => Some(at),
            Link::Apart { .. } | Link::Attaching { .. } | Link::Attached => None,
        };
        let is_attached = self.link == Link::Attached;
        let writer = self.writer.as_ref().filter(|_| is_attached).and_then(Writer::timeout);
        earliest(earliest(attach, writer), self.outbox.timeout())
    }

    pub(super) fn act_acked<N: Node>(
        &mut self,
        request: u64,
        frame: &N,
        out: &mut VecDeque<Output<N>>,
    ) {
        let offset = frame.number("first").or_else(|| frame.number("offset"));
        let offset = offset.and_then(Offset::new).unwrap_or_default();
        let Some(id) = self.outbox.acked(request, offset) else { return };
        let runs = frame.field("runs").map(Node::items).unwrap_or_default();
        let runs = runs.iter().filter_map(|run| Id::parse(&run.as_text()?).ok()).collect();
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
            out.push_back(Output::Refused { session: self.id.clone(), id, problem });
        }
    }

    /// Passes on what the writer had to say.
    pub(super) fn report<N>(&self, reports: Vec<Report>, out: &mut VecDeque<Output<N>>) {
        out.extend(reports.into_iter().map(|report| report.into_output(self.id.clone())));
    }

    fn attach_frame(&self, request: u64, follow: Follow) -> String {
        let mut frame =
            Frame::new("attach").number("request", request).text("session", self.id.as_str());
        if let Some(position) = self.cursor.position() {
            let place = Frame::object("log", position.log.as_str())
                .number("offset", position.offset.as_u64());
            frame = frame.raw("position", "", &place.end(), "");
        }
        if !follow.merge {
            frame = frame.raw("merge", "", "false", "");
        }
        if let Some(writer) = self.writer.as_ref().filter(|writer| !writer.is_fenced()) {
            frame = frame.raw("producer", "", &writer.claim(), "");
        }
        frame.end()
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
        if let Some(writer) = &mut self.writer {
            writer.cut();
        }
        self.fall_behind(out);
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
        self.cursor.start(log.clone(), first);
        self.fold = Fold::new();
        out.push_back(Output::Reset { session: self.id.clone(), log });
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
        if self.status != status {
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
    /// No answer comes.
    Seen,
}
