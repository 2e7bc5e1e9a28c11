//! Writing runs as a producer: what was published once keeps its place in the producer's stream
//! until it is answered, through any number of connections.

mod answers;
mod gather;
mod hand_over;
mod run;
mod unit;

use std::collections::VecDeque;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::limits::EVENT_MAX_BYTES;
use durable_sessions_protocol::offset::Offset;
pub use run::{PartName, RunEnd, Started};
use run::{Phase, Run};
use unit::{COMPLETION, END, Kind, Unit};

use hand_over::Adopted;

use super::backoff::Backoff;
use super::frames::{self, Frame};
use super::limits::{WRITER_MAX_BYTES, WRITER_MAX_EVENTS};
use super::output::Output;

/// A producer of one session.
#[derive(Debug)]
pub(super) struct Writer {
    producer: Id,
    stand: Stand,
    /// The sequence number of the next publish that has none yet.
    next_seq: u64,
    /// Unanswered publishes in order; those with a sequence number come first.
    units: VecDeque<Unit>,
    bytes: usize,
    events: usize,
    was_full: bool,
    runs: Vec<Run>,
    /// Runs of an earlier process that are not at work here yet.
    adopted: Vec<Adopted>,
    /// Nothing is sent before this time, by the server's wish.
    paused_until: u64,
    backoff: Backoff,
}

/// What the server has granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Nothing yet.
    New,
    /// An epoch, and not on this connection yet.
    Away { epoch: u64 },
    /// An epoch, here and now.
    Granted { epoch: u64 },
    /// A newer process has taken over.
    Fenced,
}

/// What a writer tells its session.
#[derive(Debug, PartialEq)]
pub(super) enum Report {
    Started {
        run: Id,
        offset: Offset,
    },
    /// The run is forgotten.
    RunRefused {
        run: Id,
        problem: Problem,
    },
    WriteRefused {
        run: Id,
        problem: Problem,
    },
    Stopped {
        run: Id,
    },
    Ended {
        run: Id,
    },
    Left {
        run: Id,
    },
    Full,
    Ready,
    Fenced,
}

impl Report {
    /// The same in the words of the app.
    pub(super) fn into_output<N>(self, session: SessionId) -> Output<N> {
        match self {
            Self::Started { run, offset } => Output::RunStarted { session, run, offset },
            Self::RunRefused { run, problem } => Output::RunRefused { session, run, problem },
            Self::WriteRefused { run, problem } => Output::WriteRefused { session, run, problem },
            Self::Stopped { run } => Output::RunStopped { session, run },
            Self::Ended { run } => Output::RunEnded { session, run },
            Self::Left { run } => Output::RunLeft { session, run },
            Self::Full => Output::WriterFull { session },
            Self::Ready => Output::WriterReady { session },
            Self::Fenced => Output::ProducerFenced { session },
        }
    }
}

impl Writer {
    pub(super) const fn new(producer: Id) -> Self {
        Self {
            producer,
            stand: Stand::New,
            next_seq: 0,
            units: VecDeque::new(),
            bytes: 0,
            events: 0,
            was_full: false,
            runs: Vec::new(),
            adopted: Vec::new(),
            paused_until: 0,
            backoff: Backoff::new(),
        }
    }

    pub(super) const fn has_room(&self) -> bool {
        self.bytes < WRITER_MAX_BYTES && self.events < WRITER_MAX_EVENTS
    }

    pub(super) const fn is_fenced(&self) -> bool {
        matches!(self.stand, Stand::Fenced)
    }

