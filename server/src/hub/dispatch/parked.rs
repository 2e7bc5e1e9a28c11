//! A request that waits for one piece of work, in place of a connection.

use super::{Dispatcher, Service, Wake, Wakes, wake_queue};
use crate::hub::state::Connection;

/// Waits for work. Dropping it gives back what it was offered and did not settle: that is offered
/// on at once.
#[derive(Debug)]
pub struct Parked {
    dispatcher: Dispatcher,
    connection: Connection,
    wakes: Wakes,
    is_settled: bool,
}

impl Parked {
    /// Waits in place of `connection`, a number that nothing else has. `service.slots` is 1.
    pub(in crate::hub) fn new(
        dispatcher: &Dispatcher,
        connection: Connection,
        service: Service,
    ) -> Self {
        let (sender, wakes) = wake_queue();
        dispatcher.park(&connection, service, &sender);
        Self { dispatcher: dispatcher.clone(), connection, wakes, is_settled: false }
    }

    /// What it is offered; one at most. Dropping the future loses nothing.
    pub async fn offered(&mut self) -> Wake {
        self.wakes.next().await
    }

    /// The work was claimed, by whomever: the session will say so. Until then it is offered to
    /// nobody else.
    pub fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        if !self.is_settled {
            self.dispatcher.disconnect(&self.connection);
        }
    }
}
