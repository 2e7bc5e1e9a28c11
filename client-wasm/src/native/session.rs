//! The handle of a session.

use std::sync::Arc;

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::fold::{Message, Transcript};
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::offset::Offset;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::client::closed;
use super::driver::Command;
use super::shared::{SessionState, Shared, Update};
use super::{UPDATES_MAX, random_id};
use crate::core::{Act, Body, SessionStatus, StopTarget};

/// A session that is followed. Dropping all its handles leaves it after a while.
#[derive(Debug, Clone)]
pub struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
}

/// An act that is in the log, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The act.
    pub id: Id,
    /// Its offset.
    pub offset: Offset,
    /// Of a stop: the runs it fenced.
    pub runs: Vec<Id>,
}

/// Updates of a session's log, in order.
#[derive(Debug)]
pub struct Updates(mpsc::Receiver<Update>);

impl Updates {
    /// The next update; `None` when the client or the session is closed, or after
    /// [`Update::Lagged`].
    pub async fn next(&mut self) -> Option<Update> {
        self.0.recv().await
    }
}

impl Session {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.shared.id
    }

    /// Says something to the server's default agent. Returns once it is in the log.
    pub async fn send(&self, text: &str) -> Result<Receipt, Problem> {
        self.act(Act::text(random_id(), text)).await
    }

    /// Says something to an agent.
    pub async fn send_to(&self, agent: &str, text: &str) -> Result<Receipt, Problem> {
        let id = random_id();
        let event = json!({
            "kind": "message", "id": id.as_str(), "role": "user", "to": agent, "text": text,
        });
        self.act(Act { id, body: Body::Event(event.to_string()) }).await
    }

    /// Stops one run, one message's work, or all that this session has seen.
    pub async fn stop(&self, target: StopTarget) -> Result<Receipt, Problem> {
        self.act(Act::stop(random_id(), target)).await
    }

    /// Says something to a run while it works.
    pub async fn steer(&self, run: &Id, text: &str) -> Result<Receipt, Problem> {
        let id = random_id();
        let event = json!({"kind": "steer", "id": id.as_str(), "run": run.as_str(), "text": text});
        self.act(Act { id, body: Body::Event(event.to_string()) }).await
    }

    /// Answers what a run asks. The first answer counts: a later one is refused as
    /// `already_answered`.
    pub async fn answer(&self, run: &Id, ask: &Id, answer: &Value) -> Result<Receipt, Problem> {
        let event = json!({
            "kind": "run.resumed", "run": run.as_str(), "ask": ask.as_str(), "answer": answer,
        });
        self.act(Act { id: random_id(), body: Body::Event(event.to_string()) }).await
    }

    /// Writes the app's own event.
    pub async fn publish(&self, name: &str, data: &Value) -> Result<Receipt, Problem> {
        let id = random_id();
        let event = json!({"kind": "data", "id": id.as_str(), "name": name, "data": data});
        self.act(Act { id, body: Body::Event(event.to_string()) }).await
    }

    /// Delivers an act, in order behind the earlier ones of this session, through any number of
    /// connections. Dropping the future does not take it back.
    pub async fn act(&self, act: Act) -> Result<Receipt, Problem> {
        let (reply, answer) = oneshot::channel();
        let session = self.shared.id.clone();
        self.commands.send(Command::Act { session, act, reply }).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The log's updates from where the session stands: for the first handle of a session that is
    /// its start, for a later one ask [`Session::transcript`] what came before.
    pub async fn events(&self) -> Result<Updates, Problem> {
        let (sender, updates) = mpsc::channel(UPDATES_MAX);
        let session = self.shared.id.clone();
        let (reply, subscribed) = oneshot::channel();
        let command = Command::Subscribe { session, updates: sender, reply };
        self.commands.send(command).await.map_err(|_| closed())?;
        subscribed.await.map_err(|_| closed())?;
        Ok(Updates(updates))
    }

    /// Reads the transcript as far as it has come; `None` until the log is known.
    pub fn transcript<T>(&self, read: impl FnOnce(&Transcript) -> T) -> Option<T> {
        self.shared.read(read)
    }

    /// The messages as far as they have come.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.transcript(|transcript| transcript.messages().to_vec()).unwrap_or_default()
    }

    /// The session's state, to look at or to wait for.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.shared.state.subscribe()
    }

    /// Waits until the session has caught up with its log for the first time.
    pub async fn ready(&self) -> Result<(), Problem> {
        let mut state = self.state();
        let reached = state.wait_for(|state| state.status != SessionStatus::Loading).await;
        let reached = reached.map_err(|_| closed())?;
        match reached.status {
            SessionStatus::Closed => Err(reached.error.clone().unwrap_or_else(closed)),
            SessionStatus::Loading | SessionStatus::Live | SessionStatus::Stale => Ok(()),
        }
    }

    /// Waits until the transcript is as wanted. Fails when the session is closed before.
    pub async fn until<T>(
        &self,
        mut wanted: impl FnMut(&Transcript) -> Option<T>,
    ) -> Result<T, Problem> {
        let mut version = self.shared.version.subscribe();
        let mut state = self.state();
        loop {
            version.borrow_and_update();
            if let Some(found) = self.shared.read(&mut wanted).flatten() {
                return Ok(found);
            }
            tokio::select! {
                changed = version.changed() => changed.map_err(|_| closed())?,
                ended = state.wait_for(|state| state.status == SessionStatus::Closed) => {
                    let error = ended.ok().and_then(|state| state.error.clone());
                    return Err(error.unwrap_or_else(closed));
                }
            }
        }
    }

    /// Leaves the session for all its handles. Stops no run; queued acts are still delivered.
    pub async fn detach(&self) {
        let session = self.shared.id.clone();
        let _ = self.commands.send(Command::Detach { session }).await;
    }
}
