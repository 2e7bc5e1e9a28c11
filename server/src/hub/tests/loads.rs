//! Sessions that nobody asked for come into memory some at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use durable_sessions_protocol::event::{Draft, Principal};
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{ask, data, id, open, pass, session};
use crate::hub::alarms::LOAD_RETRY_MS;
use crate::hub::{Hub, HubConfig, Publish, State, Writer};
use crate::limits::{SESSION_LOADS_AT_ONCE, START_LOADS_WAIT_MS};
use crate::log::{
    AppendError, Batch, BoxFuture, LoadCursor, LogStore, MemoryStore, Page, SessionMeta,
    SessionSummary, StoreError,
};

const LOAD_MS: u64 = 10;
const MINUTE_MS: u64 = 60_000;
/// For loads and clocks that are read late.
const MARGIN_MS: u64 = 100;
/// Sessions whose loads neither hang nor fail.
const OTHERS: usize = 100;

/// A store whose loads take a while.
#[derive(Debug)]
struct SlowStore {
    inner: MemoryStore,
    /// Whether the loads of `hangs` hang.
    is_stuck: watch::Sender<bool>,
    /// How often loads of `fails` fail.
    failures: AtomicUsize,
    /// How often loads of `panics` panic.
    panics: AtomicUsize,
    /// How often a write fails, and then the list of sessions.
    failures_to_append: AtomicUsize,
    failures_to_list: AtomicUsize,
    loading: AtomicUsize,
    most_loading: AtomicUsize,
}

impl SlowStore {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(),
            is_stuck: watch::Sender::new(false),
            failures: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            failures_to_append: AtomicUsize::new(0),
            failures_to_list: AtomicUsize::new(0),
            loading: AtomicUsize::new(0),
            most_loading: AtomicUsize::new(0),
        })
    }
}

impl LogStore for SlowStore {
    fn load(
        &self,
        session: &SessionId,
        cursor: Option<LoadCursor>,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        let session = session.clone();
        Box::pin(async move {
            let loading = self.loading.fetch_add(1, Ordering::Relaxed) + 1;
            self.most_loading.fetch_max(loading, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(LOAD_MS)).await;
            if session.as_str() == "hangs" {
                self.is_stuck.subscribe().wait_for(|is_stuck| !is_stuck).await.unwrap();
            }
            self.loading.fetch_sub(1, Ordering::Relaxed);
            if session.as_str() == "fails" {
                one_less(&self.failures)?;
            }
            if session.as_str() == "panics" {
                one_less(&self.panics).unwrap();
            }
            self.inner.load(&session, cursor).await
        })
    }