    /// The runs whose end has not been acknowledged.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Id> {
        self.runs.iter().map(|run| &run.id)
    }

    /// The claim of an `attach`, as JSON.
    pub(super) fn claim(&self) -> String {
        let mut claim = String::from("{\"id\":");
        durable_sessions_protocol::quote::write_string(&mut claim, self.producer.as_str());
        if let Stand::Away { epoch } | Stand::Granted { epoch } = self.stand {
            frames::field_number(&mut claim, "epoch", epoch);
        }
        if !self.runs.is_empty() {
            frames::field_name(&mut claim, "runs");
            claim.push('[');
            claim.push_str(&frames::strings(self.runs().map(Id::as_str)));
            claim.push(']');
        }
        claim.push('}');
        claim
    }

    /// The answer to the claim.
    pub(super) fn granted(&mut self, epoch: u64, seq: u64, reports: &mut Vec<Report>) {
        match self.stand {
            Stand::Fenced => return,
            Stand::New => self.next_seq = seq,
            Stand::Away { epoch: own } | Stand::Granted { epoch: own } => {
                if epoch != own || seq > self.next_seq {
                    // Someone else wrote in this process's place.
                    return self.fence(reports);
                }
            }
        }
        self.stand = Stand::Granted { epoch };
        self.grant_adopted(reports);
    }

    /// The socket is gone: what was in flight is sent again, as it was.
    pub(super) fn cut(&mut self) {
        if let Stand::Granted { epoch } = self.stand {
            self.stand = Stand::Away { epoch };
        }
        for unit in &mut self.units {
            unit.request = None;
        }
        self.paused_until = 0;
    }

    pub(super) fn start(&mut self, started: &Started, reports: &mut Vec<Report>) {
        let run = started.run.clone();
        if self.is_fenced() {
            return reports.push(Report::RunRefused { run, problem: fenced() });
        }
        if self.run(&run).is_none() {
            // What its parent wrote before stands before it.
            self.release_all();
            self.runs.push(Run::new(run.clone(), Phase::Starting));
            self.push(Unit::new(run, Kind::Start, started.to_json()));
        }
    }

    /// Takes one event of a run. What a stopped or unknown run says is dropped: it has been told.
    pub(super) fn write(&mut self, run: &Id, event: String, reports: &mut Vec<Report>) {
        if !self.run(run).is_some_and(|run| run.phase.may_write()) {
            return;
        }
        if event.len() > EVENT_MAX_BYTES {
            return self.refuse_large(run, reports);
        }
        self.release(run);
        self.add(run, event);
        self.report_full(reports);
    }

    fn refuse_large(&mut self, run: &Id, reports: &mut Vec<Report>) {
        let detail = "the event is over the size limit: send large content as a URL in a part";
        let problem = Problem::new(ErrorCode::TooLarge, detail);
        self.write_refused(run, problem, reports);
    }

    /// Something the run has written is not in the log, and it does not end as if it were.
    fn write_refused(&mut self, id: &Id, problem: Problem, reports: &mut Vec<Report>) {
        if let Some(run) = self.runs.iter_mut().find(|run| run.id == *id) {
            run.refused = Some(problem.code);
        }
        let waits = |unit: &Unit| unit.run == *id && unit.kind == COMPLETION && unit.seq.is_none();
        if let Some(end) = self.units.iter_mut().find(|unit| waits(unit)) {
            self.bytes = self.bytes.saturating_sub(end.events.len());
            end.kind = END;
            end.events = RunEnd::failed(problem.code).to_json(id);
            self.bytes += end.events.len();
        }
        reports.push(Report::WriteRefused { run: id.clone(), problem });
    }

    /// Puts an event behind what the run has written.
    fn add(&mut self, run: &Id, event: String) {
        match self.units.back_mut() {
            Some(last) if last.may_join(run, &event) => {
                self.bytes += event.len();
                self.events += 1;
                last.join(&event);
            }
            _ => self.push(Unit::new(run.clone(), Kind::Write, event)),
        }
    }

    fn report_full(&mut self, reports: &mut Vec<Report>) {
        if !self.was_full && !self.has_room() {
            self.was_full = true;
            reports.push(Report::Full);
        }
    }

    pub(super) fn end(&mut self, run: &Id, end: RunEnd) {
        let Some(open) = self.runs.iter_mut().find(|open| open.id == *run) else { return };
        let end = match open.phase {
            Phase::Starting | Phase::Open => match (end, open.refused) {
                (RunEnd::Completed { .. }, Some(code)) => RunEnd::failed(code),
                (end, _) => end,
            },
            Phase::Stopped => RunEnd::Stopped,
            Phase::Ending | Phase::Leaving => return,
        };
        open.phase = Phase::Ending;
        let kind = if matches!(end, RunEnd::Completed { .. }) { COMPLETION } else { END };
        self.release(run);
        self.push(Unit::new(run.clone(), kind, end.to_json(run)));
    }

    /// The next `publish` frame that may go out, if there is one.
    pub(super) fn transmit(
        &mut self,
        now: u64,
        request: u64,
        session: &SessionId,
        log: &LogId,
    ) -> Option<Frame> {
        let Stand::Granted { epoch } = self.stand else { return None };
        if now < self.paused_until {
            return None;
        }
        self.paused_until = 0;
        let index = self.next_unit(now)?;
        let unit = self.units.get_mut(index)?;
        let seq = unit.seq?;
        unit.request = Some(request);
        let mut producer = String::from("{\"id\":");
        durable_sessions_protocol::quote::write_string(&mut producer, self.producer.as_str());
        frames::field_number(&mut producer, "epoch", epoch);
        frames::field_number(&mut producer, "seq", seq);
        let mut frame = Frame::new("publish");
        frame
            .text("session", session.as_str())
            .text("log", log.as_str())
            .raw("producer", "", &producer, "}")
            .raw("events", "[", &unit.events, "]");
        Some(frame)
    }

    /// Looks for what others say about this writer's runs.
    pub(super) fn observe<N: Node>(&mut self, event: &N, reports: &mut Vec<Report>) {
        if self.runs.is_empty() {
            return;
        }
        match event.text("kind").as_deref() {
            Some("stop.requested") => {
                for run in event.field("runs").map(Node::items).unwrap_or_default() {
                    if let Some(run) = run.as_text() {
                        self.stop(&run, reports);
                    }
                }
            }
            Some("run.ended") => {
                if let Some(run) = event.text("run") {
                    self.stop(&run, reports);
                }
            }
            _ => {}
        }
    }

    /// The log is another one: it knows nothing of this producer and its runs.
    pub(super) fn lose_log(&mut self, reports: &mut Vec<Report>) {
        let problem = Problem::new(ErrorCode::LogChanged, "the log is not the one the run is in");
        self.lose_runs(&problem, reports);
        if !self.is_fenced() {
            self.stand = Stand::New;
        }
    }

    /// Forgets all runs, for a reason.
    pub(super) fn lose_runs(&mut self, problem: &Problem, reports: &mut Vec<Report>) {
        for run in self.runs.drain(..) {
            reports.push(Report::RunRefused { run: run.id, problem: problem.clone() });
        }
        self.adopted.clear();
        self.units.clear();
        self.bytes = 0;
        self.events = 0;
        self.report_room(reports);
    }

    /// A run was stopped, or ended by someone else: what it has not published yet is dropped.
    fn stop(&mut self, id: &str, reports: &mut Vec<Report>) {
        let Some(run) = self.runs.iter_mut().find(|run| run.id.as_str() == id) else { return };
        match run.phase {
            Phase::Stopped | Phase::Ending | Phase::Leaving => return,
            Phase::Starting => run.phase = Phase::Stopped,
            Phase::Open => {
                run.phase = Phase::Stopped;
                reports.push(Report::Stopped { run: run.id.clone() });
            }
        }
        self.drop_unsent(id);
        self.report_room(reports);
    }

    /// Drops writes that have no place in the stream yet.
    fn drop_unsent(&mut self, run: &str) {
        let is_dropped = |unit: &Unit| {
            unit.seq.is_none() && unit.kind == Kind::Write && unit.run.as_str() == run
        };
        self.units.retain(|unit| !is_dropped(unit));
        self.bytes = self.units.iter().map(|unit| unit.events.len()).sum();
        self.events = self.units.iter().map(|unit| unit.count).sum();
    }

    /// A newer process has taken this one's place.
    pub(super) fn fence(&mut self, reports: &mut Vec<Report>) {
        self.stand = Stand::Fenced;
        reports.push(Report::Fenced);
        self.lose_runs(&fenced(), reports);
    }

    fn push(&mut self, unit: Unit) {
        self.bytes += unit.events.len();
        self.events += unit.count;
        self.units.push_back(unit);
    }

    fn report_room(&mut self, reports: &mut Vec<Report>) {
        if self.was_full && self.has_room() {
            self.was_full = false;
            reports.push(Report::Ready);
        }
    }

    fn run(&self, id: &Id) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == *id)
    }

    fn forget(&mut self, id: &Id) {
        self.runs.retain(|run| run.id != *id);
        self.adopted.retain(|adopted| adopted.run != *id);
    }
}

fn fenced() -> Problem {
    Problem::new(ErrorCode::Fenced, "a newer process writes with this producer id")
}
