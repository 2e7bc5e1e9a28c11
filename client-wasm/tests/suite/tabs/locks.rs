//! The browser's locks: a queue for each name.

use std::collections::{BTreeMap, VecDeque};

use super::tab::TabId;

/// One request for a lock; a later request of the same tab is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) tab: TabId,
    pub(super) number: u32,
}

#[derive(Debug, Default)]
pub(super) struct Locks(BTreeMap<String, Lock>);

#[derive(Debug, Default)]
struct Lock {
    holder: Option<Holder>,
    queue: VecDeque<Request>,
}

#[derive(Debug, PartialEq, Eq)]
enum Holder {
    Tab(Request),
    /// Something else on the page, which stole it.
    Stranger,
}

impl Locks {
    /// Queues. [`Locks::grant`] may have somebody to tell after it, as after all that follows.
    pub(super) fn request(&mut self, key: &str, request: Request) {
        self.0.entry(key.to_owned()).or_default().queue.push_back(request);
    }

    /// Lets go, or leaves the queue.
    pub(super) fn withdraw(&mut self, request: Request) {
        for lock in self.0.values_mut() {
            lock.queue.retain(|queued| *queued != request);
            lock.holder.take_if(|holder| *holder == Holder::Tab(request));
        }
    }

    pub(super) fn is_held_by(&self, request: Request) -> bool {
        self.0.values().any(|lock| lock.holder == Some(Holder::Tab(request)))
    }

    /// A stranger takes it. Answers from whom.
    pub(super) fn steal(&mut self, key: &str) -> Option<Request> {
        let holder = self.0.get_mut(key)?.holder.replace(Holder::Stranger)?;
        if let Holder::Tab(request) = holder { Some(request) } else { None }
    }

    pub(super) fn return_stolen(&mut self, key: &str) {
        if let Some(lock) = self.0.get_mut(key) {
            lock.holder.take_if(|holder| *holder == Holder::Stranger);
        }
    }

    /// Gives free locks to the first in their queues, who are to be told.
    pub(super) fn grant(&mut self) -> Vec<Request> {
        let free = self.0.values_mut().filter(|lock| lock.holder.is_none());
        let granted = free.filter_map(|lock| {
            let request = lock.queue.pop_front()?;
            lock.holder = Some(Holder::Tab(request));
            Some(request)
        });
        granted.collect()
    }
}
