//! When a session's state is written down, so that the next start need not replay its whole log.

use crate::limits::{
    CHECKPOINT_BYTES_PER_ENTRY, CHECKPOINT_UNLOAD_BYTES_PER_ENTRY, CHECKPOINT_UNLOAD_MIN_ENTRIES,
};

/// What stands behind the newest checkpoint of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoints {
    /// Fewer entries never are worth one.
    min_entries: u64,
    /// Events and notes since; all there are without one.
    entries: u64,
    /// How large the newest is.
    bytes: u64,
}

impl Checkpoints {
    /// Of a new log.
    pub(super) fn new(min_entries: u64) -> Self {
        Self { min_entries, entries: 0, bytes: 0 }
    }

    /// So many events and notes more are in the log.
    pub(super) fn grow(&mut self, entries: usize) {
        self.entries += entries as u64;
    }

    /// A checkpoint was read, or goes out with the next batch.
    pub(super) fn written(&mut self, bytes: usize) {
        *self = Self { entries: 0, bytes: bytes as u64, ..*self };
    }

    /// Whether a session at work writes the next one now.
    pub(super) fn is_due(&self) -> bool {
        self.entries >= self.min_entries.max(self.bytes / CHECKPOINT_BYTES_PER_ENTRY)
    }

    /// Whether a session that leaves memory does.
    pub(super) fn is_worth_it_at_the_end(&self) -> bool {
        let large = self.bytes / CHECKPOINT_UNLOAD_BYTES_PER_ENTRY;
        self.entries >= CHECKPOINT_UNLOAD_MIN_ENTRIES.min(self.min_entries).max(large)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_state_is_written_after_so_many_entries_and_a_large_one_more_rarely() {
        let mut checkpoints = Checkpoints::new(4096);
        checkpoints.grow(4095);
        assert!(!checkpoints.is_due());
        checkpoints.grow(1);
        assert!(checkpoints.is_due());
        checkpoints.written(64 * 100_000);
        checkpoints.grow(99_999);
        assert!(!checkpoints.is_due());
        checkpoints.grow(1);
        assert!(checkpoints.is_due());
    }

    #[test]
    fn a_session_that_leaves_is_written_unless_its_replay_is_cheaper() {
        let mut checkpoints = Checkpoints::new(4096);
        checkpoints.grow(63);
        assert!(!checkpoints.is_worth_it_at_the_end());
        checkpoints.grow(1);
        assert!(checkpoints.is_worth_it_at_the_end());
        checkpoints.written(4096 * 1000);
        checkpoints.grow(999);
        assert!(!checkpoints.is_worth_it_at_the_end());
        checkpoints.grow(1);
        assert!(checkpoints.is_worth_it_at_the_end());
    }
}
