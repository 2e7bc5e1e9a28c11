//! The handle of a client.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::id::{Id, SessionId};
use tokio::sync::{mpsc, oneshot, watch};

use super::driver::{Command, Driver};
use super::run::{Run, RunError};
use super::session::Session;
use super::worker::{Serve, Worker};
use super::{COMMANDS_MAX, random_id};
use crate::core::{self, Input, Status};

/// What a token function answers: a token, `None` for signed out, or that it could not tell now.
pub type TokenFuture =
    Pin<Box<dyn Future<Output = Result<Option<String>, Box<dyn std::error::Error>>> + Send>>;

/// Who connects, and how.
#[derive(Clone)]
pub struct Options {
    /// `user/ID` or `agent/ID`, for a server without a key.
    pub principal: Option<String>,
    /// Asked for a token before every attempt.
    pub token: Option<Arc<dyn Fn() -> TokenFuture + Send + Sync>>,
    /// Names this client instance; random when absent.
    pub client: Option<Id>,
}

impl Options {
    /// An agent, for a server without a key.
    #[must_use]
    pub fn agent(name: &str) -> Self {
        Self { principal: Some(format!("agent/{name}")), token: None, client: None }
    }

    /// A user, for a server without a key.
    #[must_use]
    pub fn user(name: &str) -> Self {
        Self { principal: Some(format!("user/{name}")), token: None, client: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("principal", &self.principal)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// The connection as the app sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionState {
    /// Where it stands.
    pub status: Status,
    /// Why it is closed.
    pub error: Option<Problem>,
}

/// Why a URL is none of a server: it is not `http://HOST[:PORT]` or `ws://HOST[:PORT]`.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidUrl(pub(super) String);

// What a `main` that returns it prints.
impl fmt::Debug for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the URL of a server, http://HOST[:PORT]: {}", self.0)
    }
}

impl std::error::Error for InvalidUrl {}

/// A client of one server. Clones share the connection, which is opened by the first session.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) commands: mpsc::Sender<Command>,
    state: watch::Receiver<ConnectionState>,
}

impl Client {
    /// A client of the server at `url`, such as `http://127.0.0.1:8787`. Opens nothing yet.
    pub fn connect(url: &str, options: Options) -> Result<Self, InvalidUrl> {
        let address = super::socket::address(url)?;
        let client = options.client.unwrap_or_else(random_id);
        let core = core::Client::new(core::Options {
            page: client.clone(),
            client,
            principal: options.principal,
            has_tokens: options.token.is_some(),
            tabs: false,
            keeps: false,
            seed: rand::random(),
        });
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (state, watched) =
            watch::channel(ConnectionState { status: Status::Connecting, error: None });
        let handle = commands.downgrade();
        let driver = Driver::new(core, address, options.token, state, inbox, handle);
        tokio::spawn(driver.run());
        Ok(Self { commands, state: watched })
    }

    /// Follows a session from its start. Fails when the client is closed.
    pub async fn session(&self, id: &SessionId) -> Result<Session, Problem> {
        self.open(id, None).await
    }

    /// The connection's state, to look at or to wait for.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Connects again after a fatal end, or at once when waiting.
    pub async fn reconnect(&self) {
        let _ = self.commands.send(Command::Core(Input::Reconnect)).await;
    }

    /// Closes: everything that waits is refused as `closed`, and workers end once their handlers
    /// have, whose runs are gone. Stops no run.
    pub async fn close(&self) {
        let _ = self.commands.send(Command::Close).await;
    }

    /// Works on an agent's input until the [`Worker`] is dropped. Each input is one call of
    /// `handler`, after its run's start is in the log. What the handler returns ends the run: a
    /// value is its result, an error or a panic ends it `failed`, after a stop it ends `stopped`
    /// whatever is returned.
    pub fn serve<H, F>(&self, agent: &str, options: Serve, handler: H) -> Worker
    where
        H: Fn(Run) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<serde_json::Value>, RunError>> + Send + 'static,
    {
        Worker::start(self.clone(), agent, options, handler)
    }

    pub(super) async fn open(
        &self,
        id: &SessionId,
        producer: Option<Id>,
    ) -> Result<Session, Problem> {
        let (reply, shared) = oneshot::channel();
        let command = Command::Open { session: id.clone(), producer, reply };
        self.commands.send(command).await.map_err(|_| closed())?;
        let shared = shared.await.map_err(|_| closed())?;
        Ok(Session { shared, commands: self.commands.clone() })
    }
}

/// The driver is gone.
pub(super) fn closed() -> Problem {
    Problem::new(ErrorCode::Closed, "the client is closed")
}
