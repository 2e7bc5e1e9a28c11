//! The one writer of a session. It only waits; [`State`] decides.
//!
//! When nobody has used the session for a while it lets go of it: with everything durable, and
//! under the lock where handles are given out, so that none is left that speaks to nobody.

use std::sync::Arc;

use bytes::Bytes;
use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::frame::{ProducerClaim, ProducerGrant};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::BATCH_TARGET_BYTES;
use durable_sessions_protocol::offset::Offset;
use tokio::sync::{mpsc, oneshot};

use super::Hub;
use super::alarms::Alarm;
use super::checkpoints::Checkpoints;
use super::chunk::{self, Chunk};
use super::clock::Clock;
use super::dispatch::{Dispatcher, Report};
use super::live::Live;
use super::state::{Connection, Description, Part, Publish, Published, Refusal, State, Writer};
use crate::log::{AppendError, Batch, BoxFuture, Record};
use crate::metrics::GaugeGuard;

/// Commands that wait for a session. A full mailbox holds its senders back.
pub(super) const MAILBOX_MAX_COMMANDS: usize = 256;
/// Bytes admitted while an append is under way; beyond it commands wait in the mailbox.
const BATCH_MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a session is asked.
#[derive(Debug)]
pub(super) enum Command {
    Publish(Publish, oneshot::Sender<Result<Published, Refusal>>),
    Claim(Writer, ProducerClaim, oneshot::Sender<Result<ProducerGrant, Problem>>),
    Renew(Writer, Vec<Id>),
    Leave(Connection),
    Describe(oneshot::Sender<Description>),
    /// `last` and `before` of [`State::part`].
    Part(Option<u64>, Option<Offset>, oneshot::Sender<Part>),
    /// Answered when all that was asked before it is durable.
    Flush(oneshot::Sender<()>),
}

/// An answer that waits until everything admitted before it is durable.
#[derive(Debug)]
enum Answer {
    Published(oneshot::Sender<Result<Published, Refusal>>, Result<Published, Refusal>),
    Granted(oneshot::Sender<Result<ProducerGrant, Problem>>, Result<ProducerGrant, Problem>),
    Described(oneshot::Sender<Description>, Description),
    Parted(oneshot::Sender<Part>, Part),
    Flushed(oneshot::Sender<()>),
}

impl Answer {
    fn send(self) {
        // Whoever asked may be gone: the answer is then nobody's.
        match self {
            Self::Published(to, result) => {
                let _ = to.send(result);
            }
            Self::Granted(to, result) => {
                let _ = to.send(result);
            }
            Self::Described(to, description) => {
                let _ = to.send(description);
            }
            Self::Parted(to, part) => {
                let _ = to.send(part);
            }
            Self::Flushed(to) => {
                let _ = to.send(());
            }
        }
    }
}

/// One append under way, and what is answered after it.
struct Flight {
    done: BoxFuture<'static, Result<(), AppendError>>,
    chunks: Vec<Chunk>,
    answers: Vec<Answer>,
    /// What workers are to know then, if it is news.
    report: Option<Report>,
}

/// What became of a session that seemed to be unused.
enum LettingGo {
    /// The hub knows it no more.
    Gone,
    /// It is written down first.
    Checkpoint(Flight),
    /// Somebody uses it.
    Stays,
}

/// Why an actor ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nobody uses the session any more, or the hub let go of it.
    Closed,
    /// The store did not take a batch: what the state knew cannot be trusted.
    Failed(AppendError),
}

pub(super) struct Actor {
    pub(super) hub: Hub,
    pub(super) live: Arc<Live>,
    pub(super) state: State,
    pub(super) mailbox: mpsc::Receiver<Command>,
    pub(super) clock: Clock,
    pub(super) dispatcher: Dispatcher,
    pub(super) checkpoints: Checkpoints,
    /// The title the store has.
    pub(super) stored_title: Option<String>,
    /// Whether what the session has for workers may be news to them.
    pub(super) is_report_due: bool,
    /// When the state's next clock runs out, or earlier.
    pub(super) deadline: Option<u64>,
    /// When to look whether anybody still uses the session.
    pub(super) idle_at: u64,
    pub(super) _open: GaugeGuard,
}

