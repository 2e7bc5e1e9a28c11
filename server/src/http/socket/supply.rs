//! What a socket sends when it can take more: what goes on in the sessions it follows and the
//! pages it asked for, in turn.

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::frame::RequestId;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::fetches::{Fetched, Fetches};
use super::follows::Follows;
use crate::hub::{Hub, ReaderClosed};

/// Everything that waits for room in a socket, beside control frames.
#[derive(Default)]
pub(super) struct Supply {
    pub(super) follows: Follows,
    pub(super) fetches: Fetches,
}

/// What comes next.
pub(super) enum Supplied {
    /// A frame to send.
    Frame(Utf8Bytes),
    /// A fetch that cannot be answered.
    Refused(Option<RequestId>, Problem),
    /// A followed session is closed.
    Closed,
}

impl Supply {
    /// The next frame, in no order but each session's own: neither a long catch-up nor a flood of
    /// fetches holds up the other. `None` while nothing is to come. Dropping the future loses
    /// nothing.
    pub(super) async fn next(&mut self, hub: &Hub) -> Option<Supplied> {
        // Both are ready at times; which goes first is left to chance.
        tokio::select! {
            Some(frame) = self.follows.next() => Some(match frame {
                Ok(frame) => Supplied::Frame(frame),
                Err(ReaderClosed) => Supplied::Closed,
            }),
            Some(Fetched { request, page }) = self.fetches.next(hub) => Some(match page {
                Ok(page) => Supplied::Frame(page),
                Err(problem) => Supplied::Refused(request, problem),
            }),
            else => None,
        }
    }
}
