//! A run of this process, from its start to its end in the log.

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::id::{Id, SessionId};
use serde_json::Value;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{oneshot, watch};

use super::client::closed;
use super::driver::{Command, RunLink};
use super::run::{RunError, Signal};
use super::session::Session;
use crate::core::{Input, RunEnd, Started};

/// The `error` of a run whose handler gave none.
const FAILED: &str = "{\"code\":\"failed\"}";

/// An open run that somebody has to end. Dropping it ends it `failed`: as long as this process is
/// connected nobody else would.
#[derive(Debug)]
pub(super) struct OpenRun {
    session: Session,
    id: Id,
    signal: watch::Receiver<Signal>,
    was_taken_over: bool,
    is_over: bool,
}

impl OpenRun {
    /// Returns once the start is in the log, or refused.
    pub(super) async fn start(session: &Session, started: Started) -> Result<Self, Problem> {
        let id = started.run.clone();
        Self::open(session, id, |session, link| Command::StartRun { session, started, link }).await
    }

    /// Goes on with a run that an earlier process of this producer left open.
    pub(super) async fn take_over(
        session: &Session,
        producer: Id,
        run: Id,
    ) -> Result<Self, Problem> {
        let id = run.clone();
        let command = |session, link| Command::TakeOver { session, producer, run, link };
        let mut open = Self::open(session, id, command).await?;
        open.was_taken_over = true;
        Ok(open)
    }

    async fn open(
        session: &Session,
        id: Id,
        command: impl FnOnce(SessionId, RunLink) -> Command,
    ) -> Result<Self, Problem> {
        let (started, has_started) = oneshot::channel();
        let (signal, watched) = watch::channel(Signal::Go);
        let command = command(session.id().clone(), RunLink { started, signal });
        let mut open = Self {
            session: session.clone(),
            id,
            signal: watched,
            was_taken_over: false,
            is_over: false,
        };
        let sent = session.commands.send(command).await;
        // Given up while it waits, it has to be ended, for it may be in the log.
        let started = match sent {
            Ok(()) => has_started.await.unwrap_or_else(|_| Err(closed())),
            Err(_) => Err(closed()),
        };
        open.is_over = started.is_err();
        started.map(|()| open)
    }

    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    pub(super) const fn was_taken_over(&self) -> bool {
        self.was_taken_over
    }

    pub(super) fn signal(&self) -> watch::Receiver<Signal> {
        self.signal.clone()
    }

    /// Ends it, and returns once that is in the log. After a stop it ends `stopped`, and if a write
    /// was refused `failed`, whatever is said here. Fails with why a write was refused.
    pub(super) async fn end(mut self, end: RunEnd) -> Result<(), Problem> {
        let (session, run) = (self.session.id().clone(), self.id.clone());
        let (ended, has_ended) = oneshot::channel();
        let command = Command::EndRun { session, run, end, ended };
        let sent = self.session.commands.send(command).await;
        self.is_over = true;
        sent.map_err(|_| closed())?;
        has_ended.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Leaves it to the next process of this producer, and returns once all it has written is in
    /// the log.
    pub(super) async fn leave(mut self) {
        let (session, run) = (self.session.id().clone(), self.id.clone());
        let (left, has_left) = oneshot::channel();
        let sent = self.session.commands.send(Command::LeaveRun { session, run, left }).await;
        self.is_over = true;
        if sent.is_ok() {
            // An error means that the run is gone in another way.
            let _ = has_left.await;
        }
    }
}

impl Drop for OpenRun {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let (session, run) = (self.session.id().clone(), self.id.clone());
        let input = Input::EndRun { session, run, end: failed() };
        let commands = self.session.commands.clone();
        if let Err(TrySendError::Full(command)) = commands.try_send(Command::Core(input)) {
            tokio::spawn(async move { commands.send(command).await });
        }
    }
}

/// How a run ends whose handler answered this.
pub(super) fn end_of(answer: &Result<Option<Value>, RunError>) -> RunEnd {
    match answer {
        Ok(result) => RunEnd::Completed { data: result.as_ref().map(Value::to_string) },
        Err(RunError::Stopped | RunError::Gone(_)) => RunEnd::Stopped,
        Err(RunError::Failed(error)) => RunEnd::Failed { error: Some(error.to_string()) },
    }
}

/// How a run ends whose handler answered nothing.
pub(super) fn failed() -> RunEnd {
    RunEnd::Failed { error: Some(FAILED.to_owned()) }
}
