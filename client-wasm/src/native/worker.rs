//! Working on an agent's input.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::WAKE_OFFER_MS;
use serde_json::Value;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::client::Client;
use super::driver::{Command, RunLink, Wake};
use super::random_id;
use super::run::{Run, RunError, Signal};
use crate::core::{Input, RunEnd, Started};

/// The `error` of a run whose handler gave none.
const FAILED: &str = "{\"code\":\"failed\"}";

/// What a worker offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// Session names or `prefix*`; none: all.
    pub sessions: Vec<String>,
    /// How many inputs it works on at a time.
    pub slots: u32,
}

impl Default for Serve {
    /// All sessions, eight inputs at a time.
    fn default() -> Self {
        Self { sessions: Vec::new(), slots: 8 }
    }
}

/// A worker at work. Dropping it withdraws its offer and ends its open runs as failed. Awaiting it
/// waits until the client is closed.
#[derive(Debug)]
pub struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Future for Worker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(|_| ())
    }
}

impl Worker {
    pub(super) fn start<H, F>(client: Client, agent: &str, options: Serve, handler: H) -> Self
    where
        H: Fn(Run) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, RunError>> + Send + 'static,
    {
        let agent = Id::parse(agent);
        Self(tokio::spawn(async move {
            // An agent of no name has no input.
            let Ok(agent) = agent else { return };
            let producer = random_id();
            let worker = Arc::new(Serving { client, agent, producer, handler });
            worker.run(options).await;
        }))
    }
}

struct Serving<H> {
    client: Client,
    agent: Id,
    producer: Id,
    handler: H,
}

impl<H, F> Serving<H>
where
    H: Fn(Run) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Option<Value>, RunError>> + Send + 'static,
{
    async fn run(self: Arc<Self>, options: Serve) {
        let Serve { sessions, slots } = options;
        // The core wakes for no more inputs than there are slots.
        let (wakes, mut inbox) = mpsc::channel(usize::try_from(slots.max(1)).unwrap_or(1));
        let agent = self.agent.clone();
        let command = Command::Serve { agent, sessions, slots, wakes };
        if self.client.commands.send(command).await.is_err() {
            return;
        }
        // Dropped with the worker: its offer is withdrawn and its handlers end.
        let _offer = Offer { agent: self.agent.clone(), client: self.client.clone() };
        let mut working = JoinSet::new();
        while let Some(wake) = inbox.recv().await {
            while working.try_join_next().is_some() {}
            working.spawn(self.clone().work(wake));
        }
    }

    /// Works on one input and frees its slot.
    async fn work(self: Arc<Self>, wake: Wake) {
        let (session, input) = (wake.session.clone(), wake.input.clone());
        let _: Option<()> = self.clone().answer(wake).await;
        let agent = self.agent.clone();
        let done = Input::WakeDone { agent, session, input };
        let _ = self.client.commands.send(Command::Core(done)).await;
    }

    /// Claims the input, calls the handler and ends the run. `None`: another has the input, or it
    /// is gone; the server's word on that is enough.
    async fn answer(self: Arc<Self>, wake: Wake) -> Option<()> {
        let session = self.client.open(&wake.session, Some(self.producer.clone())).await.ok()?;
        let find = session.until(|transcript| {
            let mut newest_first = transcript.messages().iter().rev();
            newest_first.find(|message| message.id == wake.input.as_str()).cloned()
        });
        let input = timeout(Duration::from_millis(WAKE_OFFER_MS), find).await.ok()?.ok()?;

        let run = random_id();
        let mut open = OpenRun {
            client: self.client.clone(),
            session: wake.session.clone(),
            run: Some(run.clone()),
        };
        let (started, has_started) = oneshot::channel();
        let (signal, watched) = watch::channel(Signal::Go);
        let command = Command::StartRun {
            session: wake.session.clone(),
            started: Started {
                run: run.clone(),
                agent: self.agent.clone(),
                in_reply_to: Some(wake.input),
                parent: None,
            },
            link: RunLink { started, signal },
        };
        self.client.commands.send(command).await.ok()?;
        if has_started.await.ok()?.is_err() {
            open.run = None;
            return None;
        }

        let handle = Run::new(run.clone(), input, wake.attempt, session, watched);
        // In a task of its own, so that a panic ends the run and not the worker.
        let mut handler = JoinSet::new();
        handler.spawn((self.handler)(handle));
        let end = match handler.join_next().await {
            Some(Ok(Ok(result))) => {
                RunEnd::Completed { data: result.map(|result| result.to_string()) }
            }
            Some(Ok(Err(RunError::Stopped | RunError::Gone(_)))) => RunEnd::Stopped,
            Some(Ok(Err(RunError::Failed(error)))) => {
                RunEnd::Failed { error: Some(error.to_string()) }
            }
            Some(Err(_)) | None => RunEnd::Failed { error: Some(FAILED.to_owned()) },
        };
        open.run = None;
        let (ended, has_ended) = oneshot::channel();
        let command = Command::EndRun { session: wake.session, run, end, ended };
        self.client.commands.send(command).await.ok()?;
        has_ended.await.ok()?.ok()
    }
}

/// Ends a run whose handler is given up: as long as this process is connected nobody else would.
struct OpenRun {
    client: Client,
    session: SessionId,
    run: Option<Id>,
}

impl Drop for OpenRun {
    fn drop(&mut self) {
        let Some(run) = self.run.take() else { return };
        let end = RunEnd::Failed { error: Some(FAILED.to_owned()) };
        let input = Input::EndRun { session: self.session.clone(), run, end };
        let commands = self.client.commands.clone();
        if let Err(TrySendError::Full(command)) = commands.try_send(Command::Core(input)) {
            tokio::spawn(async move { commands.send(command).await });
        }
    }
}

/// Withdraws an offer when it is dropped.
struct Offer {
    agent: Id,
    client: Client,
}

impl Drop for Offer {
    fn drop(&mut self) {
        let agent = self.agent.clone();
        let withdrawn = Input::Serve { agent, sessions: Vec::new(), slots: 0 };
        // With a full queue the wakes find nobody, and the server offers them elsewhere.
        let _ = self.client.commands.try_send(Command::Core(withdrawn));
    }
}
