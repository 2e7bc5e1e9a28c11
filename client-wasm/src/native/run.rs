//! A run: what a handler works with.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::fold::{Message, Transcript};
use durable_sessions_protocol::id::{Id, SessionId};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::client::closed;
use super::driver::Command;
use super::random_id;
use super::session::Session;
use crate::core::Input;

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

#[derive(Debug)]
struct Inner {
    id: Id,
    input: Message,
    attempt: u32,
    message: Id,
    session: Session,
    signal: watch::Receiver<Signal>,
    /// The part that text goes to.
    part: Mutex<Part>,
    next_part: AtomicU32,
}

#[derive(Debug, Default)]
struct Part {
    /// Index and type of the open part.
    open: Option<(u32, String)>,
}

impl Run {
    pub(super) fn new(
        id: Id,
        input: Message,
        attempt: u32,
        session: Session,
        signal: watch::Receiver<Signal>,
    ) -> Self {
        let inner = Inner {
            id,
            input,
            attempt,
            message: random_id(),
            session,
            signal,
            part: Mutex::default(),
            next_part: AtomicU32::new(0),
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

    /// What it answers.
    #[must_use]
    pub fn input(&self) -> &Message {
        &self.inner.input
    }

    /// 1 for the first run of this input, more after runs of it were lost.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    /// The conversation up to the input, which is its last message: without what this run and
    /// earlier attempts wrote, and without messages that wait behind the input.
    #[must_use]
    pub fn history(&self) -> Vec<Message> {
        let inner = &self.inner;
        inner.session.transcript(|transcript| history(transcript, &inner.input)).unwrap_or_default()
    }

    /// Appends text to the answer. Returns when the client has taken it, which may wait for room;
    /// it is delivered once, in order, through any number of connections.
    pub async fn write(&self, text: &str) -> Result<(), RunError> {
        self.write_as("text", text).await
    }

    /// Appends to a part of another type, such as `reasoning`; another type begins a new part.
    pub async fn write_as(&self, part_type: &str, text: &str) -> Result<(), RunError> {
        let part = self.text_part(part_type);
        let inner = &self.inner;
        let mut event = json!({
            "kind": "delta",
            "run": inner.id,
            "message": inner.message,
            "part": part,
            "text": text,
        });
        if part_type != "text"
            && let Value::Object(fields) = &mut event
        {
            fields.insert("type".to_owned(), part_type.into());
        }
        self.event(&event).await
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
        let inner = &self.inner;
        let gone = || RunError::Gone(closed());
        inner.signal.borrow().check()?;
        let mut room = inner.session.shared.room.subscribe();
        tokio::select! {
            biased;
            has_room = room.wait_for(|has_room| *has_room) => drop(has_room.map_err(|_| gone())?),
            () = self.stopped() => inner.signal.borrow().check()?,
        }
        let input = Input::Write {
            session: inner.session.id().clone(),
            run: inner.id.clone(),
            event: event.to_string(),
        };
        inner.session.commands.send(Command::Core(input)).await.map_err(|_| gone())
    }
}

fn history(transcript: &Transcript, input: &Message) -> Vec<Message> {
    let place = transcript.messages().iter().position(|message| message.id == input.id);
    let own: Vec<&str> = transcript
        .runs()
        .iter()
        .filter(|run| run.in_reply_to.as_deref() == Some(&input.id))
        .map(|run| run.id.as_str())
        .collect();
    let is_part = |index: usize, message: &Message| {
        let is_own = message.run.as_deref().is_some_and(|run| own.contains(&run));
        let waits = message.role == "user" && place.is_some_and(|place| index > place);
        message.id != input.id && !is_own && !waits
    };
    let mut history: Vec<Message> = transcript
        .messages()
        .iter()
        .enumerate()
        .filter(|(index, message)| is_part(*index, message))
        .map(|(_, message)| message.clone())
        .collect();
    history.push(input.clone());
    history
}
