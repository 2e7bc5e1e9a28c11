//! The handle of an open session.

use std::sync::Arc;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::frame::{Member, ProducerClaim, ProducerGrant};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::sync::{mpsc, oneshot};

use super::Hub;
use super::actor::Command;
use super::live::Live;
use super::presence::{Device, Presence, Present, Room};
use super::reader::Reader;
use super::state::{Connection, Description, Part, Publish, Published, Refusal, Writer};

/// An open session. Clones share it, and keep it in memory.
#[derive(Debug, Clone)]
pub struct Session(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    hub: Hub,
    live: Arc<Live>,
    mailbox: mpsc::Sender<Command>,
    room: Arc<Room>,
}

impl Session {
    pub(super) fn new(hub: Hub, live: Arc<Live>, mailbox: mpsc::Sender<Command>) -> Self {
        let room = Room::new(live.id().clone());
        Self(Arc::new(Handle { hub, live, mailbox, room }))
    }

    /// Whether it is of this actor.
    pub(super) fn is_of(&self, live: &Arc<Live>) -> bool {
        Arc::ptr_eq(&self.0.live, live)
    }

    /// Whether it is of this actor, and there is no other handle, reader or guest of it. Without a
    /// handle nobody makes any, so the answer holds for as long as this one is not cloned.
    pub(super) fn is_unused(&mut self, of: &Arc<Live>) -> bool {
        // Not the counts alone: this way what others did before they let go is seen too.
        Arc::get_mut(&mut self.0).is_some_and(|handle| {
            Arc::ptr_eq(&handle.live, of)
                && !of.has_readers()
                && Arc::get_mut(&mut handle.room).is_some()
        })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        self.0.live.id()
    }

    /// Its log's id.
    #[must_use]
    pub fn log(&self) -> &LogId {
        self.0.live.log()
    }

    /// The last durable offset.
    #[must_use]
    pub fn tail(&self) -> Offset {
        self.0.live.tail()
    }

    /// Reads on from a cursor.
    #[must_use]
    pub fn reader(&self, after: Offset) -> Reader {
        Reader::new(Arc::clone(&self.0.live), after)
    }

    /// A device follows the session until the guard is dropped, and hears who else does.
    #[must_use]
    pub fn enter(&self, device: Device) -> (Present, Presence) {
        self.0.room.enter(device)
    }

    /// Who follows the session now, as far as it is listed.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.0.room.members()
    }

    /// Asks for a publish. Commands are taken in the order of these calls; the answer comes when
    /// everything admitted up to it is durable. A receiver whose sender is dropped means that the
    /// store failed: whether the publish took effect is not known.
    pub async fn publish(&self, publish: Publish) -> oneshot::Receiver<Result<Published, Refusal>> {
        let (to, answer) = oneshot::channel();
        if self.0.hub.is_draining() {
            // The receiver is right here.
            let _ = to.send(Err(draining().into()));
        } else {
            self.send(Command::Publish(publish, to)).await;
        }
        answer
    }

    /// Asks for a producer's place.
    pub async fn claim(
        &self,
        writer: Writer,
        claim: ProducerClaim,
    ) -> oneshot::Receiver<Result<ProducerGrant, Problem>> {
        let (to, answer) = oneshot::channel();
        if self.0.hub.is_draining() {
            let _ = to.send(Err(draining()));
        } else {
            self.send(Command::Claim(writer, claim, to)).await;
        }
        answer
    }

    /// A connection named runs.
    pub async fn renew(&self, writer: Writer, runs: Vec<Id>) {
        self.send(Command::Renew(writer, runs)).await;
    }

    /// A connection no longer writes here.
    pub async fn leave(&self, connection: &Connection) {
        self.send(Command::Leave(connection.clone())).await;
    }

    /// Asks what the session looks like.
    pub async fn describe(&self) -> oneshot::Receiver<Description> {
        let (to, answer) = oneshot::channel();
        self.send(Command::Describe(to)).await;
        answer
    }

    /// Asks what to read for the newest messages, `last` of them or all, of those whose first event
    /// is before an offset. What it tells of is durable. `None`: the store failed.
    pub async fn part(&self, last: Option<u64>, before: Option<Offset>) -> Option<Part> {
        let (to, answer) = oneshot::channel();
        self.send(Command::Part(last, before, to)).await;
        answer.await.ok()
    }

    /// Returns when all that was asked before is durable, or the session is closed.
    pub(super) async fn flush(&self) {
        let (to, answer) = oneshot::channel();
        self.send(Command::Flush(to)).await;
        let _ = answer.await;
    }

    pub(super) fn close(&self) {
        self.0.live.close();
    }

    async fn send(&self, command: Command) {
        // A closed mailbox drops the command, and with it the answer's sender.
        let _ = self.0.mailbox.send(command).await;
    }
}

fn draining() -> Problem {
    Problem::new(ErrorCode::Draining, "the server is shutting down: connect again in a moment")
}
