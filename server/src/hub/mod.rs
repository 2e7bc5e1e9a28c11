//! Sessions in memory: one actor each, started once, and what all of them share.

mod actor;
mod alarms;
mod cells;
mod checkpoints;
mod chunk;
mod clock;
mod dispatch;
mod live;
mod load;
mod presence;
mod reader;
mod ring;
mod session;
pub mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use durable_sessions_protocol::error::{ErrorCode, Problem, SideEffects};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::sync::{Semaphore, mpsc};

use self::actor::{Actor, Command, Ended, MAILBOX_MAX_COMMANDS};
use self::alarms::{Alarm, Alarms};
use self::cells::Cells;
pub use self::chunk::Chunk;
use self::clock::Clock;
use self::dispatch::Dispatcher;
pub use self::dispatch::{Parked, Patterns, Service, Task, Wake, WakeSender, Wakes, wake_queue};
use self::live::Live;
use self::load::Loaded;
pub use self::presence::{Device, Presence, Present};
pub use self::reader::{Reader, ReaderClosed};
pub use self::session::Session;
pub use self::state::{
    Connection, Description, OpenRun, Part, Publish, Published, Refusal, State, Writer,
};
use crate::limits::{CHECKPOINT_MIN_ENTRIES, SESSION_IDLE_UNLOAD_MS, SESSION_LOADS_AT_ONCE};
use crate::log::{AppendError, LogStore, SessionSummary, StoreError};
use crate::metrics::Gauge;

/// How often a failed store is tried again.
const REOPEN_RETRY_MS: u64 = 1_000;

/// What the hub is told at its start.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Who answers messages that name nobody.
    pub default_agent: Id,
    /// How long a session that nobody uses stays in memory, in milliseconds.
    pub idle_unload_ms: u64,
    /// A session's state is written down after so many events, or more if it is large.
    pub checkpoint_min_entries: u64,
    /// Counts the sessions in memory.
    pub sessions: Gauge,
}

impl HubConfig {
    /// The limits of [`crate::limits`].
    #[must_use]
    pub fn new(default_agent: Id) -> Self {
        Self {
            default_agent,
            idle_unload_ms: SESSION_IDLE_UNLOAD_MS,
            checkpoint_min_entries: CHECKPOINT_MIN_ENTRIES,
            sessions: Gauge::default(),
        }
    }
}

