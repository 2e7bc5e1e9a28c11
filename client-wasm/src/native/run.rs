//! A run: what a handler works with.

mod ask;
mod delegate;
mod history;
mod steers;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use ask::Ask;
pub use delegate::Delegated;
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::Message;
use durable_sessions_protocol::id::{Id, SessionId};
use serde_json::{Value, json};
pub use steers::Steers;
use tokio::sync::watch;

use super::client::closed;
use super::driver::Command;
use super::lease::Lease;
use super::open_run::OpenRun;
use super::random_id;
use super::session::Session;
use super::shared::Folded;
use crate::core::{Input, PartName};

/// Why a handler ends without a result.
#[derive(Debug)]
pub enum RunError {
    /// The run was stopped: nothing it writes enters the log any more.
    Stopped,
    /// The log or the server no longer knows the run as this process's.
    Gone(Problem),
    /// The work failed. The value is the `error` of `run.ended`, for everyone to read.
    Failed(Value),
}

impl RunError {
    /// A failure with a code of the app's own.
    #[must_use]
    pub fn failed(code: &str) -> Self {
        Self::Failed(json!({"code": code}))
    }
}

/// Any error is a failure that tells the log nothing but that: its text may hold what readers must
/// not see.
impl<E: std::error::Error> From<E> for RunError {
    fn from(_: E) -> Self {
        Self::failed("failed")
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the run was stopped"),
            Self::Gone(problem) => write!(f, "the run is gone: {problem}"),
            Self::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

/// Whether a run may go on.
#[derive(Debug, Clone)]
pub(super) enum Signal {
    Go,
    /// Its last write was refused; the next one says so.
    Refused(Problem),
    Stopped,
    Gone(Problem),
}

impl Signal {
    pub(super) fn write_refused(&mut self, problem: Problem) -> bool {
        let is_open = matches!(self, Self::Go | Self::Refused(_));
        if is_open {
            *self = Self::Refused(problem);
        }
        is_open
    }

    /// What is written from now on would not be read.
    pub(super) fn returned(&mut self) -> bool {
        let is_open = matches!(self, Self::Go);
        if is_open {
            let detail = "the run's handler has returned";
            *self = Self::Gone(Problem::new(ErrorCode::RunEnded, detail));
        }
        is_open
    }

    fn check(&self) -> Result<(), RunError> {
        match self {
            Self::Go => Ok(()),
            Self::Stopped => Err(RunError::Stopped),
            Self::Refused(problem) => Err(RunError::failed(problem.code.as_str())),
            Self::Gone(problem) => Err(RunError::Gone(problem.clone())),
        }
    }
}

/// An open run. Clones are the same run; its writes keep the order in which they are awaited.
#[derive(Debug, Clone)]
pub struct Run {
    inner: Arc<Inner>,
}

/// What a run is about.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) input: Message,
    pub(super) attempt: u32,
    /// Of the runs below it, too.
    pub(super) lease: Option<Lease>,
}

#[derive(Debug)]
struct Inner {
    id: Id,
    work: Work,
    is_resumed: bool,
    message: Id,
    session: Session,
    signal: watch::Receiver<Signal>,
    /// The part that text goes to.
    part: Mutex<Part>,
    next_part: AtomicU32,
    /// Asks and messages to other agents that are this process's.
    awaited: Mutex<BTreeSet<String>>,
    /// Held by who takes a steer.
    steering: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Part {
    /// Index and type of the open part.
    open: Option<(u32, String)>,
}

impl Run {
    pub(super) fn new(open: &OpenRun, work: Work, session: Session) -> Self {
        let written = session.shared.with(|folded| history::answer(folded, open.id())).flatten();
        let (message, next_part) = written.unwrap_or_else(|| (random_id(), 0));
        let inner = Inner {
            id: open.id().clone(),
            work,
            is_resumed: open.was_taken_over(),
            message,
            session,
            signal: open.signal(),
            part: Mutex::default(),
            next_part: AtomicU32::new(next_part),
            awaited: Mutex::default(),
            steering: tokio::sync::Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.inner.id
    }

    /// Where it works.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        self.inner.session.id()
    }

    /// What it answers. A child's is its parent's.
    #[must_use]
    pub fn input(&self) -> &Message {
        &self.inner.work.input
    }

    /// 1 for the first run of this input, more after runs of it were lost.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.work.attempt
    }

    /// Whether an earlier process of the same [`Serve::producer`](super::Serve::producer) began
    /// this run and died. What it wrote is the last message of [`Run::history`], and what is
    /// written now goes on behind that, in a part of its own. What it had asked or delegated and
    /// is asked or delegated again, in the same words, is not said twice: the answer is that one's.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.inner.is_resumed
    }

    /// The conversation up to the input: without what earlier attempts wrote, and without messages
    /// that wait behind the input. The input is its last message, unless the run
    /// [was resumed](Run::is_resumed): then the steers it had taken and its own answer so far
    /// follow.
    #[must_use]
    pub fn history(&self) -> Vec<Message> {
        let inner = &self.inner;
        let read = |folded: &mut Folded| history::of(folded, &inner.id, &inner.work.input);
        inner.session.shared.with(read).unwrap_or_default()
    }

