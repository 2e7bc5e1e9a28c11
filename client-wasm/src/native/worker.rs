//! Working on an agent's input.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::{Message, RunState};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::WAKE_OFFER_MS;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::client::Client;
use super::driver::{Command, Wake};
use super::lease::Lease;
use super::open_run::{OpenRun, end_of, failed};
use super::run::{Run, RunError, Work};
use super::session::Session;
use super::{SHUTDOWN_TIMEOUT_MS, random_id};
use crate::core::{RunEnd, SessionStatus, Started};

/// The `error` of a run that a shutdown ended.
const SHUTDOWN: &str = "{\"code\":\"shutdown\"}";

/// What a worker offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// Session names or `prefix*`; none: all.
    pub sessions: Vec<String>,
    /// How many inputs it works on at a time.
    pub slots: u32,
    /// The name it writes under. With a name of its own a worker goes on with the runs that an
    /// earlier process of the same name left open: it is started again within their leases (30 s),
    /// and its handler is called with the same run once more, see [`Run::is_resumed`]. Only one
    /// process at a time may use a name: a newer one takes its runs away from the older one. All
    /// workers of one [`Client`] take the same name, or none.
    ///
    /// `None`: a random name. Runs whose process died end `lost`, and their input is offered
    /// again.
    pub producer: Option<Id>,
    /// How long its runs, and those they make by [`Run::child`], outlive its connection: `None` is
    /// [`Lease::default`].
    pub lease: Option<Lease>,
}

impl Default for Serve {
    /// All sessions, eight inputs at a time, a random name, the server's lease.
    fn default() -> Self {
        Self { sessions: Vec::new(), slots: 8, producer: None, lease: None }
    }
}

/// A worker at work. Dropping it withdraws its offer and ends its open runs as failed, without
/// waiting for that: see [`Worker::shutdown`].
///
/// Awaiting it waits until the client is closed, or serves the agent anew, and its handlers have
/// returned. It fails when there will be no input: `invalid` for a name that is no agent's and for
/// sessions that there cannot be, `forbidden` for who is no agent, `rate_limited` for more agents
/// than a connection serves. While a server cannot be reached, or the connection is closed for good
/// ([`Client::state`]), it goes on waiting.
#[derive(Debug)]
pub struct Worker {
    task: JoinHandle<Result<(), Problem>>,
    is_ending: watch::Sender<bool>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Future for Worker {
    type Output = Result<(), Problem>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Who ends the task has dropped the worker.
        Pin::new(&mut self.task).poll(context).map(|ended| ended.unwrap_or(Ok(())))
    }
}

impl Worker {
    pub(super) fn start<H, F>(client: Client, agent: &str, options: Serve, handler: H) -> Self
    where
        H: Fn(Run) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Value>, RunError>> + Send + 'static,
    {
        let agent = Id::parse(agent).map_err(|error| {
            Problem::new(ErrorCode::Invalid, format!("`{agent}` is no agent's name: {error}"))
        });
        let (is_ending, ending) = watch::channel(false);
        let task = tokio::spawn(async move {
            let agent = agent?;
            let leaves_runs = options.producer.is_some();
            let producer = options.producer.clone().unwrap_or_else(random_id);
            let lease = options.lease;
            let worker =
                Arc::new(Serving { client, agent, producer, leaves_runs, lease, ending, handler });
            worker.run(options).await
        });
        Self { task, is_ending }
    }

    /// Ends the work: takes no more input, gives its handlers up, and returns once their runs have
    /// ended as failed (`{"code":"shutdown"}`). With a [`Serve::producer`] they are left open
    /// instead, with all they wrote delivered: then end the process or close the client, and the
    /// next process of that name goes on with them. It waits at most 5 s for a server that does
    /// not answer; runs that have not ended by then end `lost`.
    pub async fn shutdown(mut self) {
        if self.task.is_finished() {
            return;
        }
        self.is_ending.send_replace(true);
        let limit = Duration::from_millis(SHUTDOWN_TIMEOUT_MS);
        let _ = timeout(limit, &mut self.task).await;
    }
}

struct Serving<H> {
    client: Client,
    agent: Id,
    producer: Id,
    leaves_runs: bool,
    lease: Option<Lease>,
    ending: watch::Receiver<bool>,
    handler: H,
}

