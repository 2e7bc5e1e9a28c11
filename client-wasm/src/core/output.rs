//! What the core asks of its driver, and what it tells the app through it.

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::fold::Patch;
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

/// Where the connection stands, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not connected yet, or an attempt is under way.
    Connecting,
    /// Connected and greeted.
    Live,
    /// Between attempts.
    Waiting,
    /// Between attempts, and the system says that it is offline.
    Offline,
    /// Not connecting any more until told to.
    Closed,
}

impl Status {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Offline => "offline",
            Self::Closed => "closed",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Connecting, Self::Live, Self::Waiting, Self::Offline, Self::Closed];
        all.into_iter().find(|status| status.as_str() == name)
    }
}

/// Where a session stands, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStatus {
    /// Not caught up for the first time yet.
    Loading,
    /// Caught up and following.
    Live,
    /// Cut off, or catching up again: what is shown may be old.
    Stale,
    /// Not followed any more.
    Closed,
}

impl SessionStatus {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Closed => "closed",
        }
    }
}

/// A client's part among the tabs of its browser, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It holds the connection for all.
    Leader,
    /// It is connected through the leader.
    Follower,
    /// It shares with nobody.
    Solo,
}

impl Role {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Solo => "solo",
        }
    }
}

/// What goes to another tab beside the head of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Cargo<N> {
    /// Nothing.
    None,
    /// A frame of the server, as it was parsed.
    Frame(N),
    /// The text of a frame for the server.
    Text(String),
}

/// Something for the driver to do or the app to know. Order matters.
#[derive(Debug, Clone, PartialEq)]
pub enum Output<N> {
    /// Call the app's token function and answer with [`Input::Token`](super::Input::Token).
    NeedToken {
        /// The attempt, which is the number of the socket to come.
        socket: u32,
    },
    /// Open a socket.
    Open {
        /// Its number, higher than any before.
        socket: u32,
    },
    /// Send a text message.
    Transmit {
        /// On which socket.
        socket: u32,
        /// The frame.
        text: String,
    },
    /// Close a socket and forget it; nothing more about it need be told.
    Disconnect {
        /// Which socket.
        socket: u32,
        /// The close code to give.
        code: u16,
    },

    /// Find out the group and answer with [`Input::Group`](super::Input::Group).
    NeedGroup,
    /// Listen to the channel of a group. Any other is left.
    Join {
        /// The channel's name.
        key: String,
    },
    /// Leave the group: close the channel, let go of its lock or of the place in the queue for it.
    Leave,
    /// Queue for the lock of the group; [`Input::Locked`](super::Input::Locked) says when it is held.
    Lock,
    /// Let go of the lock.
    Unlock,
    /// Post to all other members of the group.
    Post {
        /// JSON text.
        head: String,
        /// What goes with it.
        cargo: Cargo<N>,
    },

    /// The client's part among the tabs, or their number, changed.
    Role {
        /// Which part.
        role: Role,
        /// How many tabs there are; 1 when solo.
        tabs: u32,
    },
    /// An act was taken in: store it, as this client's, before this call returns, so that it
    /// survives the page.
    Store {
        /// Which session.
        session: SessionId,
        /// The act.
        id: Id,
        /// The log it is meant for.
        log: Option<LogId>,
        /// The event's JSON.
        event: String,
        /// Whether it is stored already and stays as it is, for it came out of the durable outbox:
        /// who made an act and when says in what order it is sent.
        is_stored: bool,
    },
    /// An act is answered: what was stored of it, if anything, is not needed any more.
    Forget {
        /// Which session.
        session: SessionId,
        /// The act.
        id: Id,
    },
    /// Some tabs are gone: give their stored acts, if there are any, back as
    /// [`Input::Resend`](super::Input::Resend).
    Recover,