/// All sessions of a server. Clones share them.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    store: Arc<dyn LogStore>,
    config: HubConfig,
    clock: Clock,
    dispatcher: Dispatcher,
    /// A session leaves when only this table knows it.
    sessions: Cells<Session>,
    alarms: Alarms,
    /// Turns of those who load sessions that nobody asked for.
    loads: Arc<Semaphore>,
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
    /// Starts the sessions with running clocks or waiting input, and waits for them for a while; others
    /// start when asked for, and all leave memory again while nobody uses them.
    pub async fn open(store: Arc<dyn LogStore>, config: HubConfig) -> Result<Self, StoreError> {
        let hub = Self(Arc::new(Inner {
            store,
            config,
            clock: Clock::start(),
            dispatcher: Dispatcher::default(),
            sessions: Cells::default(),
            alarms: Alarms::default(),
            loads: Arc::new(Semaphore::new(SESSION_LOADS_AT_ONCE)),
            connections: AtomicU64::new(0),
            is_reopening: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
        }));
        hub.complete_indexes().await?;
        hub.start_indexed().await?;
        tokio::spawn(hub.clone().keep_time());
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
        loop {
            if self.0.is_reopening.load(Ordering::Acquire) {
                return Err(unavailable("the store is being reopened after a failed write"));
            }
            let started = self.0.sessions.get_or_start(id, self.start(id)).await;
            match started.map_err(|error| unavailable(&error.to_string()))? {
                Ok(session) => return Ok(session),
                // The store failed meanwhile. Whoever asks next starts another one, and a session
                // has one actor only.
                Err(session) => session.close(),
            }
        }
    }

    /// The log of a session that has events. The session is not started for it.
    pub async fn log_of(&self, id: &SessionId) -> Result<Option<LogId>, Problem> {
        if let Some(session) = self.live(id).filter(|session| session.tail() > Offset::ZERO) {
            return Ok(Some(session.log().clone()));
        }
        let meta = self.0.store.meta(id).await;
        let meta = meta.map_err(|error| unavailable(&error.to_string()))?;
        Ok(meta.filter(|meta| meta.tail > Offset::ZERO).map(|meta| meta.log))
    }

    /// The session, unless it has no event: a log with nothing but producers' places is none yet.
    pub async fn existing(&self, id: &SessionId) -> Result<Session, Problem> {
        if self.log_of(id).await?.is_none() {
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
        self.0.sessions.get(id)
    }

    /// At most `limit` sessions with events whose ids begin with `prefix`, by id, from the first
    /// behind `after` on. Starts none of them.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>, Problem> {
        let found = self.0.store.list(prefix, after, limit).await;
        found.map_err(|error| unavailable(&error.to_string()))
    }

    /// Whether sessions can be read and written.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.0.is_reopening.load(Ordering::Acquire) && !self.0.is_draining.load(Ordering::Acquire)
    }

    /// Takes no more publishes, and returns when those taken are durable.
    pub async fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Release);
        for session in self.0.sessions.all() {
            session.flush().await;
        }
    }

    fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Acquire)
    }

    async fn start(&self, id: &SessionId) -> Result<Session, StoreError> {
        let Loaded { mut state, checkpoints } = self.load(id).await?;
        let now = self.0.clock.now_ms();
        state.finish_replay(now);
        // From here on nothing waits: the alarm is not lost with a caller that goes away.
        if let Some(alarm) = self.0.alarms.take(id) {
            state.resume_leases(&alarm.leases);
        }
        let store = Arc::clone(&self.0.store);
        let live = Arc::new(Live::new(id.clone(), state.log().clone(), store, state.tail()));
        let (mailbox, commands) = mpsc::channel(MAILBOX_MAX_COMMANDS);
        let actor = Actor {
            hub: self.clone(),
            live: Arc::clone(&live),
            stored_title: state.title().map(str::to_owned),
            state,
            mailbox: commands,
            clock: self.0.clock,
            dispatcher: self.0.dispatcher.clone(),
            checkpoints,
            is_report_due: false,
            deadline: None,
            idle_at: self.idle_at(now),
            _open: self.0.config.sessions.enter(),
        };
        let hub = self.clone();
        let ended_live = Arc::clone(&live);
        tokio::spawn(async move {
            let ended = actor.run().await;
            hub.ended(&ended_live, ended);
        });
        Ok(Session::new(self.clone(), live, mailbox))
    }

    /// When a session that is used now may leave.
    fn idle_at(&self, now: u64) -> u64 {
        // Whoever looks again at once would do nothing else.
        now.saturating_add(self.0.config.idle_unload_ms.max(1))
    }

    /// Whether nobody has a handle of the session or asked it anything.
    fn is_unused(&self, live: &Arc<Live>, mailbox: &mpsc::Receiver<Command>) -> bool {
        self.0.sessions.is_alone(live.id(), |session| is_unused(session, live, mailbox))
    }

    /// Lets go of a session, unless somebody uses it: as no handle is left and none can be made
    /// meanwhile, whoever asks from now on starts it anew. Returns whether it did.
    fn unload(
        &self,
        live: &Arc<Live>,
        mailbox: &mpsc::Receiver<Command>,
        alarm: Option<Alarm>,
    ) -> bool {
        self.0.sessions.remove_alone(live.id(), |session| {
            let is_unused = is_unused(session, live, mailbox);
            if is_unused && let Some(alarm) = alarm {
                self.0.alarms.set(live.id(), alarm);
            }
            is_unused
        })
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
                self.0.sessions.remove_if(live.id(), |session| session.is_of(live));
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
            for session in hub.0.sessions.take_all() {
                session.close();
            }
            hub.0.dispatcher.forget_sessions();
            hub.0.alarms.clear();
            while let Err(error) = hub.0.store.reopen().await {
                eprintln!("cannot reopen the store, trying again: {error}");
                tokio::time::sleep(Duration::from_millis(REOPEN_RETRY_MS)).await;
            }
            hub.0.is_reopening.store(false, Ordering::Release);
            while let Err(error) = hub.start_indexed().await {
                eprintln!("cannot read the store, trying again: {error}");
                tokio::time::sleep(Duration::from_millis(REOPEN_RETRY_MS)).await;
            }
        });
    }
}

fn is_unused(session: &mut Session, live: &Arc<Live>, mailbox: &mpsc::Receiver<Command>) -> bool {
    // What a handle asked before it was dropped still waits in the mailbox.
    session.is_unused(live) && mailbox.is_empty()
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
