//! The tabs of a browser share one socket: the newest of a group takes the place of the one before.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use durable_sessions_protocol::event::Principal;
use durable_sessions_protocol::id::Id;
use tokio::sync::oneshot;

/// The open sockets that named a group, the newest of each. Clones share them.
///
/// A group is its principal's: nobody can close the socket of another by guessing a name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    holders: HashMap<Key, Holder>,
    next_serial: u64,
}

type Key = (Principal, Id);

#[derive(Debug)]
struct Holder {
    /// Tells a socket from a later one of its group.
    serial: u64,
    replaced: oneshot::Sender<()>,
}

impl Groups {
    /// A socket takes its group's place; without a group nobody ever takes it away.
    pub(super) fn enter(&self, principal: &Principal, group: Option<Id>) -> Place {
        let Some(group) = group else { return Place(None) };
        let key = (principal.clone(), group);
        let (to, replaced) = oneshot::channel();
        let mut table = self.lock();
        table.next_serial += 1;
        let serial = table.next_serial;
        let older = table.holders.insert(key.clone(), Holder { serial, replaced: to });
        drop(table);
        if let Some(older) = older {
            // It may be closing already.
            let _ = older.replaced.send(());
        }
        Place(Some(Held { groups: self.clone(), key, serial, replaced }))
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket's place in its group, until it is dropped or a newer socket takes it.
#[derive(Debug)]
pub(super) struct Place(Option<Held>);

#[derive(Debug)]
struct Held {
    groups: Groups,
    key: Key,
    serial: u64,
    replaced: oneshot::Receiver<()>,
}

impl Place {
    /// Returns when a newer socket of the group has come.
    pub(super) async fn taken(&mut self) {
        match &mut self.0 {
            // Only a newer socket takes the sender out of the table, and it sends.
            Some(held) => drop((&mut held.replaced).await),
            None => pending().await,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.groups.lock();
        if table.holders.get(&self.key).is_some_and(|holder| holder.serial == self.serial) {
            table.holders.remove(&self.key);
        }
    }
}