    /// The connection's status, `retry_at` or error changed.
    Status {
        /// Where it stands.
        status: Status,
        /// When the next attempt is due, on the clock of `now_ms`.
        retry_at: Option<u64>,
        /// Why it is closed.
        error: Option<Problem>,
    },
    /// A session's status changed.
    Session {
        /// Which session.
        session: SessionId,
        /// Where it stands.
        status: SessionStatus,
        /// Why it is closed, unless the app closed it.
        error: Option<Problem>,
    },
    /// What was folded of the session is void: start over from an empty transcript.
    Reset {
        /// Which session.
        session: SessionId,
        /// Its log from now on.
        log: LogId,
    },
    /// Changes of the transcript, to be applied in order.
    Patches {
        /// Which session.
        session: SessionId,
        /// Its log.
        log: LogId,
        /// Where the transcript stands after them.
        offset: Offset,
        /// The changes; may be none.
        patches: Vec<Patch<N>>,
    },
    /// The next events of the log. Follows the [`Output::Patches`] of the same range.
    Events {
        /// Which session.
        session: SessionId,
        /// Its log.
        log: LogId,
        /// The first offset they cover.
        first: Offset,
        /// The last offset they cover.
        last: Offset,
        /// The events.
        events: Vec<N>,
    },
    /// What a reader is given next, by its own cursor. After
    /// [`READER_MAX_EVENTS`](super::limits::READER_MAX_EVENTS) it has to ask for more.
    Batch {
        /// Which session.
        session: SessionId,
        /// Which reader.
        reader: u32,
        /// The first offset they cover.
        first: Offset,
        /// The last offset they cover.
        last: Offset,
        /// The events.
        events: Vec<N>,
    },
    /// Who is attached to a session.
    Presence {
        /// Which session.
        session: SessionId,
        /// An array of `{from, device, tabs}`.
        members: N,
    },
    /// An act is in the log, durably. Its event may have come before or come later.
    Sent {
        /// Which session.
        session: SessionId,
        /// The act.
        id: Id,
        /// Its offset; of a stop the receipt's.
        offset: Offset,
        /// Of a stop: the runs it fenced.
        runs: Vec<Id>,
    },
    /// An act was refused and is forgotten; the same id may be sent again.
    Refused {
        /// Which session.
        session: SessionId,
        /// The act.
        id: Id,
        /// Why.
        problem: Problem,
    },

    /// Input for a worker; [`Input::WakeDone`](super::Input::WakeDone) frees its slot.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    Wake {
        /// Whose input.
        agent: Id,
        /// Where.
        session: SessionId,
        /// The message.
        input: Id,
        /// 1 for the first run that may claim it.
        attempt: u32,
        /// The run that works on it already, left open by an earlier process of this producer:
        /// answer with [`Input::TakeOver`](super::Input::TakeOver) instead of a new run.
        run: Option<Id>,
    },
    /// The server will not have an offer to work, which is forgotten: no input comes of it.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    ServeRefused {
        /// Whose input.
        agent: Id,
        /// Why.
        problem: Problem,
    },
    /// A run's start is in the log: its handler may begin.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    RunStarted {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
        /// Where it starts; 0 for one that was taken over.
        offset: Offset,
    },
    /// A run could not start, or the log no longer knows it as this writer's. It is forgotten.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    RunRefused {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
        /// Why.
        problem: Problem,
    },
    /// A run was stopped: nothing it writes enters the log any more. It still has to be ended.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    RunStopped {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
    },
    /// A publish of a run was refused; the run goes on without it.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    WriteRefused {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
        /// Why.
        problem: Problem,
    },
    /// A run's end is in the log. It is forgotten.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    RunEnded {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
    },
    /// [`super::Client::has_room`] became false.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    WriterFull {
        /// Which session.
        session: SessionId,
    },
    /// All that a run has written is in the log, and it is forgotten: another process may go on
    /// with it once this connection is closed.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    RunLeft {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
    },
    /// [`super::Client::has_room`] became true again.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    WriterReady {
        /// Which session.
        session: SessionId,
    },
    /// A newer process writes with this producer id; its runs are not this client's any more.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    ProducerFenced {
        /// Which session.
        session: SessionId,
    },
}