    fn meta(&self, session: &SessionId) -> BoxFuture<'_, Result<Option<SessionMeta>, StoreError>> {
        self.inner.meta(session)
    }

    fn append(
        &self,
        session: &SessionId,
        log: &LogId,
        expected_tail: Offset,
        batch: Batch,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        match one_less(&self.failures_to_append) {
            Ok(()) => self.inner.append(session, log, expected_tail, batch),
            Err(error) => Box::pin(async { Err(AppendError::Store(error)) }),
        }
    }

    fn read(
        &self,
        session: &SessionId,
        after: Offset,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<bytes::Bytes>, StoreError>> {
        self.inner.read(session, after, limit_bytes)
    }

    fn indexed(&self) -> BoxFuture<'_, Result<Vec<SessionId>, StoreError>> {
        match one_less(&self.failures_to_list) {
            Ok(()) => self.inner.indexed(),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SessionSummary>, StoreError>> {
        self.inner.list(prefix, after, limit)
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.reopen()
    }
}

/// Fails while there are failures left.
fn one_less(failures: &AtomicUsize) -> Result<(), StoreError> {
    let left = failures.load(Ordering::Relaxed).checked_sub(1);
    left.map_or(Ok(()), |left| {
        failures.store(left, Ordering::Relaxed);
        Err(StoreError::Read("as asked for".into()))
    })
}

/// A store with sessions whose runs have leases of an hour.
async fn filled(names: impl Iterator<Item = String>) -> Arc<SlowStore> {
    let store = SlowStore::new();
    for name in names {
        let log = LogId::parse("log").unwrap();
        let mut state = State::new(log.clone(), id("assistant"));
        let start = r#"{"kind":"run.started","run":"r","agent":"a","id":"x","lease_ms":3600000}"#;
        let publish = Publish {
            writer: Writer { principal: Principal::parse("agent/a").unwrap(), connection: None },
            log: None,
            producer: None,
            declare_epoch: true,
            drafts: Ok(vec![Draft::parse(start).unwrap()]),
        };
        state.publish(publish, 1).unwrap();
        let batch = state.take_batch().unwrap();
        store.inner.append(&session(&name), &log, Offset::ZERO, batch).await.unwrap();
    }
    store
}

/// Those that come, one that hangs and one that fails.
fn names() -> impl Iterator<Item = String> {
    let others = (0..OTHERS).map(|n| format!("s{n}"));
    ["fails".to_owned(), "hangs".to_owned()].into_iter().chain(others)
}

async fn has_ended(store: &SlowStore, name: &str) -> bool {
    store.inner.meta(&session(name)).await.unwrap().unwrap().tail.as_u64() == 2
}

#[tokio::test(start_paused = true)]
async fn a_start_loads_so_many_sessions_at_a_time_and_no_more() {
    let store = filled((0..OTHERS).map(|n| format!("s{n}"))).await;
    let begin = Instant::now();
    let (_hub, config) = open(&store).await;
    assert_eq!(config.sessions.value(), OTHERS as u64);
    assert_eq!(store.most_loading.load(Ordering::Relaxed), SESSION_LOADS_AT_ONCE);
    let turns = OTHERS.div_ceil(SESSION_LOADS_AT_ONCE) as u64;
    assert!(
        begin.elapsed() <= Duration::from_millis(turns * (LOAD_MS + 1)),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_or_fails_at_the_start_holds_up_no_other() {
    let store = filled(names()).await;
    store.is_stuck.send_replace(true);
    store.failures.store(1, Ordering::Relaxed);
    let config = HubConfig::new(id("assistant"));
    let opening = tokio::spawn(Hub::open(Arc::<SlowStore>::clone(&store), config.clone()));
    pass(START_LOADS_WAIT_MS / 2).await;
    assert_eq!(config.sessions.value(), OTHERS as u64);
    assert!(!opening.is_finished(), "it serves when it knows what waits");
    pass(START_LOADS_WAIT_MS / 2 + MARGIN_MS).await;
    assert!(opening.is_finished(), "or when it has waited long enough");
    let hub = opening.await.unwrap().unwrap();
    let is_live = |name| hub.live(&session(name)).is_some();
    assert!(!is_live("hangs") && !is_live("fails"));
    store.is_stuck.send_replace(false);
    pass(MARGIN_MS).await;
    assert!(is_live("hangs"), "it comes behind the start");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_or_fails_when_a_clock_runs_out_holds_up_no_other() {
    let store = filled(names()).await;
    let (_hub, config) = open(&store).await;
    pass(2 * MINUTE_MS).await;
    assert_eq!(config.sessions.value(), 0);
    store.most_loading.store(0, Ordering::Relaxed);
    store.is_stuck.send_replace(true);
    store.failures.store(2, Ordering::Relaxed);
    pass(58 * MINUTE_MS + 1_000).await;
    for name in names().filter(|name| name.starts_with('s')) {
        assert!(has_ended(&store, &name).await, "{name}");
    }
    assert!(!has_ended(&store, "hangs").await && !has_ended(&store, "fails").await);
    assert_eq!(store.most_loading.load(Ordering::Relaxed), SESSION_LOADS_AT_ONCE);
    pass(MINUTE_MS).await;
    pass(LOAD_RETRY_MS).await;
    assert!(has_ended(&store, "fails").await, "it was tried again");
    assert!(!has_ended(&store, "hangs").await);
    store.is_stuck.send_replace(false);
    pass(1_000).await;
    assert!(has_ended(&store, "hangs").await);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_load_at_the_start_comes_when_it_is_tried_again() {
    let store = filled(["fails", "panics"].map(str::to_owned).into_iter()).await;
    store.failures.store(1, Ordering::Relaxed);
    store.panics.store(2, Ordering::Relaxed);
    let (hub, _) = open(&store).await;
    let is_live = |name| hub.live(&session(name)).is_some();
    assert!(!is_live("fails") && !is_live("panics"));
    pass(LOAD_RETRY_MS + MARGIN_MS).await;
    assert!(is_live("fails") && !is_live("panics"));
    pass(LOAD_RETRY_MS + MARGIN_MS).await;
    assert!(is_live("panics"));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_never_loads_is_tried_again_and_again_with_a_pause() {
    const TRIES: usize = 10;
    let store = filled(std::iter::once("fails".to_owned())).await;
    store.failures.store(usize::MAX, Ordering::Relaxed);
    let (_hub, _) = open(&store).await;
    pass(TRIES as u64 * (LOAD_RETRY_MS + MARGIN_MS)).await;
    assert_eq!(usize::MAX - store.failures.load(Ordering::Relaxed), 1 + TRIES);
}

#[tokio::test(start_paused = true)]
async fn clocks_run_on_after_a_failed_write_though_the_store_cannot_be_listed_at_first() {
    let store = filled(std::iter::once("s0".to_owned())).await;
    let (hub, _) = open(&store).await;
    let other = hub.session(&session("other")).await.unwrap();
    store.failures_to_append.store(1, Ordering::Relaxed);
    store.failures_to_list.store(2, Ordering::Relaxed);
    ask(&other, None, &data("x")).await.await.expect_err("no word of what became of it");
    pass(LOAD_RETRY_MS).await;
    assert_eq!(store.failures_to_list.load(Ordering::Relaxed), 0);
    assert!(hub.live(&session("s0")).is_some());
}
