//! Giving work to others: to a run of this process, or to another agent.

use std::future::Future;

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::event::Outcome;
use durable_sessions_protocol::fold::RunState;
use durable_sessions_protocol::id::Id;
use serde_json::{Map, Value, json};

use super::{Run, RunError};
use crate::core::{Errand, Started};
use crate::native::lease::Lease;
use crate::native::open_run::{OpenRun, end_of};
use crate::native::random_id;
use crate::native::shared::Folded;

/// What became of delegated work.
#[derive(Debug, Clone, PartialEq)]
pub struct Delegated {
    /// The run that did it; `None` when it was stopped or given up before one ended it.
    pub run: Option<Id>,
    /// How it ended. `Lost`: nobody took it within 24 h, or its runs were lost three times.
    pub outcome: Outcome,
    /// What the run said: the texts of its messages.
    pub text: String,
    /// Its result.
    pub data: Option<Value>,
}

impl Run {
    /// Gives work to another agent, in any process, and waits for its end. The run that takes it
    /// is a child of this one: it writes to the session itself, and a stop of this run stops it
    /// too. A stop meanwhile is [`RunError::Stopped`]. Any end of the child's is an answer, not an
    /// error: look at [`Delegated::outcome`]. Without a worker for the agent it waits for one.
    ///
    /// `input` is a string, or an object with what a message has of `text`, `parts` and `data`.
    pub async fn delegate(
        &self,
        agent: &str,
        input: impl Into<Value>,
    ) -> Result<Delegated, RunError> {
        let run = self.id().as_str();
        let mut message = content(input.into())?;
        message.insert("kind".to_owned(), "message".into());
        message.insert("role".to_owned(), "assistant".into());
        message.insert("run".to_owned(), run.into());
        message.insert("to".to_owned(), agent.into());
        let earlier = self.inner.session.shared.with(|folded| self.earlier(folded, &message));
        let id = match earlier.flatten() {
            Some(id) => id,
            None => {
                let id = random_id().to_string();
                self.awaited().insert(id.clone());
                message.insert("id".to_owned(), id.as_str().into());
                self.event(&Value::Object(message)).await?;
                id
            }
        };
        self.until(|folded| {
            let errand = folded.ledger.find_errand(run, |event| event["id"] == id.as_str())?;
            delegated(folded, errand)
        })
        .await
    }

    /// Works as another agent in this process: `work` gets a run of its own, a child of this one,
    /// which ends as `work` answers. Its result or failure is the answer; a stop of the child
    /// alone is a failure with the code `run_stopped`. Children may run side by side:
    /// `tokio::join!` them. A child's input and attempt are its parent's.
    pub async fn child<H, F>(&self, agent: &str, work: H) -> Result<Option<Value>, RunError>
    where
        H: FnOnce(Run) -> F,
        F: Future<Output = Result<Option<Value>, RunError>>,
    {
        self.room().await?;
        let inner = &self.inner;
        let started = Started {
            run: random_id(),
            agent: Id::parse(agent)?,
            in_reply_to: None,
            parent: Some(inner.id.clone()),
            lease_ms: inner.work.lease.map(Lease::ms),
        };
        let open = match OpenRun::start(&inner.session, started).await {
            Ok(open) => open,
            Err(problem) => {
                // A stop reaches those below first, and then the word of it this process.
                inner.signal.borrow().check()?;
                if problem.code == ErrorCode::RunStopped {
                    return Err(RunError::Stopped);
                }
                return Err(RunError::failed(problem.code.as_str()));
            }
        };
        let child = Self::new(&open, inner.work.clone(), inner.session.clone());
        let answer = work(child.clone()).await;
        let was_stopped = child.is_stopped();
        let ended = open.end(end_of(&answer)).await;
        inner.signal.borrow().check()?;
        match answer {
            _ if was_stopped => Err(RunError::failed("run_stopped")),
            Err(RunError::Stopped | RunError::Gone(_)) => Err(RunError::failed("run_stopped")),
            Err(failed) => Err(failed),
            Ok(result) => match ended {
                Ok(()) => Ok(result),
                Err(problem) => Err(RunError::failed(problem.code.as_str())),
            },
        }
    }

    /// The message by which an earlier process gave out the same.
    fn earlier(&self, folded: &Folded, message: &Map<String, Value>) -> Option<String> {
        let mut awaited = self.awaited();
        let is_same = |event: &Value| {
            let fields = ["to", "text", "parts", "data"];
            fields.iter().all(|name| event.get(*name) == message.get(*name))
                && event["id"].as_str().is_some_and(|id| !awaited.contains(id))
        };
        let errand = folded.ledger.find_errand(self.id().as_str(), is_same)?;
        let id = errand.event.get("id")?.as_str()?.to_owned();
        awaited.insert(id.clone());
        Some(id)
    }
}

/// The fields of a message.
fn content(input: Value) -> Result<Map<String, Value>, RunError> {
    match input {
        Value::String(text) => Ok(Map::from_iter([("text".to_owned(), text.into())])),
        Value::Object(mut fields) => {
            fields.retain(|name, _| matches!(name.as_str(), "text" | "parts" | "data"));
            Ok(fields)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(RunError::Failed(json!({
                "code": "invalid",
                "detail": "an input is a string, or an object with text, parts or data",
            })))
        }
    }
}

/// What became of an errand, once that is decided.
fn delegated(folded: &Folded, errand: &Errand<Value>) -> Option<Delegated> {
    let outcome = match errand.outcome? {
        RunState::Completed => Outcome::Completed,
        RunState::Failed => Outcome::Failed,
        RunState::Stopped => Outcome::Stopped,
        RunState::Running | RunState::Suspended | RunState::Stopping | RunState::Lost => {
            Outcome::Lost
        }
    };
    let messages = folded.transcript.messages().iter().filter(|message| {
        message.role == "assistant"
            && errand.run.is_some()
            && message.run == errand.run
            && !errand.given.contains(&message.id)
    });
    Some(Delegated {
        run: errand.run.as_deref().and_then(|run| Id::parse(run).ok()),
        outcome,
        text: messages.map(|message| message.text.as_str()).collect(),
        data: errand.data.clone(),
    })
}
