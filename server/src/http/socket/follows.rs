//! The sessions a socket follows: one reader each, taken in turn.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use durable_sessions_protocol::id::SessionId;
use durable_sessions_protocol::offset::Offset;
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::window::Window;
use crate::hub::{Chunk, Device, Presence, Present, Reader, ReaderClosed, Session};
use crate::log::BoxFuture;
use crate::metrics::GaugeGuard;

/// Everything a socket follows: the events of sessions, and who else is there. What was just sent
/// goes to the end of the line, so that a long catch-up of one session does not hold up the others.
#[derive(Default)]
pub(super) struct Follows {
    by_session: HashMap<SessionId, Follow>,
    waits: FuturesUnordered<Abortable<BoxFuture<'static, Ready>>>,
    next_serial: u64,
}

/// One followed session.
struct Follow {
    /// Tells this attach from an earlier one of the same session.
    serial: u64,
    window: Window,
    state: State,
    /// Waits for the next `presence`; not of the window, for only the newest is ever sent.
    presence: AbortHandle,
    present: Present,
    _open: GaugeGuard,
}

/// Something comes.
enum Ready {
    Read(Read),
    Presence(Heard),
}

/// Somebody came or went.
struct Heard {
    session: SessionId,
    serial: u64,
    presence: Presence,
    frame: Utf8Bytes,
}

enum State {
    /// The reader waits for events; it is in `waits`.
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
    /// Follows a session with a reader of it, as one device; an earlier attach of it ends.
    pub(super) fn follow(
        &mut self,
        session: &Session,
        reader: Reader,
        device: Device,
        open: GaugeGuard,
    ) {
        let id = session.id();
        let (present, presence) = session.enter(device);
        self.unfollow(id);
        self.next_serial += 1;
        let (serial, window) = (self.next_serial, Window::default());
        let state = self.proceed(id, serial, &window, reader);
        let presence = self.listen(id.clone(), serial, presence);
        let follow = Follow { serial, window, state, presence, present, _open: open };
        self.by_session.insert(id.clone(), follow);
    }

    /// Follows a session no more.
    pub(super) fn unfollow(&mut self, session: &SessionId) {
        let Some(follow) = self.by_session.remove(session) else { return };
        follow.presence.abort();
        if let State::Reading(read) = follow.state {
            read.abort();
        }
    }

    /// The client has taken a session's events up to an offset, in so many tabs.
    pub(super) fn seen(&mut self, session: &SessionId, offset: Offset, tabs: Option<NonZeroU32>) {
        let Some(mut follow) = self.by_session.remove(session) else { return };
        if let Some(tabs) = tabs {
            follow.present.tell_tabs(tabs);
        }
        follow.window.seen(offset);
        follow.state = match follow.state {
            State::Full(reader, Some(chunk)) if follow.window.admits(chunk.bytes()) => {
                let (session, serial) = (session.clone(), follow.serial);
                let read = Read { session, serial, reader, chunk: Ok(chunk) };
                State::Reading(self.push(Box::pin(std::future::ready(Ready::Read(read)))))
            }
            State::Full(reader, None) => {
                self.proceed(session, follow.serial, &follow.window, reader)
            }
            state @ (State::Full(..) | State::Reading(_)) => state,
        };
        self.by_session.insert(session.clone(), follow);
    }

    /// The next frame to send, of the session that has waited longest; `None` while none is
    /// followed. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Result<Utf8Bytes, ReaderClosed>> {
        loop {
            let Ok(ready) = self.waits.next().await? else { continue };
            let Read { session, serial, reader, chunk } = match ready {
                Ready::Read(read) => read,
                Ready::Presence(Heard { session, serial, presence, frame }) => {
                    match self.by_session.get(&session) {
                        Some(follow) if follow.serial == serial => {}
                        Some(_) | None => continue,
                    }
                    let next = self.listen(session.clone(), serial, presence);
                    if let Some(follow) = self.by_session.get_mut(&session) {
                        follow.presence = next;
                    }
                    return Some(Ok(frame));
                }
            };
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
                return Some(Ok(chunk.frame()));
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
        State::Reading(self.push(Box::pin(async move {
            let chunk = reader.next(room).await;
            Ready::Read(Read { session, serial, reader, chunk })
        })))
    }

    /// Waits for the next word of who is there.
    fn listen(&self, session: SessionId, serial: u64, mut presence: Presence) -> AbortHandle {
        self.push(Box::pin(async move {
            match presence.next().await {
                Some(frame) => Ready::Presence(Heard { session, serial, presence, frame }),
                // The session is closed, which the reader tells.
                None => std::future::pending().await,
            }
        }))
    }

    fn push(&self, wait: BoxFuture<'static, Ready>) -> AbortHandle {
        let (handle, registration) = AbortHandle::new_pair();
        self.waits.push(Abortable::new(wait, registration));
        handle
    }
}
