//! Sessions in memory: one actor each, started once, and what all of them share.

mod actor;
mod chunk;
mod clock;
mod dispatch;
mod live;
mod presence;
mod reader;
mod ring;
mod session;
pub mod state;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use durable_sessions_protocol::error::{ErrorCode, Problem, SideEffects};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::sync::{OnceCell, mpsc};

use self::actor::{Actor, Ended, MAILBOX_MAX_COMMANDS};
pub use self::chunk::Chunk;
use self::clock::Clock;
use self::dispatch::Dispatcher;
pub use self::dispatch::{Parked, Patterns, Service, Task, Wake, WakeSender, Wakes, wake_queue};
use self::live::Live;
pub use self::presence::{Device, Presence, Present};
pub use self::reader::{Reader, ReaderClosed};
pub use self::session::Session;
pub use self::state::{
    Connection, Description, OpenRun, Publish, Published, Refusal, State, Writer,
};
use crate::log::{AppendError, LogStore, StoreError};

/// How often a failed store is tried again.
const REOPEN_RETRY_MS: u64 = 1_000;

/// What the hub is told at its start.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Who answers messages that name nobody.
    pub default_agent: Id,
}

/// All sessions of a server. Clones share them.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    store: Arc<dyn LogStore>,
    config: HubConfig,
    clock: Clock,
    dispatcher: Dispatcher,
    /// Each session starts once, however many ask for it at the same time.
    sessions: Mutex<HashMap<SessionId, Arc<OnceCell<Session>>>>,
    connections: AtomicU64,
    is_reopening: AtomicBool,
    is_draining: AtomicBool,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Hub {
    /// Starts the sessions with running clocks or waiting input; others start when asked for.
    pub async fn open(store: Arc<dyn LogStore>, config: HubConfig) -> Result<Self, StoreError> {
        let hub = Self(Arc::new(Inner {
            store,
            config,
            clock: Clock::start(),
            dispatcher: Dispatcher::default(),
            sessions: Mutex::default(),
            connections: AtomicU64::new(0),
            is_reopening: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
        }));
        hub.start_indexed().await?;
        Ok(hub)
    }

    /// Counts a new WebSocket connection; `client` is what its `hello` said.
    #[must_use]
    pub fn connect(&self, client: Option<Id>) -> Connection {
        let number = self.0.connections.fetch_add(1, Ordering::Relaxed) + 1;
        Connection { number, client }
    }

    /// A connection is gone: its offers to work end.
    pub fn disconnect(&self, connection: &Connection) {
        self.0.dispatcher.disconnect(connection);
    }

    /// A connection offers to work on an agent's input; with no slots it withdraws.
    pub fn serve(&self, connection: &Connection, service: Service, wakes: &WakeSender) {
        self.0.dispatcher.serve(connection, service, wakes);
    }

    /// A request waits for one piece of work, in place of a connection.
    #[must_use]
    pub fn park(&self, agent: Id, sessions: Patterns) -> Parked {
        let service = Service { agent, sessions, slots: 1, producer: None };
        Parked::new(&self.0.dispatcher, self.connect(None), service)
    }

    /// The session, from the store, or made in memory: it lasts with its first event.
    pub async fn session(&self, id: &SessionId) -> Result<Session, Problem> {
        if self.0.is_reopening.load(Ordering::Acquire) {
            return Err(unavailable("the store is being reopened after a failed write"));
        }
        let cell = Arc::clone(self.lock().entry(id.clone()).or_default());
        let session = cell.get_or_try_init(|| self.start(id)).await;
        session.cloned().map_err(|error| {
            let mut sessions = self.lock();
            if sessions.get(id).is_some_and(|current| Arc::ptr_eq(current, &cell)) {
                sessions.remove(id);
            }
            unavailable(&error.to_string())
        })
    }

    /// The session, unless it has no event: a log with nothing but producers' places is none yet.
    pub async fn existing(&self, id: &SessionId) -> Result<Session, Problem> {
        let mut has_events = self.live(id).is_some_and(|session| session.tail() > Offset::ZERO);
        if !has_events {
            let meta = self.0.store.meta(id).await;
            let meta = meta.map_err(|error| unavailable(&error.to_string()))?;
            has_events = meta.is_some_and(|meta| meta.tail > Offset::ZERO);
        }
        if !has_events {
            return Err(Problem::new(
                ErrorCode::NotFound,
                format!("there is no session {id}: it begins with its first event"),
            ));
        }
        self.session(id).await
    }

    /// The session, if it is in memory.
    #[must_use]
    pub fn live(&self, id: &SessionId) -> Option<Session> {
        self.lock().get(id).and_then(|cell| cell.get().cloned())
    }

    /// Whether sessions can be read and written.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.0.is_reopening.load(Ordering::Acquire) && !self.0.is_draining.load(Ordering::Acquire)
    }

    /// Takes no more publishes, and returns when those taken are durable.
    pub async fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Release);
        let sessions: Vec<Session> =
            self.lock().values().filter_map(|cell| cell.get().cloned()).collect();
        for session in sessions {
            session.flush().await;
        }
    }

    fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Acquire)
    }

    async fn start_indexed(&self) -> Result<(), StoreError> {
        for id in self.0.store.indexed().await? {
            // A session that cannot be read stays closed; who asks for it is told why.
            let _ = self.session(&id).await;
        }
        Ok(())
    }

    async fn start(&self, id: &SessionId) -> Result<Session, StoreError> {
        let stored = self.0.store.meta(id).await?;
        let log = stored.map_or_else(random_log_id, |meta| meta.log);
        let mut state = State::new(log.clone(), self.0.config.default_agent.clone());
        let mut cursor = None;
        loop {
            let (entries, next) = self.0.store.load(id, cursor).await?;
            for entry in &entries {
                state.replay(entry).map_err(|problem| StoreError::Read(problem.to_string()))?;
            }
            if next.is_none() {
                break;
            }
            cursor = next;
        }
        state.finish_replay(self.0.clock.now_ms());
        let live = Arc::new(Live::new(id.clone(), log, Arc::clone(&self.0.store), state.tail()));
        let (mailbox, commands) = mpsc::channel(MAILBOX_MAX_COMMANDS);
        let actor = Actor {
            live: Arc::clone(&live),
            state,
            mailbox: commands,
            clock: self.0.clock,
            dispatcher: self.0.dispatcher.clone(),
            is_report_due: false,
        };
        let hub = self.clone();
        let ended_live = Arc::clone(&live);
        tokio::spawn(async move {
            let ended = actor.run().await;
            hub.ended(&ended_live, ended);
        });
        Ok(Session::new(self.clone(), live, mailbox))
    }

    fn ended(&self, live: &Arc<Live>, ended: Ended) {
        let Ended::Failed(error) = ended else { return };
        if live.is_closed() {
            return;
        }
        eprintln!("session {}: {error}", live.id());
        live.close();
        match error {
            AppendError::Moved { .. } => {
                self.lock().remove(live.id());
            }
            AppendError::Store(_) => self.reopen(),
        }
    }

    /// The store failed: nothing in memory can be trusted. Drops it all and starts over.
    fn reopen(&self) {
        if self.0.is_reopening.swap(true, Ordering::AcqRel) {
            return;
        }
        let hub = self.clone();
        tokio::spawn(async move {
            let sessions = std::mem::take(&mut *hub.lock());
            for session in sessions.values().filter_map(|cell| cell.get()) {
                session.close();
            }
            hub.0.dispatcher.forget_sessions();
            while let Err(error) = hub.0.store.reopen().await {
                eprintln!("cannot reopen the store, trying again: {error}");
                tokio::time::sleep(Duration::from_millis(REOPEN_RETRY_MS)).await;
            }
            hub.0.is_reopening.store(false, Ordering::Release);
            if let Err(error) = hub.start_indexed().await {
                eprintln!("cannot read the store: {error}");
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<OnceCell<Session>>>> {
        // Nothing panics while it is held.
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random_log_id() -> LogId {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes: [u8; 16] = rand::random();
    let text: String = bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| HEX.get(usize::from(digit)).map(|&c| char::from(c)))
        .collect();
    // 32 hexadecimal digits are an id.
    LogId::parse(&text).unwrap_or_else(|_| unreachable!("hexadecimal digits are an id"))
}

fn unavailable(detail: &str) -> Problem {
    let mut problem = Problem::new(ErrorCode::Unavailable, detail);
    problem.side_effects = SideEffects::None;
    problem
}
