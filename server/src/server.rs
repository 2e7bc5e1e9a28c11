//! A server from its configuration to its end.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::auth::Borders;
use crate::config::{Config, Store};
use crate::http::{self, App, Groups, Phase, Shared};
use crate::hub::{Hub, HubConfig};
use crate::limits::DRAIN_TIMEOUT_MS;
use crate::log::{EmbeddedStore, LogStore, MemoryStore, StoreError};
use crate::metrics::Metrics;

/// Why a server did not start. The text is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Others could reach the server, and it would believe anything they say.
    #[error(
        "refusing to listen on {0}: without a key anybody who can reach the server may claim to be anyone; listen on 127.0.0.1, or add --insecure"
    )]
    NotLoopback(SocketAddr),
    /// The address is taken or not this machine's.
    #[error(
        "cannot listen on {address}: {error}; --listen takes another address, and port 0 a free port"
    )]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The directory of static files is not there.
    #[error("cannot serve files from {}: it is not a directory", .0.display())]
    Www(PathBuf),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
    phase: watch::Sender<Phase>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the store the configuration names and listens.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        check(&config)?;
        let store: Arc<dyn LogStore> = match config.store {
            Store::Embedded => Arc::new(open_embedded(config.data.clone()).await?),
            Store::Memory => Arc::new(MemoryStore::new()),
        };
        Self::start_on(config, store).await
    }

    /// The same on a store that is open already.
    pub async fn start_on(config: Config, store: Arc<dyn LogStore>) -> Result<Self, StartError> {
        check(&config)?;
        let failed = |error| StartError::Listen { address: config.listen, error };
        let listener = http::bind(config.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let metrics = Metrics::default();
        let hub = HubConfig {
            default_agent: config.default_agent,
            idle_unload_ms: config.idle_unload_ms,
            checkpoint_min_entries: config.checkpoint_min_entries,
            sessions: metrics.sessions.clone(),
        };
        let hub = Hub::open(store, hub).await?;
        let (phase, phases) = watch::channel(Phase::Serving);
        let app = App::new(Shared {
            hub,
            borders: Borders { allow_origins: config.allow_origins, any_host: config.insecure },
            clocks: config.clocks,
            www: config.www,
            metrics,
            groups: Groups::default(),
            phase: phases,
            open: watch::Sender::new(0),
        });
        Ok(Self { listener, address, app, phase })
    }

    /// Where it listens; the port is never 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done, then finishes what is under way and closes.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, app, phase, .. } = self;
        let accepting =
            tokio::spawn(http::accept(listener, app.clone(), http::router(app.clone())));
        shutdown.await;

        // Clients hear of it before the first answer that says `draining`.
        phase.send_replace(Phase::Draining);
        let limit = Duration::from_millis(DRAIN_TIMEOUT_MS);
        let _ = accepting.await;
        let _ = timeout(limit, app.hub.drain()).await;
        phase.send_replace(Phase::Closing);
        let mut open = app.open.subscribe();
        // A connection that is still open then ends with the process.
        let _ = timeout(limit, open.wait_for(|&open| open == 0)).await;
    }
}

/// Opening reads and syncs files, so it is done aside.
async fn open_embedded(directory: PathBuf) -> Result<EmbeddedStore, StoreError> {
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(&directory)).await;
    opened.unwrap_or(Err(StoreError::Closed))
}

/// What can be told before anything is opened.
fn check(config: &Config) -> Result<(), StartError> {
    if !config.insecure && !config.listen.ip().is_loopback() {
        return Err(StartError::NotLoopback(config.listen));
    }
    match &config.www {
        Some(www) if !www.is_dir() => Err(StartError::Www(www.clone())),
        Some(_) | None => Ok(()),
    }
}
