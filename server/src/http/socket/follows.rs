//! The sessions a socket follows: one reader each, taken in turn.

use std::collections::HashMap;
use std::sync::Arc;

use durable_sessions_protocol::id::SessionId;
use durable_sessions_protocol::offset::Offset;
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;

use super::window::Window;
use crate::hub::{Chunk, Reader, ReaderClosed};
use crate::log::BoxFuture;
use crate::metrics::GaugeGuard;

/// Everything a socket follows. A session that was just sent goes to the end of the line, so that a
/// long catch-up of one does not hold up the others.
#[derive(Default)]
pub(super) struct Follows {
    by_session: HashMap<SessionId, Follow>,
    reads: FuturesUnordered<Abortable<BoxFuture<'static, Read>>>,
    next_serial: u64,
}

/// One followed session.
struct Follow {
    /// Tells this attach from an earlier one of the same session.
    serial: u64,
    window: Window,
    state: State,
    _open: GaugeGuard,
}

enum State {
    /// The reader waits for events; it is in `reads`.
    Reading(AbortHandle),
    /// The client has not seen enough; a chunk that did not fit is held back.
    Full(Reader, Option<Arc<Chunk>>),
}

/// A reader comes back with events.
struct Read {
    session: SessionId,
    serial: u64,
    reader: Reader,
    chunk: Result<Arc<Chunk>, ReaderClosed>,
}

impl Follows {
    /// Follows a session from where the reader stands; an earlier attach of it ends.
    pub(super) fn follow(&mut self, session: &SessionId, reader: Reader, open: GaugeGuard) {
        self.unfollow(session);
        self.next_serial += 1;
        let (serial, window) = (self.next_serial, Window::default());
        let state = self.proceed(session, serial, &window, reader);
        let follow = Follow { serial, window, state, _open: open };
        self.by_session.insert(session.clone(), follow);
    }

    /// Follows a session no more.
    pub(super) fn unfollow(&mut self, session: &SessionId) {
        if let Some(Follow { state: State::Reading(read), .. }) = self.by_session.remove(session) {
            read.abort();
        }
    }

    /// The client has taken a session's events up to an offset.
    pub(super) fn seen(&mut self, session: &SessionId, offset: Offset) {
        let Some(mut follow) = self.by_session.remove(session) else { return };
        follow.window.seen(offset);
        follow.state = match follow.state {
            State::Full(reader, Some(chunk)) if follow.window.admits(chunk.bytes()) => {
                let (session, serial) = (session.clone(), follow.serial);
                let read = Read { session, serial, reader, chunk: Ok(chunk) };
                self.push(Box::pin(std::future::ready(read)))
            }
            State::Full(reader, None) => {
                self.proceed(session, follow.serial, &follow.window, reader)
            }
            state @ (State::Full(..) | State::Reading(_)) => state,
        };
        self.by_session.insert(session.clone(), follow);
    }

    /// The next events to send, of the session that has waited longest; `None` while nothing is
    /// being read. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Result<Arc<Chunk>, ReaderClosed>> {
        loop {
            let Ok(read) = self.reads.next().await? else { continue };
            let Read { session, serial, reader, chunk } = read;
            let Some(mut follow) = self.by_session.remove(&session) else { continue };
            if follow.serial != serial {
                self.by_session.insert(session, follow);
                continue;
            }
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(closed) => return Some(Err(closed)),
            };
            let is_sent = follow.window.admits(chunk.bytes());
            follow.state = if is_sent {
                follow.window.sent(chunk.last(), chunk.bytes());
                self.proceed(&session, serial, &follow.window, reader)
            } else {
                State::Full(reader, Some(Arc::clone(&chunk)))
            };
            self.by_session.insert(session, follow);
            if is_sent {
                return Some(Ok(chunk));
            }
        }
    }

    /// Reads on, if the client has room for more.
    fn proceed(
        &self,
        session: &SessionId,
        serial: u64,
        window: &Window,
        mut reader: Reader,
    ) -> State {
        let Some(room) = window.room() else { return State::Full(reader, None) };
        let session = session.clone();
        self.push(Box::pin(async move {
            let chunk = reader.next(room).await;
            Read { session, serial, reader, chunk }
        }))
    }

    fn push(&self, read: BoxFuture<'static, Read>) -> State {
        let (handle, registration) = AbortHandle::new_pair();
        self.reads.push(Abortable::new(read, registration));
        State::Reading(handle)
    }
}
