//! The default store: a directory of files, kept by the fjall storage engine.
//!
//! One thread commits for all sessions; a commit is one batch of the engine with the sync inside, so
//! the engine shows it to readers only once it is durable. Before the engine opens its files, the
//! guard checks them: it would cut its journal at the first damage without a word.

mod committer;
mod format;
mod guard;
mod health;
mod journal;
mod listing;
mod manifest;
mod marker;
mod opening;
mod rows;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::committer::{Committer, Message, Request};
use self::format::Format;
use self::guard::{Keep, MARKER_FILE, directory};
use self::health::Health;
use self::marker::Marker;
use self::opening::{create, lock, open_engine, store, wait_for_engine};
use self::tables::{Tables, TablesError, View};
use super::{
    AppendError, Batch, BoxFuture, LoadCursor, LogStore, Page, SessionMeta, SessionSummary,
    StoreError,
};

/// Appends that may wait for the committer.
const QUEUE_APPENDS: usize = 4096;
/// Event and note bytes of the appends that may wait; one larger append waits alone.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;
/// Reads that run at the same time; the rest wait in line.
const CONCURRENT_READS: usize = 16;
/// How often a read that met a commit half applied looks again.
const READ_ATTEMPTS: u32 = 5;
/// Pause before it does.
const READ_AGAIN_MS: u64 = 2;

/// A [`LogStore`] in a directory of its own.
///
/// Dropping it waits for the commit in flight. Memory is bounded whatever the number of sessions:
/// 32 MiB of waiting appends, 32 MiB of cached blocks, some 40 MiB of tails and 36 MiB of tables not
/// written out yet, which the engine may hold a few times over while it flushes.
#[derive(Debug)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    state: Mutex<State>,
    /// One reopening at a time.
    reopening: tokio::sync::Mutex<()>,
    reads: Semaphore,
    queue_bytes: Arc<Semaphore>,
    /// Which file is behind a damage met while reading: looked for once.
    damage: OnceLock<StoreError>,
    /// Held as long as the store lives, also while the engine is closed.
    _lock: File,
}

#[derive(Debug)]
enum State {
    Open(Running),
    /// Closed, or being opened again; nothing after this commit may come back.
    Closed {
        answered: u64,
    },
}

#[derive(Debug)]
struct Running {
    handle: Handle,
    committer: JoinHandle<()>,
}

/// What a call needs of the running store.
#[derive(Debug, Clone)]
struct Handle {
    tables: Arc<Tables>,
    queue: mpsc::Sender<Message>,
    health: Arc<Health>,
}

impl EmbeddedStore {
    /// Opens the store in `directory`, making it if it is not there. Blocks while it reads the
    /// journals and up to 1 GiB of tables.
    ///
    /// # Errors
    ///
    /// [`StoreError::Directory`] when the directory cannot be used, [`StoreError::Locked`] when
    /// another process uses it, [`StoreError::Damaged`] with the file when something was lost.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let lock = lock(directory)?;
        create(directory)?;
        let running = start(directory, Keep::Whole)?;
        Ok(Self {
            shared: Arc::new(Shared {
                directory: directory.into(),
                state: Mutex::new(State::Open(running)),
                reopening: tokio::sync::Mutex::new(()),
                reads: Semaphore::new(CONCURRENT_READS),
                queue_bytes: Arc::new(Semaphore::new(QUEUE_BYTES)),
                damage: OnceLock::new(),
                _lock: lock,
            }),
        })
    }

    /// Runs a read on a thread that may block.
    async fn view<T: Send + 'static>(
        &self,
        read: impl Fn(&View<'_>) -> Result<T, TablesError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.shared.reads.acquire().await.map_err(|_| StoreError::Closed)?;
        let handle = self.shared.handle()?;
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || {
            catch_unwind(AssertUnwindSafe(|| read_again(&handle.tables, &read)))
                .unwrap_or_else(|_| Err("the storage engine panicked".into()))
                .map_err(|detail| shared.diagnose(detail))
        });
        task.await.unwrap_or(Err(StoreError::Closed))
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.shared.lock(), State::Closed { answered: 0 });
        if let State::Open(Running { handle, committer }) = state {
            // Without senders the committer ends once the queue is empty.
            drop(handle);
            let _ = committer.join();
        }
    }
}

