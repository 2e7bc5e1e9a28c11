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
    #[cfg(not(target_arch = "wasm32"))]
    Wake {
        /// Whose input.
        agent: Id,
        /// Where.
        session: SessionId,
        /// The message.
        input: Id,
        /// 1 for the first run that may claim it.
        attempt: u32,
    },
    /// A run's start is in the log: its handler may begin.
    #[cfg(not(target_arch = "wasm32"))]
    RunStarted {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
        /// Where it starts.
        offset: Offset,
    },
    /// A run could not start, or the log no longer knows it as this writer's. It is forgotten.
    #[cfg(not(target_arch = "wasm32"))]
    RunRefused {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
        /// Why.
        problem: Problem,
    },
    /// A run was stopped: nothing it writes enters the log any more. It still has to be ended.
    #[cfg(not(target_arch = "wasm32"))]
    RunStopped {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
    },
    /// A publish of a run was refused; the run goes on without it.
    #[cfg(not(target_arch = "wasm32"))]
    WriteRefused {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
        /// Why.
        problem: Problem,
    },
    /// A run's end is in the log. It is forgotten.
    #[cfg(not(target_arch = "wasm32"))]
    RunEnded {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
    },
    /// [`super::Client::has_room`] became true again.
    #[cfg(not(target_arch = "wasm32"))]
    WriterReady {
        /// Which session.
        session: SessionId,
    },
    /// A newer process writes with this producer id; its runs are not this client's any more.
    #[cfg(not(target_arch = "wasm32"))]
    ProducerFenced {
        /// Which session.
        session: SessionId,
    },
}
