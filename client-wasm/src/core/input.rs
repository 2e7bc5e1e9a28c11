//! What a driver tells the core.

use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::{Offset, Position};

use super::act::Act;
#[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
use super::writer::{PartName, RunEnd, Started};

/// Who the client is and where its randomness comes from.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names this client instance: the same on every reconnect of one tab or process.
    pub client: Id,
    /// `user/ID` or `agent/ID`, for a server without a key.
    pub principal: Option<String>,
    /// Whether the app has a token function: then [`Output::NeedToken`](super::Output::NeedToken)
    /// comes before every attempt.
    pub has_tokens: bool,
    /// Whether to share a connection with the other tabs of the browser: then
    /// [`Output::NeedGroup`](super::Output::NeedGroup) comes before anything is opened.
    pub tabs: bool,
    /// Names the page this client is on: the clients of one page count as one tab.
    pub page: Id,
    /// Whether the driver keeps acts durably: then [`Output::Store`](super::Output::Store),
    /// [`Output::Forget`](super::Output::Forget) and [`Output::Recover`](super::Output::Recover) come.
    pub keeps: bool,
    /// Seeds the jitter of pauses. Any random number.
    pub seed: u64,
}

/// The tabs that may share a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Names their channel and their lock: the same for the same server and the same rights.
    pub key: String,
    /// Names the group to the server. It must not leave this browser and storage partition otherwise,
    /// so that the members always hear each other: the server lets their sockets replace one another.
    pub id: Id,
}

/// What to follow of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follow {
    /// Fold the events: [`Output::Patches`](super::Output::Patches).
    pub patches: bool,
    /// Pass the events on: [`Output::Events`](super::Output::Events).
    pub events: bool,
    /// Whether the server may join deltas.
    pub merge: bool,
}

impl Follow {
    /// What a page needs: patches, and joined deltas where the server has them.
    pub const PATCHES: Self = Self { patches: true, events: false, merge: true };
    /// Neither; only to stand where the log does.
    pub(super) const NOTHING: Self = Self { patches: false, events: false, merge: true };
    /// Each event once, as it is stored.
    pub const EVENTS: Self = Self { patches: false, events: true, merge: false };
}

/// The answer to [`Output::NeedToken`](super::Output::NeedToken).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// Connect with this token.
    Granted(String),
    /// The app has nobody to connect as: the client closes as `unauthorized`.
    SignedOut,
    /// The token function failed: the attempt has failed and is repeated after a pause.
    Failed,
}