    /// Appends text to the answer. Returns when the client has taken it, which may wait for room;
    /// it is delivered once, in order, through any number of connections. Small pieces that come
    /// within 25 ms go out as one.
    pub async fn write(&self, text: &str) -> Result<(), RunError> {
        self.write_as("text", text).await
    }

    /// Appends to a part of another type, such as `reasoning`; another type begins a new part.
    pub async fn write_as(&self, part_type: &str, text: &str) -> Result<(), RunError> {
        let inner = &self.inner;
        self.room().await?;
        let to = PartName {
            message: inner.message.clone(),
            part: self.text_part(part_type),
            part_type: part_type.to_owned(),
        };
        let (session, run) = (inner.session.id().clone(), inner.id.clone());
        self.hand_over(Input::Append { session, run, to, text: text.to_owned() }).await
    }

    /// Adds a whole part of the app's own to the answer. Answers its index, by which
    /// [`Run::set_part`] replaces it.
    pub async fn part(&self, value: &Value) -> Result<u32, RunError> {
        let part = {
            let mut open = self.inner.part.lock().unwrap_or_else(PoisonError::into_inner);
            open.open = None;
            self.inner.next_part.fetch_add(1, Ordering::Relaxed)
        };
        self.set_part(part, value).await?;
        Ok(part)
    }

    /// Replaces a part.
    pub async fn set_part(&self, part: u32, value: &Value) -> Result<(), RunError> {
        let inner = &self.inner;
        let event = json!({
            "kind": "data",
            "name": "part",
            "run": inner.id,
            "message": inner.message,
            "part": part,
            "data": value,
        });
        self.event(&event).await
    }

    /// Writes an event of the app's own that belongs to the run but not to its answer.
    pub async fn data(&self, name: &str, data: &Value) -> Result<(), RunError> {
        let event = json!({"kind": "data", "name": name, "run": self.inner.id, "data": data});
        self.event(&event).await
    }

    /// Whether the run was stopped or is gone: what it writes is lost.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        matches!(*self.inner.signal.borrow(), Signal::Stopped | Signal::Gone(_))
    }

    /// Waits until the run is stopped or gone.
    pub async fn stopped(&self) {
        let mut signal = self.inner.signal.clone();
        // An error means that the driver is gone, and the run with it.
        let _ = signal.wait_for(|signal| matches!(signal, Signal::Stopped | Signal::Gone(_))).await;
    }

    fn text_part(&self, part_type: &str) -> u32 {
        let mut part = self.inner.part.lock().unwrap_or_else(PoisonError::into_inner);
        match &part.open {
            Some((index, open)) if open == part_type => *index,
            _ => {
                let index = self.inner.next_part.fetch_add(1, Ordering::Relaxed);
                part.open = Some((index, part_type.to_owned()));
                index
            }
        }
    }

    async fn event(&self, event: &Value) -> Result<(), RunError> {
        self.room().await?;
        let (session, run) = (self.inner.session.id().clone(), self.inner.id.clone());
        self.hand_over(Input::Write { session, run, event: event.to_string() }).await
    }

    /// Waits until the client takes more.
    async fn room(&self) -> Result<(), RunError> {
        let inner = &self.inner;
        inner.signal.borrow().check()?;
        let mut room = inner.session.shared.room.subscribe();
        tokio::select! {
            biased;
            has_room = room.wait_for(|has_room| *has_room) => match has_room {
                Ok(_) => Ok(()),
                Err(_) => Err(RunError::Gone(closed())),
            },
            () = self.stopped() => inner.signal.borrow().check(),
        }
    }

    async fn hand_over(&self, input: Input<Value>) -> Result<(), RunError> {
        let sent = self.inner.session.commands.send(Command::Core(input)).await;
        sent.map_err(|_| RunError::Gone(closed()))
    }

    /// Waits until the log says what is wanted, or that the run may not go on.
    async fn until<T>(
        &self,
        mut wanted: impl FnMut(&mut Folded) -> Option<T>,
    ) -> Result<T, RunError> {
        let inner = &self.inner;
        let mut version = inner.session.shared.version.subscribe();
        let mut signal = inner.signal.clone();
        loop {
            version.borrow_and_update();
            // A stop that is read counts before what it decided beside.
            let found = inner.session.shared.with(|folded| {
                let is_stopped = folded.ledger.is_stopped(inner.id.as_str());
                if is_stopped { Err(RunError::Stopped) } else { Ok(wanted(folded)) }
            });
            if let Some(found) = found.transpose()?.flatten() {
                return Ok(found);
            }
            signal.borrow_and_update().check()?;
            tokio::select! {
                changed = version.changed() => changed.map_err(|_| RunError::Gone(closed()))?,
                changed = signal.changed() => changed.map_err(|_| RunError::Gone(closed()))?,
            }
        }
    }

    fn awaited(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.inner.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
