//! Where a reader stands in a log, and the one rule by which batches move it.

use durable_sessions_protocol::id::LogId;
use durable_sessions_protocol::offset::{Offset, Position};

/// The last event taken, and of which log.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    log: Option<LogId>,
    offset: Offset,
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All of it was taken before.
    Drop,
    /// Take it without the first so many events. The cursor has moved.
    Take {
        /// Events that were taken before.
        skip: usize,
    },
    /// Something before it is missing, or it overlaps in a way that cannot be cut.
    Gap,
}

impl Cursor {
    /// A cursor in the log that its owner knows.
    pub(super) const fn after(offset: Offset) -> Self {
        Self { log: None, offset }
    }

    /// Which log it stands in, once known.
    pub(super) const fn log(&self) -> Option<&LogId> {
        self.log.as_ref()
    }

    /// The last offset taken.
    pub(super) const fn offset(&self) -> Offset {
        self.offset
    }

    /// The place to go on from, once the log is known.
    pub(super) fn position(&self) -> Option<Position> {
        Some(Position { log: self.log.clone()?, offset: self.offset })
    }

    /// Begins in a log, before its event `first`.
    pub(super) fn start(&mut self, log: LogId, first: Offset) {
        self.log = Some(log);
        self.offset = first.prev();
    }

    /// Takes a batch that covers `first` to `last` with so many events.
    pub(super) fn step(&mut self, first: Offset, last: Offset, events: usize) -> Step {
        if last <= self.offset || last < first {
            return Step::Drop;
        }
        let skip = if first == self.offset.next() {
            0
        } else if first <= self.offset && is_dense(first, last, events) {
            self.offset.since(first).saturating_add(1)
        } else {
            return Step::Gap;
        };
        self.offset = last;
        Step::Take { skip: usize::try_from(skip).unwrap_or(usize::MAX) }
    }
}

/// Whether each offset of the range has its own event, so that it can be cut between any two.
pub(super) fn is_dense(first: Offset, last: Offset, events: usize) -> bool {
    last.since(first).saturating_add(1) == events as u64
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offset(value: u64) -> Offset {
        Offset::new(value).unwrap()
    }

    /// A batch of a log in which offset n holds event n; a joined one stands for several with one.
    fn batch(first: u64, length: u64, joined: bool) -> (u64, u64, Vec<u64>) {
        let last = first + length - 1;
        (first, last, if joined { vec![last] } else { (first..=last).collect() })
    }

    proptest! {
        #[test]
        fn whatever_batches_come_each_event_is_taken_once_in_order(
            batches in prop::collection::vec((1..60_u64, 1..12_u64, any::<bool>()), 0..80),
        ) {
            let mut cursor = Cursor::default();
            let mut covered = 0;
            for (first, length, joined) in batches {
                let (first, last, events) = batch(first, length, joined);
                match cursor.step(offset(first), offset(last), events.len()) {
                    Step::Drop => prop_assert!(last <= covered),
                    Step::Take { skip } => {
                        let taken = &events[skip..];
                        prop_assert!(first <= covered + 1);
                        if joined && length > 1 {
                            prop_assert_eq!(first, covered + 1);
                        } else {
                            let expected: Vec<u64> = (covered + 1..=last).collect();
                            prop_assert_eq!(taken, expected);
                        }
                        covered = last;
                    }
                    Step::Gap => prop_assert!(
                        first > covered + 1 || (joined && first <= covered && last > covered)
                    ),
                }
                prop_assert_eq!(cursor.offset().as_u64(), covered);
            }
        }
    }

    #[test]
    fn a_batch_that_ends_before_it_begins_is_dropped() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.step(offset(5), offset(4), 0), Step::Drop);
        assert_eq!(cursor.offset(), Offset::ZERO);
    }
}