/// Something that happened outside the core.
///
/// A `socket` is the number of [`Output::Open`](super::Output::Open) that the event belongs to.
/// What an earlier socket still says is ignored.
#[derive(Debug)]
pub enum Input<N> {
    /// The app follows a session. The first one opens the connection. For a session that is
    /// followed already only what is passed on changes, from the next event on; `patches` stays as
    /// it was.
    Attach {
        /// Which session.
        session: SessionId,
        /// What to pass on.
        follow: Follow,
    },
    /// The app follows a session from a transcript that it has, as `GET …/transcript` answers it: only
    /// what comes after that is asked for and folded. The app shows the transcript itself, by the
    /// rules of [`Fold::resume`](durable_sessions_protocol::fold::Fold::resume). A session that is
    /// followed already goes on as it is.
    Resume {
        /// Which session.
        session: SessionId,
        /// What to pass on.
        follow: Follow,
        /// Where the transcript stands.
        position: Position,
        /// Its JSON.
        transcript: N,
    },
    /// Messages from before a transcript's first one. They are told as patches; if nothing is told, the
    /// page is of no use, and the app asks for it again.
    Older {
        /// Which session; it follows the log and stands where the page does or further.
        session: SessionId,
        /// The page, as `GET …/transcript?before=` answers it.
        page: N,
        /// The events that were passed on since the page was asked for.
        events: Vec<N>,
    },
    /// The app no longer follows a session. Its queued acts are still delivered.
    Detach {
        /// Which session.
        session: SessionId,
    },
    /// A user's act, to be delivered exactly once. Ends in [`Output::Sent`](super::Output::Sent) or
    /// [`Output::Refused`](super::Output::Refused). An id that is waiting already is ignored.
    Send {
        /// Which session; it need not be followed.
        session: SessionId,
        /// What to say.
        act: Act,
    },
    /// An act out of the durable outbox, of this tab before it was loaded again or of another that is
    /// gone. Ignored when that tab is a living member of the group, which does it itself, and when the
    /// id is waiting already.
    Resend {
        /// [`Options::client`] of the client that stored it.
        tab: Id,
        /// Which session.
        session: SessionId,
        /// The act.
        id: Id,
        /// The log it is meant for.
        log: Option<LogId>,
        /// The event's JSON, as it was stored.
        event: String,
    },
    /// Opens a reader with a cursor of its own, or says that all it was given is consumed: then it is
    /// given more. Its session has to be followed; it ends with it.
    Read {
        /// Which session.
        session: SessionId,
        /// The reader's number, which the driver chooses.
        reader: u32,
        /// Opens it, to be given what stands after here.
        after: Option<Offset>,
        /// Whether it may be given joined deltas.
        merge: bool,
    },
    /// A reader is done.
    ReadEnd {
        /// Which session.
        session: SessionId,
        /// The reader.
        reader: u32,
    },
    /// Follow a session, as by [`Input::Attach`], and write runs to it as this producer: one attach
    /// does for both.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    Produce {
        /// Which session.
        session: SessionId,
        /// Names the producer: one per process and agent.
        producer: Id,
        /// What to pass on.
        follow: Follow,
    },
    /// Start a run. Ends in [`Output::RunStarted`](super::Output::RunStarted) or
    /// [`Output::RunRefused`](super::Output::RunRefused).
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    StartRun {
        /// Which session; [`Input::Produce`] comes first.
        session: SessionId,
        /// The run.
        started: Started,
    },
    /// Go on with a run that an earlier process of this producer left open. Implies
    /// [`Input::Produce`], and ends like [`Input::StartRun`].
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    TakeOver {
        /// Which session.
        session: SessionId,
        /// The producer that the offer named.
        producer: Id,
        /// The run.
        run: Id,
    },
    /// More text for a part of a run's message. Small pieces that come fast are joined: see
    /// [`limits::DELTA_GATHER_MS`](super::limits::DELTA_GATHER_MS).
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    Append {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
        /// Where the text goes.
        to: PartName,
        /// The text.
        text: String,
    },
    /// One event of an open run, as JSON text. See [`super::Client::has_room`] for backpressure.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    Write {
        /// Which session.
        session: SessionId,
        /// The run it names.
        run: Id,
        /// The event.
        event: String,
    },
    /// End a run. A run that was stopped meanwhile ends `stopped` whatever is said here. Ends in
    /// [`Output::RunEnded`](super::Output::RunEnded).
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    EndRun {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
        /// How.
        end: RunEnd,
    },
    /// Leave a run open for the next process of this producer. What it has written is delivered
    /// first; then comes [`Output::RunLeft`](super::Output::RunLeft).
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    LeaveRun {
        /// Which session.
        session: SessionId,
        /// The run.
        run: Id,
    },
    /// Offer to work on an agent's input; offered again on every connection until it is refused
    /// ([`Output::ServeRefused`](super::Output::ServeRefused)). 0 slots withdraw.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    Serve {
        /// Whose input.
        agent: Id,
        /// Session names or `prefix*`; none: all.
        sessions: Vec<String>,
        /// How many inputs at a time.
        slots: u32,
        /// The name by which an earlier process may have left open runs: they are offered too,
        /// with their `run`. For each such [`Output::Wake`](super::Output::Wake) comes an
        /// [`Input::TakeOver`].
        producer: Option<Id>,
    },
    /// The work of an [`Output::Wake`](super::Output::Wake) is over, however: its slot is free.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    WakeDone {
        /// Whose input.
        agent: Id,
        /// Where.
        session: SessionId,
        /// The message.
        input: Id,
    },
    /// Connect again after a fatal end, or at once when waiting.
    Reconnect,
    /// The app is done: everything that waits is refused as `closed`.
    Close,

    /// The answer to [`Output::NeedToken`](super::Output::NeedToken).
    Token {
        /// Which attempt.
        socket: u32,
        /// The token.
        token: Token,
    },
    /// The socket is open.
    Opened {
        /// Which socket.
        socket: u32,
    },
    /// A text message came.
    Frame {
        /// Which socket.
        socket: u32,
        /// The parsed JSON.
        frame: N,
        /// Length of its text in bytes.
        bytes: usize,
    },
    /// A message came that is not JSON text.
    Malformed {
        /// Which socket.
        socket: u32,
    },
    /// The socket is closed, or could not be opened.
    Closed {
        /// Which socket.
        socket: u32,
        /// The close code; 1006 when there was none.
        code: u16,
    },
    /// The answer to [`Output::NeedGroup`](super::Output::NeedGroup), and told again whenever a token
    /// of other rights was obtained.
    Group {
        /// The tabs to share a connection with; `None`: this client keeps its own.
        group: Option<Group>,
    },
    /// The lock of the group is this client's.
    Locked,
    /// Somebody stole it.
    LockLost,
    /// Another member of the group posted something.
    Message {
        /// The parsed JSON of [`Output::Post`](super::Output::Post)'s head.
        head: N,
        /// Its cargo: the frame, or the text as a JSON string.
        cargo: Option<N>,
    },
    /// The time of [`super::Client::timeout`] has come.
    Timeout,
    /// The page is visible again, was resumed, or was shown: look whether the socket lives.
    Woke,
    /// The page is not visible any more.
    Hidden,
    /// The page came out of a cache: the socket is dead whatever it says.
    Restored,
    /// The page is about to be frozen: close the socket until [`Input::Woke`] or
    /// [`Input::Restored`].
    Suspend,
    /// The system says that it is online or offline. A hint.
    Network {
        /// Which of the two.
        online: bool,
    },
}