impl LogStore for EmbeddedStore {
    fn meta(&self, session: &SessionId) -> BoxFuture<'_, Result<Option<SessionMeta>, StoreError>> {
        let session = session.clone();
        Box::pin(self.view(move |view| {
            let Some(row) = view.session(&session)? else {
                return Ok(None);
            };
            Ok(Some(SessionMeta { tail: view.tail(row.number)?, log: row.log }))
        }))
    }

    fn append(
        &self,
        session: &SessionId,
        log: &LogId,
        expected_tail: Offset,
        batch: Batch,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        let (session, log) = (session.clone(), log.clone());
        Box::pin(async move {
            let bytes = u32::try_from(batch.text_bytes().min(QUEUE_BYTES)).unwrap_or(u32::MAX);
            let permit = Arc::clone(&self.shared.queue_bytes).acquire_many_owned(bytes).await;
            let _bytes = permit.map_err(|_| StoreError::Closed)?;
            let (answer, answered) = oneshot::channel();
            let request = Request { session, log, expected_tail, batch, answer, _bytes };
            let queue = self.shared.handle()?.queue;
            queue.send(Message::Append(request)).await.map_err(|_| StoreError::Closed)?;
            drop(queue);
            answered.await.unwrap_or(Err(AppendError::Store(StoreError::Closed)))
        })
    }

    fn read(
        &self,
        session: &SessionId,
        after: Offset,
        limit_bytes: usize,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, StoreError>> {
        let session = session.clone();
        Box::pin(self.view(move |view| match view.session(&session)? {
            Some(row) => view.read(row.number, after, limit_bytes),
            None => Ok(Vec::new()),
        }))
    }

    fn load(
        &self,
        session: &SessionId,
        cursor: Option<LoadCursor>,
    ) -> BoxFuture<'_, Result<Page, StoreError>> {
        let session = session.clone();
        Box::pin(self.view(move |view| match view.session(&session)? {
            Some(row) => view.load(row.number, cursor),
            None => Ok((Vec::new(), None)),
        }))
    }

    fn indexed(&self) -> BoxFuture<'_, Result<Vec<SessionId>, StoreError>> {
        Box::pin(self.view(|view| view.indexed()))
    }

    fn list(
        &self,
        prefix: &str,
        after: Option<&SessionId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SessionSummary>, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        Box::pin(self.view(move |view| view.list(&prefix, after.as_ref(), limit)))
    }

    fn has_complete_indexes(&self) -> BoxFuture<'_, Result<bool, StoreError>> {
        let format = Format::read(&store(&self.shared.directory));
        Box::pin(std::future::ready(format.map(|format| format == Format::Two)))
    }

    fn complete_indexes(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let store = store(&shared.directory);
            let task = tokio::task::spawn_blocking(move || Format::Two.write(&store));
            task.await.unwrap_or(Err(StoreError::Closed))
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let _turn = self.shared.reopening.lock().await;
            let shared = Arc::clone(&self.shared);
            let task = tokio::task::spawn_blocking(move || shared.reopen());
            task.await.unwrap_or(Err(StoreError::Closed))
        })
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self) -> Result<Handle, StoreError> {
        match &*self.lock() {
            State::Open(running) if running.handle.health.is_poisoned() => {
                Err(StoreError::Poisoned)
            }
            State::Open(running) => Ok(running.handle.clone()),
            State::Closed { .. } => Err(StoreError::Poisoned),
        }
    }

    /// Whoever asks meanwhile hears that the store is poisoned.
    fn reopen(&self) -> Result<(), StoreError> {
        let state = std::mem::replace(&mut *self.lock(), State::Closed { answered: 0 });
        let answered = match state {
            State::Open(running) => running.stop(),
            State::Closed { answered } => answered,
        };
        *self.lock() = State::Closed { answered };
        let running = start(&self.directory, Keep::UpTo(answered))?;
        *self.lock() = State::Open(running);
        Ok(())
    }

    /// Turns what the engine says about damage into the file's name.
    fn diagnose(&self, detail: String) -> StoreError {
        let found = || manifest::verify(&store(&self.directory), manifest::Depth::Full).err();
        if let Some(damage) = self.damage.get() {
            return damage.clone();
        }
        match found() {
            Some(damage) => self.damage.get_or_init(|| damage).clone(),
            None => StoreError::Read(detail),
        }
    }
}

impl Running {
    /// Ends the committer; returns the last commit it answered. Reads in flight finish by themselves.
    fn stop(self) -> u64 {
        let Self { handle: Handle { tables, queue, health }, committer } = self;
        health.poison();
        // A committer that is gone needs no message.
        let _ = queue.blocking_send(Message::Stop);
        // Its panics were answered with an error.
        let _ = committer.join();
        drop(tables);
        health.answered()
    }
}

fn start(path: &Path, keep: Keep) -> Result<Running, StoreError> {
    let store = store(path);
    wait_for_engine(&store)?;
    let checked = guard::check(&store, keep)?;
    let damaged = |detail| StoreError::Damaged { path: store.clone(), detail };
    let tables = open_engine(&store).map_err(|detail| {
        // Reading everything may find the file the engine does not name.
        let found = manifest::verify(&store, manifest::Depth::Full);
        found.err().unwrap_or_else(|| damaged(detail))
    })?;
    let last = tables.view().commit().map_err(|error| damaged(error.to_string()))?;
    if last.number < checked.commit {
        let (found, answered) = (last.number, checked.commit);
        return Err(damaged(format!("commit {answered} was answered, but it ends at {found}")));
    }
    let mut marker = Marker::open(&store.join(MARKER_FILE)).map_err(directory(&store))?;
    marker.write(last.number).and_then(|()| marker.sync()).map_err(directory(&store))?;
    let (tables, health) = (Arc::new(tables), Arc::new(Health::default()));
    health.answer(last.number);
    let (queue, waiting) = mpsc::channel(QUEUE_APPENDS);
    let committer = Committer::new(Arc::clone(&tables), marker, Arc::clone(&health), last);
    let committer = std::thread::Builder::new()
        .name("log-committer".into())
        .spawn(move || committer.run(waiting))
        .map_err(directory(path))?;
    Ok(Running { handle: Handle { tables, queue, health }, committer })
}

/// The engine may show a commit while it is still applying it; what looks lost then is there a
/// moment later.
fn read_again<T>(
    tables: &Tables,
    read: &impl Fn(&View<'_>) -> Result<T, TablesError>,
) -> Result<T, String> {
    let mut attempt = 1;
    loop {
        match read(&tables.view()) {
            Ok(value) => return Ok(value),
            Err(TablesError::Row(_)) if attempt < READ_ATTEMPTS => {}
            Err(error) => return Err(error.to_string()),
        }
        attempt += 1;
        std::thread::sleep(Duration::from_millis(READ_AGAIN_MS));
    }
}
