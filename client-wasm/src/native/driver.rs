//! The task that owns the core and the socket.

mod command;
mod runs;
mod sessions;
mod wake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) use command::Command;
use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::id::{Id, SessionId};
use futures_util::FutureExt;
pub(super) use runs::RunLink;
use runs::Runs;
use serde_json::Value;
use sessions::Sessions;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
pub(super) use wake::Wake;

use super::client::{ConnectionState, TokenFuture};
use super::session::Receipt;
use super::shared::Shared;
use super::socket::{self, Said, Socket};
use crate::core::{self, Follow, Input, Output, Token};

type Core = core::Client<Value>;
type TokenFunction = Arc<dyn Fn() -> TokenFuture + Send + Sync>;

/// Messages read in one turn before a timer's verdict.
const LATE_READ_MAX: usize = 4096;
/// Outcomes of attempts that wait for the driver.
const ATTEMPTS_MAX: usize = 8;

/// The outcome of something that took a while.
enum Attempt {
    Opened { socket: u32, opened: Option<Socket> },
    Token { socket: u32, token: Token },
}

pub(super) struct Driver {
    core: Core,
    epoch: Instant,
    address: String,
    token: Option<TokenFunction>,
    state: watch::Sender<ConnectionState>,
    commands: mpsc::Receiver<Command>,
    /// Where wakes tell that they are over. Not counted among the handles.
    handle: mpsc::WeakSender<Command>,
    is_closed: bool,
    attempts: mpsc::Receiver<Attempt>,
    attempted: mpsc::Sender<Attempt>,
    socket: Option<(u32, Socket)>,
    sessions: Sessions,
    runs: Runs,
    acts: BTreeMap<(SessionId, Id), oneshot::Sender<Result<Receipt, Problem>>>,
    workers: BTreeMap<Id, Employed>,
}

/// A worker, and how it is told.
struct Employed {
    wakes: mpsc::Sender<Wake>,
    refused: oneshot::Sender<Problem>,
}

impl Driver {
    pub(super) fn new(
        core: Core,
        address: String,
        token: Option<TokenFunction>,
        state: watch::Sender<ConnectionState>,
        commands: mpsc::Receiver<Command>,
        handle: mpsc::WeakSender<Command>,
    ) -> Self {
        let (attempted, attempts) = mpsc::channel(ATTEMPTS_MAX);
        Self {
            core,
            epoch: Instant::now(),
            address,
            token,
            state,
            commands,
            handle,
            is_closed: false,
            attempts,
            attempted,
            socket: None,
            sessions: Sessions::default(),
            runs: Runs::default(),
            acts: BTreeMap::new(),
            workers: BTreeMap::new(),
        }
    }