impl Actor {
    pub(super) async fn run(mut self) -> Ended {
        let mut answers = Vec::new();
        let mut flight: Option<Flight> = None;
        loop {
            if self.live.is_closed() {
                return Ended::Closed;
            }
            self.look();
            // A busy mailbox must not hold the clocks up.
            let now = self.clock.now_ms();
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                self.state.tick(now);
                self.state.take_move();
                self.is_report_due = true;
                self.deadline = self.state.deadline();
            }
            if flight.is_none() {
                flight = self.take_off(&mut answers);
            }
            if flight.is_none() && self.idle_at <= now {
                match self.let_go(now) {
                    LettingGo::Gone => return Ended::Closed,
                    LettingGo::Checkpoint(checkpoint) => flight = Some(checkpoint),
                    LettingGo::Stays => {}
                }
            }
            let idle_at = flight.is_none().then_some(self.idle_at);
            let deadline = self.deadline.into_iter().chain(idle_at).min();
            let has_room = self.state.batch_bytes() < BATCH_MAX_BYTES;
            tokio::select! {
                biased;
                done = landing(flight.as_mut()) => {
                    if let Err(error) = done {
                        return Ended::Failed(error);
                    }
                    if let Some(landed) = flight.take() {
                        self.land(landed);
                    }
                }
                command = self.mailbox.recv(), if has_room => {
                    let Some(command) = command else { return Ended::Closed };
                    self.handle(command, &mut answers);
                    while self.state.batch_bytes() < BATCH_MAX_BYTES
                        && let Ok(command) = self.mailbox.try_recv()
                    {
                        self.handle(command, &mut answers);
                    }
                }
                () = self.clock.sleep_until(deadline) => {}
            }
        }
    }

    /// Looks at what a step may have changed beside the log.
    fn look(&mut self) {
        if self.state.take_move() {
            self.is_report_due = true;
            self.deadline = self.state.deadline();
        }
    }

    /// Starts to make durable what was admitted. With nothing to write, what was decided is
    /// answered at once.
    fn take_off(&mut self, answers: &mut Vec<Answer>) -> Option<Flight> {
        let expected_tail = self.live.tail();
        let Some(mut batch) = self.state.take_batch() else {
            // A lease may have changed hands, which no batch shows.
            if let Some(report) = self.report() {
                self.dispatcher.report(self.live.id(), report);
            }
            for answer in answers.drain(..) {
                answer.send();
            }
            return None;
        };
        self.checkpoints.grow(batch.events.len() + batch.notes.len());
        if self.checkpoints.is_due() {
            batch.checkpoint = Some(self.checkpoint());
        }
        if self.state.title() != self.stored_title.as_deref() {
            self.stored_title = self.state.title().map(str::to_owned);
            batch.title.clone_from(&self.stored_title);
        }
        let chunks = self.chunks(expected_tail.next(), &batch);
        Some(self.flight(batch, chunks, std::mem::take(answers)))
    }

    fn flight(&mut self, batch: Batch, chunks: Vec<Chunk>, answers: Vec<Answer>) -> Flight {
        let live = Arc::clone(&self.live);
        let expected_tail = live.tail();
        let done = Box::pin(async move {
            live.store().append(live.id(), live.log(), expected_tail, batch).await
        });
        Flight { done, chunks, answers, report: self.report() }
    }

    /// The state as admitted so far; a flight with all of it takes it along.
    fn checkpoint(&mut self) -> Bytes {
        let checkpoint = self.state.checkpoint();
        self.checkpoints.written(checkpoint.len());
        checkpoint
    }

    /// Nothing was asked for a while, and all is durable: leaves memory unless the session is used.
    fn let_go(&mut self, now: u64) -> LettingGo {
        self.idle_at = self.hub.idle_at(now);
        let Some(leases) = self.state.leases() else { return LettingGo::Stays };
        if self.checkpoints.is_worth_it_at_the_end() {
            if !self.hub.is_unused(&self.live, &self.mailbox) {
                return LettingGo::Stays;
            }
            // Once it is written this looks again at once.
            self.idle_at = now;
            let checkpoint = Some(self.checkpoint());
            let batch = Batch { checkpoint, ..Batch::default() };
            return LettingGo::Checkpoint(self.flight(batch, Vec::new(), Vec::new()));
        }
        let alarm = self.state.deadline().map(|at| Alarm { at, leases, failed_loads: 0 });
        if self.hub.unload(&self.live, &self.mailbox, alarm) {
            return LettingGo::Gone;
        }
        LettingGo::Stays
    }

    /// The batch is durable: readers first, then the answers.
    fn land(&self, flight: Flight) {
        self.live.publish(flight.chunks);
        for answer in flight.answers {
            answer.send();
        }
        if let Some(report) = flight.report {
            self.dispatcher.report(self.live.id(), report);
        }
    }

    /// How the session stands for workers, unless they know it.
    fn report(&mut self) -> Option<Report> {
        std::mem::take(&mut self.is_report_due).then(|| Report {
            offers: self.state.offers(),
            claims: self.state.claims(),
            orphans: self.state.orphans(),
        })
    }

    fn chunks(&self, first: Offset, batch: &Batch) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut first = first;
        let mut rest: &[Record] = &batch.events;
        while !rest.is_empty() {
            let texts = rest.iter().map(|record| chunk::text(&record.json));
            let fitting = chunk::fitting(self.live.id(), texts.clone(), BATCH_TARGET_BYTES);
            let (head, tail) = rest.split_at(fitting.min(rest.len()));
            chunks.extend(Chunk::new(self.live.id(), first, texts.take(fitting)));
            first = first.plus(head.len() as u64);
            rest = tail;
        }
        chunks
    }

    fn handle(&mut self, command: Command, answers: &mut Vec<Answer>) {
        let now = self.clock.now_ms();
        self.idle_at = self.hub.idle_at(now);
        match command {
            Command::Publish(publish, to) => {
                let result = self.state.publish(publish, now);
                answers.push(Answer::Published(to, result));
            }
            Command::Claim(writer, claim, to) => {
                let result = self.state.claim(&writer, &claim, now);
                answers.push(Answer::Granted(to, result));
            }
            Command::Renew(writer, runs) => {
                self.state.renew(&writer, &runs);
            }
            Command::Leave(connection) => {
                self.state.leave(&connection, now);
            }
            Command::Describe(to) => answers.push(Answer::Described(to, self.state.describe())),
            Command::Part(last, before, to) => {
                answers.push(Answer::Parted(to, self.state.part(last, before)));
            }
            Command::Flush(to) => answers.push(Answer::Flushed(to)),
        }
    }
}

/// Waits for the append under way; for ever when there is none.
async fn landing(flight: Option<&mut Flight>) -> Result<(), AppendError> {
    match flight {
        Some(flight) => flight.done.as_mut().await,
        None => std::future::pending().await,
    }
}
