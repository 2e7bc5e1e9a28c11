//! The server's face: WebSocket, HTTP and static files over one listener.

mod agents;
mod append;
mod border;
mod connect;
mod drafts;
mod events;
mod files;
mod listen;
mod ops;
mod problem;
mod request;
mod session_log;
mod sessions;
mod socket;
mod sse;
mod stop;
mod transcript;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use tokio::sync::watch;

pub(crate) use self::listen::{accept, bind};
pub(crate) use self::socket::Groups;
use crate::auth::Borders;
use crate::config::Clocks;
use crate::hub::Hub;
use crate::metrics::Metrics;

/// How far the server is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It takes requests.
    Serving,
    /// It finishes what is under way and takes nothing new.
    Draining,
    /// Everything is answered: connections close.
    Closing,
}

/// Waits until the server is at least so near its end.
async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    // A server that is gone has reached everything.
    let _ = phases.wait_for(|&now| now >= phase).await;
}

/// What every request handler knows.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// The fields of [`App`].
pub(crate) struct Shared {
    pub(crate) hub: Hub,
    pub(crate) borders: Borders,
    pub(crate) clocks: Clocks,
    pub(crate) www: Option<PathBuf>,
    pub(crate) metrics: Metrics,
    pub(crate) groups: Groups,
    pub(crate) phase: watch::Receiver<Phase>,
    /// How many connections are open, upgraded ones too; a shutdown waits for zero.
    pub(crate) open: watch::Sender<usize>,
}

impl App {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Refuses what would append while the server shuts down.
    fn check_serving(&self) -> Result<(), Problem> {
        if *self.phase.borrow() == Phase::Serving {
            return Ok(());
        }
        Err(draining())
    }

    /// Keeps a shutdown waiting until the guard is dropped.
    fn enter(&self) -> Open {
        self.open.send_modify(|open| *open += 1);
        Open(self.clone())
    }
}

impl std::ops::Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// One open connection.
struct Open(App);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open = open.saturating_sub(1));
    }
}

fn draining() -> Problem {
    let mut problem = Problem::new(ErrorCode::Draining, "the server is shutting down");
    problem.retry_after_ms = Some(retry_after_ms());
    problem
}

/// A random wait for clients of a server that shuts down, so that they do not all come back at the
/// same moment.
fn retry_after_ms() -> u64 {
    rand::random_range(0..crate::limits::DRAIN_RETRY_SPREAD_MS)
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .merge(of_one_session(&app))
        .route("/v1/connect", get(connect::connect))
        .route("/v1/sessions", get(sessions::list))
        .route("/v1/agents/{agent}/next", post(agents::next))
        .route("/healthz", get(ops::healthz))
        .route("/readyz", get(ops::readyz))
        .route("/metrics", get(ops::metrics))
        .fallback(files::serve)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(app.clone(), border::guard))
        .with_state(app)
}

/// The routes whose path names a session.
fn of_one_session(app: &App) -> Router<App> {
    let events = get(events::read)
        .head(events::metadata)
        .post(append::append)
        .put(problem::not_supported)
        .delete(problem::not_supported);
    Router::new()
        .route("/v1/sessions/{id}", get(sessions::describe))
        .route("/v1/sessions/{id}/events", events)
        .route("/v1/sessions/{id}/stop", post(stop::stop))
        .route("/v1/sessions/{id}/transcript", get(transcript::transcript))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(app.clone(), session_log::tell))
}
