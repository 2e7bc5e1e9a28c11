//! The files of a store before the storage engine is open: taking, making and waiting for them.

use std::fs::{self, File, TryLockError};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::format::Format;
use super::guard::directory;
use super::tables::Tables;
use crate::log::StoreError;

/// How long a store that opens again waits for reads in flight.
const CLOSE_TIMEOUT_MS: u64 = 10_000;

/// Where the storage engine's files are.
pub(super) fn store(directory: &Path) -> PathBuf {
    directory.join("store")
}

/// Takes the directory for this process, before anything in it is looked at.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(path).map_err(directory(path))?;
    let file = path.join("lock");
    let lock = File::options().write(true).create(true).truncate(false).open(&file);
    let lock = lock.map_err(directory(&file))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.into() }),
        Err(TryLockError::Error(error)) => Err(directory(path)(error)),
    }
}

/// Makes the store aside and moves it in whole: where it is, each of its files must be.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    if store(path).exists() {
        return Ok(());
    }
    let unfinished = path.join("store.new");
    let make = || {
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        open_engine(&unfinished).map_err(std::io::Error::other)?;
        Format::Two.replace(&unfinished)?;
        fs::rename(&unfinished, store(path))?;
        File::open(path)?.sync_all()
    };
    make().map_err(directory(path))
}

/// Waits until no read in flight has the engine open: the guard may change files.
pub(super) fn wait_for_engine(store: &Path) -> Result<(), StoreError> {
    let deadline = Instant::now() + Duration::from_millis(CLOSE_TIMEOUT_MS);
    let path = store.join("lock");
    let lock = File::options().write(true).create(true).truncate(false).open(&path);
    let lock = lock.map_err(directory(&path))?;
    loop {
        match lock.try_lock() {
            // Dropping the file gives the lock to the engine.
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: store.into() });
            }
            Err(TryLockError::Error(error)) => return Err(directory(&path)(error)),
        }
    }
}

/// The engine panics on some damage; that is an error like the others.
pub(super) fn open_engine(store: &Path) -> Result<Tables, String> {
    match catch_unwind(|| Tables::open(store)) {
        Ok(Ok(tables)) => Ok(tables),
        Ok(Err(error)) => Err(format!("the storage engine refuses it ({error})")),
        Err(_) => Err("the storage engine panicked".into()),
    }
}