    /// Works until the last handle is gone.
    pub(super) async fn run(mut self) {
        loop {
            self.drain();
            let timer = self.timer();
            tokio::select! {
                said = next(&mut self.socket) => self.said(said),
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command),
                    None => break,
                },
                Some(attempt) = self.attempts.recv() => self.attempted(attempt),
                () = sleep_until(timer) => self.timed_out(),
            }
        }
        self.handle(Input::Close);
        self.drain();
    }

    /// Milliseconds since the driver began.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// When to wake without being told anything.
    fn timer(&self) -> Instant {
        let core = self.core.timeout().map(|at| self.epoch + Duration::from_millis(at));
        let idle = self.sessions.next_idle();
        let far = || Instant::now() + Duration::from_secs(3600);
        core.into_iter().chain(idle).min().unwrap_or_else(far)
    }

    fn handle(&mut self, input: Input<Value>) {
        let now = self.now();
        self.core.handle(now, input);
    }

    fn timed_out(&mut self) {
        // The verdict must not fall before what has come is read.
        for _ in 0..LATE_READ_MAX {
            let Some(said) = next(&mut self.socket).now_or_never() else { break };
            self.said(said);
        }
        self.handle(Input::Timeout);
        self.leave_idle();
    }

    fn said(&mut self, (socket, said): (u32, Said)) {
        match said {
            Said::Text(text) => match serde_json::from_str(&text) {
                Ok(frame) => self.handle(Input::Frame { socket, frame, bytes: text.len() }),
                Err(_) => self.handle(Input::Malformed { socket }),
            },
            Said::Binary => self.handle(Input::Malformed { socket }),
            Said::Closed { code } => {
                self.socket = None;
                self.handle(Input::Closed { socket, code });
            }
        }
    }

    fn attempted(&mut self, attempt: Attempt) {
        match attempt {
            Attempt::Opened { socket, opened: Some(opened) } => {
                self.socket = Some((socket, opened));
                self.handle(Input::Opened { socket });
            }
            Attempt::Opened { socket, opened: None } => {
                self.handle(Input::Closed { socket, code: socket::CLOSE_ABNORMAL });
            }
            Attempt::Token { socket, token } => self.handle(Input::Token { socket, token }),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Open { session, producer, reply } => self.open(session, producer, reply),
            Command::Detach { session } => self.detach(session),
            Command::Subscribe { session, updates, reply } => {
                self.sessions.subscribe(&session, updates);
                let _ = reply.send(());
            }
            Command::Act { session, act, reply } => {
                // The same act again waits for the same answer; the earlier caller has gone.
                self.acts.insert((session.clone(), act.id.clone()), reply);
                self.handle(Input::Send { session, act });
            }
            Command::Serve { agent, sessions, slots, producer, wakes, refused } => {
                // Of a closed client a worker is told that by the end of its wakes.
                if !self.is_closed {
                    self.workers.insert(agent.clone(), Employed { wakes, refused });
                    self.handle(Input::Serve { agent, sessions, slots, producer });
                }
            }
            Command::Withdraw { agent } => {
                let worker = self.workers.get(&agent);
                if worker.is_some_and(|worker| worker.wakes.is_closed()) {
                    self.workers.remove(&agent);
                    let (sessions, slots, producer) = (Vec::new(), 0, None);
                    self.handle(Input::Serve { agent, sessions, slots, producer });
                }
            }
            Command::Close => {
                self.is_closed = true;
                self.workers.clear();
                self.handle(Input::Close);
            }
            Command::StartRun { session, started, link } => {
                self.runs.start(&session, &started.run, link);
                self.handle(Input::StartRun { session, started });
            }
            Command::TakeOver { session, producer, run, link } => {
                // One that is known is not left: whoever waits is told so by the link's end.
                if !self.runs.is_open(&run) {
                    self.runs.start(&session, &run, link);
                    self.handle(Input::TakeOver { session, producer, run });
                }
            }
            Command::LeaveRun { session, run, left } => {
                self.runs.leaving(&run, left);
                self.handle(Input::LeaveRun { session, run });
            }
            Command::EndRun { session, run, end, ended } => {
                self.runs.ending(&run, ended);
                self.handle(Input::EndRun { session, run, end });
            }
            Command::Core(input) => self.handle(input),
        }
    }

    fn open(
        &mut self,
        session: SessionId,
        producer: Option<Id>,
        reply: oneshot::Sender<Arc<Shared>>,
    ) {
        // Dropped, the reply says that the client is closed.
        if self.is_closed {
            return;
        }
        let shared = self.sessions.open(&session);
        let _ = reply.send(shared);
        let follow = Follow::EVENTS;
        self.handle(match producer {
            Some(producer) => Input::Produce { session, producer, follow },
            None => Input::Attach { session, follow },
        });
        self.leave_idle();
    }

    fn detach(&mut self, session: SessionId) {
        self.handle(Input::Detach { session });
    }

    fn leave_idle(&mut self) {
        for session in self.sessions.idle(&self.runs) {
            self.detach(session);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.core.poll() {
            self.perform(output);
        }
        self.sessions.update_room(&self.core);
    }

    fn perform(&mut self, output: Output<Value>) {
        match output {
            Output::NeedToken { socket } => self.ask_token(socket),
            Output::Open { socket } => self.open_socket(socket),
            Output::Transmit { socket, text } => {
                if let Some((number, open)) = &self.socket
                    && *number == socket
                {
                    open.send(text);
                }
            }
            Output::Disconnect { socket, code } => {
                if let Some((_, open)) = self.socket.take_if(|(number, _)| *number == socket) {
                    open.close(code);
                }
            }
            Output::Status { status, error, .. } => {
                self.state.send_replace(ConnectionState { status, error });
            }
            Output::Sent { session, id, offset, runs } => {
                if let Some(reply) = self.acts.remove(&(session, id.clone())) {
                    let _ = reply.send(Ok(Receipt { id, offset, runs }));
                }
            }
            Output::Refused { session, id, problem } => {
                if let Some(reply) = self.acts.remove(&(session, id)) {
                    let _ = reply.send(Err(problem));
                }
            }
            Output::Wake { agent, session, input, attempt, run } => {
                let worker = self.workers.get(&agent);
                let wake = Wake::new(agent, session, input, attempt, run, self.handle.clone());
                if let Some(worker) = worker {
                    // Of one that is gone the wake comes back, and the server offers it again.
                    let _ = worker.wakes.try_send(wake);
                }
            }
            Output::ServeRefused { agent, problem } => {
                // Its wakes end with it, and so does its work.
                if let Some(worker) = self.workers.remove(&agent) {
                    let _ = worker.refused.send(problem);
                }
            }
            Output::Session { .. }
            | Output::Reset { .. }
            | Output::Patches { .. }
            | Output::Events { .. } => self.sessions.perform(output),
            // A process has no tabs, and keeps its acts in memory.
            Output::NeedGroup
            | Output::Join { .. }
            | Output::Leave
            | Output::Lock
            | Output::Unlock
            | Output::Post { .. }
            | Output::Role { .. }
            | Output::Store { .. }
            | Output::Forget { .. }
            | Output::Recover
            | Output::Batch { .. }
            | Output::Presence { .. } => {}
            Output::RunStarted { .. }
            | Output::RunRefused { .. }
            | Output::RunStopped { .. }
            | Output::WriteRefused { .. }
            | Output::RunEnded { .. }
            | Output::RunLeft { .. }
            | Output::WriterFull { .. }
            | Output::WriterReady { .. }
            | Output::ProducerFenced { .. } => self.runs.perform(output),
        }
    }

    fn open_socket(&self, socket: u32) {
        let (address, attempted) = (self.address.clone(), self.attempted.clone());
        let timeout = Duration::from_millis(core::limits::CONNECT_TIMEOUT_MS);
        tokio::spawn(async move {
            let opening = tokio::time::timeout(timeout, socket::open(&address)).await;
            let opened = opening.ok().and_then(Result::ok);
            let _ = attempted.send(Attempt::Opened { socket, opened }).await;
        });
    }

    fn ask_token(&self, socket: u32) {
        let Some(token) = self.token.clone() else { return };
        let attempted = self.attempted.clone();
        tokio::spawn(async move {
            // An answer that carries an error is dropped before the next await: it is not `Send`.
            let token = match token().await.ok() {
                Some(Some(token)) => Token::Granted(token),
                Some(None) => Token::SignedOut,
                None => Token::Failed,
            };
            let _ = attempted.send(Attempt::Token { socket, token }).await;
        });
    }
}

/// What the socket says next; nothing while there is none.
async fn next(socket: &mut Option<(u32, Socket)>) -> (u32, Said) {
    match socket {
        Some((number, socket)) => (*number, socket.next().await),
        None => std::future::pending().await,
    }
}
