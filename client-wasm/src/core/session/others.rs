//! The tabs that read a session through this one.

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;

/// Who they are and what they were given.
#[derive(Debug, Default)]
pub(in crate::core) struct Others {
    tabs: Vec<Other>,
    /// The log was passed on up to here.
    pub(in crate::core) passed: Offset,
    /// How many tabs the server was told of; 0 before it was told anything.
    pub(super) tabs_told: u32,
}

#[derive(Debug)]
struct Other {
    tab: Id,
    /// Its `attach` that waits for an answer.
    request: Option<u64>,
}

impl Others {
    pub(in crate::core) const fn is_empty(&self) -> bool {
        self.tabs.is_empty()
    }

    pub(in crate::core) fn has(&self, tab: &Id) -> bool {
        self.tabs.iter().any(|other| other.tab == *tab)
    }

    /// A tab attaches, again perhaps, or reads on without a word.
    pub(in crate::core) fn attach(&mut self, tab: Id, request: Option<u64>) {
        self.remove(&tab);
        self.tabs.push(Other { tab, request });
    }

    /// Answers whether it was there.
    pub(in crate::core) fn remove(&mut self, tab: &Id) -> bool {
        let before = self.tabs.len();
        self.tabs.retain(|other| other.tab != *tab);
        self.tabs.len() < before
    }

    pub(in crate::core) fn clear(&mut self) {
        self.tabs.clear();
    }

    /// The attaches that wait; they are answered now.
    pub(in crate::core) fn take_waiting(&mut self) -> Vec<(Id, u64)> {
        let mut waiting = Vec::new();
        for other in &mut self.tabs {
            if let Some(request) = other.request.take() {
                waiting.push((other.tab.clone(), request));
            }
        }
        waiting
    }

    /// Whether what ends at `last` is new to them.
    pub(in crate::core) fn pass(&mut self, last: Offset) -> bool {
        let is_new = last > self.passed;
        self.passed = self.passed.max(last);
        is_new && !self.is_empty()
    }
}
