//! What is going to happen, in the order of its time; of one time, in the order it was noted.

use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Agenda<E> {
    events: BTreeMap<(u64, u64), E>,
    noted: u64,
}

impl<E> Agenda<E> {
    pub(super) const fn new() -> Self {
        Self { events: BTreeMap::new(), noted: 0 }
    }

    pub(super) fn note(&mut self, at: u64, event: E) {
        self.noted += 1;
        self.events.insert((at, self.noted), event);
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn take_due(&mut self, now: u64) -> Option<E> {
        let first = self.events.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }
}
