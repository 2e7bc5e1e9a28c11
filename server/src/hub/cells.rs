//! Which sessions are in memory, or on their way there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use durable_sessions_protocol::id::SessionId;
use tokio::sync::OnceCell;

/// A value for each session, started once, however many ask for it at the same time.
#[derive(Debug)]
pub(super) struct Cells<T>(Mutex<Table<T>>);

type Table<T> = HashMap<SessionId, Arc<OnceCell<T>>>;

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Cells<T> {
    /// The value, if it has started.
    pub(super) fn get(&self, id: &SessionId) -> Option<T> {
        self.lock().get(id).and_then(|cell| cell.get().cloned())
    }

    /// All that have started.
    pub(super) fn all(&self) -> Vec<T> {
        self.lock().values().filter_map(|cell| cell.get().cloned()).collect()
    }

    /// Removes all, those that are just starting too. Returns those that have started.
    pub(super) fn take_all(&self) -> Vec<T> {
        let table = std::mem::take(&mut *self.lock());
        table.values().filter_map(|cell| cell.get().cloned()).collect()
    }

    /// The value, which `start` makes if nobody else does. `Ok(Err(_))`: it left the table while it
    /// started, and may not be used. Of what failed or was given up nothing stays.
    pub(super) async fn get_or_start<E>(
        &self,
        id: &SessionId,
        start: impl Future<Output = Result<T, E>>,
    ) -> Result<Result<T, T>, E> {
        let place = Place::take(self, id);
        let value = place.cell.get_or_try_init(|| start).await?.clone();
        Ok(if place.is_in_table() { Ok(value) } else { Err(value) })
    }
}

impl<T> Cells<T> {
    /// Whether a value has started, nobody is about to get it, and it is as `is_so` says.
    pub(super) fn is_alone(&self, id: &SessionId, is_so: impl FnOnce(&mut T) -> bool) -> bool {
        alone(&mut self.lock(), id).is_some_and(is_so)
    }

    /// Removes what is alone, if `is_gone` says so. Nobody gets it meanwhile.
    pub(super) fn remove_alone(
        &self,
        id: &SessionId,
        is_gone: impl FnOnce(&mut T) -> bool,
    ) -> bool {
        let mut table = self.lock();
        let is_gone = alone(&mut table, id).is_some_and(is_gone);
        if is_gone {
            table.remove(id);
        }
        is_gone
    }

    /// Removes the value that is as `is_it` says, whoever has it; not another one in its place.
    pub(super) fn remove_if(&self, id: &SessionId, is_it: impl FnOnce(&T) -> bool) {
        let mut table = self.lock();
        if table.get(id).and_then(|cell| cell.get()).is_some_and(is_it) {
            table.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table<T>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn alone<'a, T>(table: &'a mut Table<T>, id: &SessionId) -> Option<&'a mut T> {
    Arc::get_mut(table.get_mut(id)?)?.get_mut()
}

/// Somebody who waits for a value. The last one to go without it leaves no empty cell behind.
struct Place<'a, T> {
    cells: &'a Cells<T>,
    id: &'a SessionId,
    cell: Arc<OnceCell<T>>,
}

impl<'a, T> Place<'a, T> {
    fn take(cells: &'a Cells<T>, id: &'a SessionId) -> Self {
        let cell = Arc::clone(cells.lock().entry(id.clone()).or_default());
        Self { cells, id, cell }
    }

    fn is_in_table(&self) -> bool {
        self.cells.lock().get(self.id).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell))
    }
}

impl<T> Drop for Place<'_, T> {
    fn drop(&mut self) {
        if self.cell.initialized() {
            return;
        }
        let mut table = self.cells.lock();
        // Let go of under the lock: of two that leave at once, the second sees that it is the last.
        self.cell = Arc::default();
        if let Some(cell) = table.get_mut(self.id)
            && Arc::get_mut(cell).is_some_and(|cell| !cell.initialized())
        {
            table.remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};

    use futures_util::{FutureExt, pin_mut};

    use super::*;

    fn session() -> SessionId {
        SessionId::parse("s").unwrap()
    }

    fn is_empty(cells: &Cells<u32>) -> bool {
        cells.lock().is_empty()
    }

    #[tokio::test]
    async fn a_start_that_is_given_up_or_fails_leaves_nothing_behind() {
        let (cells, id) = (Cells::<u32>::default(), session());
        let start = cells.get_or_start(&id, pending::<Result<u32, Infallible>>());
        assert!(start.now_or_never().is_none());
        assert!(is_empty(&cells));
        assert_eq!(cells.get_or_start(&id, ready(Err("no"))).await, Err("no"));
        assert!(is_empty(&cells));
    }

    #[tokio::test]
    async fn who_waits_for_a_start_that_is_given_up_starts_in_its_place() {
        let (cells, id) = (Cells::default(), session());
        let mut first = Box::pin(cells.get_or_start(&id, pending::<Result<u32, Infallible>>()));
        assert!(first.as_mut().now_or_never().is_none());
        let second = cells.get_or_start(&id, ready(Ok::<_, Infallible>(2)));
        pin_mut!(second);
        assert!(second.as_mut().now_or_never().is_none(), "the first one may still come");
        drop(first);
        assert_eq!(second.await, Ok(Ok(2)));
        assert_eq!(cells.get_or_start(&id, ready(Ok::<_, Infallible>(3))).await, Ok(Ok(2)));
    }

    #[tokio::test]
    async fn what_left_the_table_while_it_started_is_not_used() {
        let (cells, id) = (Cells::default(), session());
        let (go, gone) = tokio::sync::oneshot::channel();
        let start = cells.get_or_start(&id, gone);
        pin_mut!(start);
        assert!(start.as_mut().now_or_never().is_none());
        assert!(cells.take_all().is_empty());
        assert_eq!(cells.get_or_start(&id, ready(Ok::<_, Infallible>(2))).await, Ok(Ok(2)));
        go.send(1).unwrap();
        assert_eq!(start.await, Ok(Err(1)));
        cells.remove_if(&id, |value| *value == 1);
        assert_eq!(cells.get(&id), Some(2), "the one in its place stays");
    }
}
