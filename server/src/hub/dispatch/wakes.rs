//! The way of an offer to who was chosen for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Wake;

/// A queue of offers for one connection. It holds those that stand and nobody has looked at, so
/// never more than the connection has slots.
#[must_use]
pub fn wake_queue() -> (WakeSender, Wakes) {
    let queue = Arc::new(Queue::default());
    (WakeSender(Arc::clone(&queue)), Wakes(queue))
}

/// Where the dispatcher puts offers; clones put them into the same queue.
#[derive(Debug, Clone)]
pub struct WakeSender(Arc<Queue>);

/// Where a connection takes them.
#[derive(Debug)]
pub struct Wakes(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// Each with its offer's number.
    wakes: Mutex<VecDeque<(u64, Wake)>>,
    arrived: Notify,
}

impl WakeSender {
    pub(super) fn send(&self, number: u64, wake: Wake) {
        self.0.lock().push_back((number, wake));
        self.0.arrived.notify_one();
    }

    /// An offer stands no more: nobody need hear of it. Whether nobody had.
    pub(super) fn take_back(&self, number: u64) -> bool {
        let mut wakes = self.0.lock();
        let index = wakes.iter().position(|(of, _)| *of == number);
        index.and_then(|index| wakes.remove(index)).is_some()
    }
}

impl Wakes {
    /// The next offer. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Wake {
        loop {
            if let Some(wake) = self.take() {
                return wake;
            }
            self.0.arrived.notified().await;
        }
    }

    /// The next offer, if there is one.
    pub fn take(&mut self) -> Option<Wake> {
        self.0.lock().pop_front().map(|(_, wake)| wake)
    }

    /// All that nobody has looked at, with the numbers of the offers.
    #[cfg(test)]
    pub(super) fn unheard(&self) -> Vec<(u64, Wake)> {
        self.0.lock().iter().cloned().collect()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(u64, Wake)>> {
        // Nothing panics while it is held.
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