impl<H, F> Serving<H>
where
    H: Fn(Run) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Option<Value>, RunError>> + Send + 'static,
{
    async fn run(self: Arc<Self>, options: Serve) -> Result<(), Problem> {
        let Serve { sessions, slots, producer, .. } = options;
        // Dropped with the worker, behind its inbox: its offer is withdrawn, and its handlers end.
        let offer = Offer { agent: self.agent.clone(), client: self.client.clone() };
        // The core wakes for no more inputs than there are slots.
        let (wakes, mut inbox) = mpsc::channel(usize::try_from(slots.max(1)).unwrap_or(1));
        let agent = self.agent.clone();
        let (refused, mut refusal) = oneshot::channel();
        let command = Command::Serve { agent, sessions, slots, producer, wakes, refused };
        if self.client.commands.send(command).await.is_err() {
            return Ok(());
        }
        let mut working = JoinSet::new();
        loop {
            let wake = tokio::select! {
                wake = inbox.recv() => wake,
                () = self.ended() => None,
            };
            let Some(wake) = wake else { break };
            while working.try_join_next().is_some() {}
            working.spawn(self.clone().answer(wake));
        }
        turn_away(inbox, self.leaves_runs);
        drop(offer);
        // Each ends its run, or leaves it.
        while working.join_next().await.is_some() {}
        refusal.try_recv().map_or(Ok(()), Err)
    }

    /// Waits until the work is to end.
    async fn ended(&self) {
        let mut ending = self.ending.clone();
        // Without its handle the worker is being dropped.
        if ending.wait_for(|is_ending| *is_ending).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Claims the input, calls the handler and ends the run. `None`: another has the input, or it
    /// is gone; the server's word on that is enough.
    async fn answer(self: Arc<Self>, wake: Wake) -> Option<()> {
        let session = self.client.open(&wake.session, Some(self.producer.clone())).await.ok()?;
        let (open, input) = match wake.run.clone() {
            None => self.claim(&session, &wake.input).await?,
            Some(run) => self.take_over(&session, run, &wake.input).await?,
        };
        let work = Work { input, attempt: wake.attempt, lease: self.lease };
        let handle = Run::new(&open, work, session);
        // In a task of its own, so that a panic ends the run and not the worker.
        let mut handler = JoinSet::new();
        handler.spawn((self.handler)(handle));
        let end = tokio::select! {
            answer = handler.join_next() => match answer {
                Some(Ok(answer)) => end_of(&answer),
                Some(Err(_)) | None => failed(),
            },
            () = self.ended() => {
                handler.shutdown().await;
                if self.leaves_runs {
                    open.leave().await;
                    return Some(());
                }
                RunEnd::Failed { error: Some(SHUTDOWN.to_owned()) }
            }
        };
        open.end(end).await.ok()
    }

    /// Starts a run for an input, once that has been read.
    async fn claim(&self, session: &Session, input: &Id) -> Option<(OpenRun, Message)> {
        let found = find(session, input).await?;
        let started = Started {
            run: random_id(),
            agent: self.agent.clone(),
            in_reply_to: Some(input.clone()),
            parent: None,
            lease_ms: self.lease.map(Lease::ms),
        };
        let open = OpenRun::start(session, started).await.ok()?;
        match found {
            Found::Message(message) => Some((open, *message)),
            Found::Replaced => {
                // Nobody would see an answer, and left alone it would hold up what waits behind it.
                let _ = open.end(RunEnd::Completed { data: None }).await;
                None
            }
        }
    }

    /// Goes on with the run of an earlier process, once all that it wrote has been read.
    async fn take_over(
        &self,
        session: &Session,
        run: Id,
        input: &Id,
    ) -> Option<(OpenRun, Message)> {
        let open = OpenRun::take_over(session, self.producer.clone(), run).await.ok()?;
        let mut state = session.state();
        let is_read = state
            .wait_for(|state| matches!(state.status, SessionStatus::Live | SessionStatus::Closed));
        is_read.await.ok()?;
        let found = find(session, input).await?;
        let stands = session.transcript(|transcript| {
            let run = transcript.runs().iter().find(|run| run.id == open.id().as_str());
            run.map(|run| run.state)
        });
        if let Found::Message(message) = found
            && matches!(stands.flatten(), Some(RunState::Running | RunState::Suspended))
        {
            return Some((open, *message));
        }
        // Stopped or replaced while nobody held it, or over.
        let _ = open.end(RunEnd::Stopped).await;
        None
    }
}

/// Gives back the wakes that nobody has read. With `leaves_runs` those of runs to take over are kept:
/// the next process is to have them, and a run that is given back is lost.
fn turn_away(mut inbox: mpsc::Receiver<Wake>, leaves_runs: bool) {
    inbox.close();
    while let Ok(wake) = inbox.try_recv() {
        if leaves_runs && wake.run.is_some() {
            wake.leave();
        }
    }
}

/// What an input turns out to be.
enum Found {
    Message(Box<Message>),
    /// A later message stands in its place.
    Replaced,
}

/// The message of an input, as soon as it is read.
async fn find(session: &Session, input: &Id) -> Option<Found> {
    let found = session.until(|transcript| {
        let mut newest_first = transcript.messages().iter().rev();
        match newest_first.find(|message| message.id == input.as_str()) {
            Some(message) => Some(Found::Message(Box::new(message.clone()))),
            None => transcript.knows_message(input.as_str()).then_some(Found::Replaced),
        }
    });
    timeout(Duration::from_millis(WAKE_OFFER_MS), found).await.ok()?.ok()
}

/// Withdraws an offer when it is dropped.
struct Offer {
    agent: Id,
    client: Client,
}

impl Drop for Offer {
    fn drop(&mut self) {
        // With a full queue the wakes find nobody, and the server offers them elsewhere.
        let _ = self.client.commands.try_send(Command::Withdraw { agent: self.agent.clone() });
    }
}

#[cfg(test)]
mod tests {
    use durable_sessions_protocol::id::SessionId;

    use super::*;
    use crate::core::Input;

    /// The inputs that come back of two that nobody has read: one without a run and one with.
    fn given_back(leaves_runs: bool) -> Vec<String> {
        let id = |text| Id::parse(text).unwrap();
        let (handle, mut commands) = mpsc::channel(2);
        let (wakes, inbox) = mpsc::channel(2);
        for (input, run) in [("new", None), ("begun", Some(id("r1")))] {
            let session = SessionId::parse("s").unwrap();
            let wake = Wake::new(id("bot"), session, id(input), 1, run, handle.downgrade());
            wakes.try_send(wake).unwrap();
        }
        turn_away(inbox, leaves_runs);
        std::iter::from_fn(|| commands.try_recv().ok())
            .map(|command| {
                let Command::Core(Input::WakeDone { input, .. }) = command else {
                    panic!("{command:?}")
                };
                input.to_string()
            })
            .collect()
    }

    #[test]
    fn a_worker_that_leaves_its_runs_keeps_those_it_was_told_of_and_has_not_read() {
        assert_eq!(given_back(true), ["new"]);
    }

    #[test]
    fn a_worker_that_ends_its_runs_gives_back_all_it_has_not_read() {
        assert_eq!(given_back(false), ["new", "begun"]);
    }
}
