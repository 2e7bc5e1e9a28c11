//! Whether an open store may still answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fjall::PersistMode;

/// Shared by the committer and everyone who asks.
#[derive(Debug, Default)]
pub(super) struct Health {
    poisoned: AtomicBool,
    answered: AtomicU64,
    /// A test's way to make a written commit fail at its sync.
    #[cfg(test)]
    fail_next_sync: AtomicBool,
}

impl Health {
    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Takes note of a synced commit.
    pub(super) fn answer(&self, commit: u64) {
        self.answered.store(commit, Ordering::Release);
    }

    /// The last synced commit.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// How the next commit is written.
    pub(super) fn durability(&self) -> PersistMode {
        #[cfg(test)]
        if self.fail_next_sync.load(Ordering::Acquire) {
            return PersistMode::Buffer;
        }
        PersistMode::SyncData
    }

    /// Fails when a test asked for it.
    pub(super) fn check_sync(&self) -> Result<(), fjall::Error> {
        #[cfg(test)]
        if self.fail_next_sync.swap(false, Ordering::AcqRel) {
            return Err(std::io::Error::other("the sync failed, as asked for").into());
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn fail_next_sync(&self) {
        self.fail_next_sync.store(true, Ordering::Release);
    }
}
