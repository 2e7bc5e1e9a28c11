//! The client without IO: what it decides, and nothing that waits.
//!
//! A driver owns a [`Client`], a socket and a timer. It tells the client what happens
//! ([`Client::handle`]), does what the client asks until there is nothing more ([`Client::poll`]),
//! and calls again with [`Input::Timeout`] at the time of [`Client::timeout`]. Time is an argument
//! in milliseconds of any clock that goes on while the machine sleeps, as far as there is one; it
//! may jump. JSON comes in parsed by whoever is nearest ([`Node`]) and goes out as text.

mod act;
mod backoff;
mod clock;
mod connection;
mod cursor;
mod frames;
mod input;
#[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
mod ledger;
pub mod limits;
mod liveness;
mod outbox;
mod output;
pub(crate) mod read;
mod reader;
mod receive;
mod recovery;
mod relay;
#[cfg_attr(all(target_arch = "wasm32", not(feature = "agent")), path = "absent/serve.rs")]
mod serve;
mod session;
mod tabs;
mod transmit;
#[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
mod work;
#[cfg_attr(all(target_arch = "wasm32", not(feature = "agent")), path = "absent/writer.rs")]
mod writer;

use std::collections::VecDeque;

pub use act::{Act, Body, StopTarget};
use backoff::Random;
use clock::Clock;
use connection::Connection;
use durable_sessions_protocol::close::REPLACED;
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::EVENT_MAX_BYTES;
use durable_sessions_protocol::offset::Position;
use frames::Frame;
pub use input::{Follow, Group, Input, Options, Token};
#[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
pub use ledger::{Errand, Ledger, NextSteer};
pub use output::{Cargo, Output, Role, SessionStatus, Status};
use serve::Serve;
use session::{Requests, Sending, Session, Taking};
use tabs::{Link, SHARES, Tabs};
pub use writer::{PartName, RunEnd, Started};

/// A client of one server: one connection, many sessions.
#[derive(Debug)]
pub struct Client<N> {
    clock: Clock,
    tabs: Tabs,
    connection: Connection,
    /// Whether anything was to be opened.
    is_started: bool,
    /// Few, so they are looked up one by one.
    sessions: Vec<Session>,
    serve: Serve,
    requests: Requests,
    /// What was asked on the link in use and not answered, in no order.
    pending: Vec<Pending>,
    /// When a leader that does not answer is asked anew.
    relay_due: u64,
    /// Who is attached to which session, as the server last said.
    presences: Vec<(SessionId, N)>,
    taking: Taking,
    has_recovered: bool,
    /// When to look for what tabs that are gone have left.
    recover_at: Option<u64>,
    /// Whether a stored act found no room in its outbox.
    has_left_acts: bool,
    /// What the app knows of the connection: status, time of the next attempt, whether it failed.
    published: (Status, Option<u64>, bool),
    /// When to name the open runs next.
    lease_ping_at: u64,
    has_ended: bool,
    outputs: VecDeque<Output<N>>,
}

/// What is to be done and told, in order.
type Outputs<N> = VecDeque<Output<N>>;

#[derive(Debug)]
struct Pending {
    request: u64,
    asked: Asked,
}

/// Who asked for what.
#[derive(Debug)]
enum Asked {
    Here(Sending, SessionId),
    /// Another tab, by its own number.
    Tab(Id, u64),
    /// An offer to work for this agent.
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    Offer(Id),
}

impl<N: Node + Clone> Client<N> {
    /// A client that has not connected.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let Options { client, principal, has_tokens, tabs, page, keeps, seed } = options;
        Self {
            clock: Clock::default(),
            tabs: Tabs::new(client.clone(), page, tabs),
            connection: Connection::new(client, principal, has_tokens, Random::new(seed)),
            is_started: false,
            sessions: Vec::new(),
            serve: Serve::default(),
            requests: Requests::default(),
            pending: Vec::new(),
            relay_due: 0,
            presences: Vec::new(),
            taking: Taking { event_max_bytes: EVENT_MAX_BYTES, keeps },
            has_recovered: false,
            recover_at: None,
            has_left_acts: false,
            published: (Status::Connecting, None, false),
            lease_ping_at: 0,
            has_ended: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened at a time.
    pub fn handle(&mut self, now_ms: u64, input: Input<N>) {
        let now = self.clock.read(now_ms);
        let before = self.link();
        self.take_in(now, input);
        self.settle(now);
        let after = self.link();
        let has_changed = before != after;
        if has_changed && before.is_some() {
            self.cut();
        }
        self.transmit(now);
        if let Some(Link::Socket(_)) = after {
            // Offers come after the attaches: those name the open runs, which hold some of the slots.
            #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
            if has_changed {
                self.offer(None);
            }
            let has_room = self.sessions.iter().all(|session| session.outbox.is_empty());
            if has_changed || (self.has_left_acts && has_room) {
                self.recover(now);
            }
        }
        self.look(now);
        self.publish(now, has_changed);
    }

    /// The next thing to do or tell. `None`: wait for input, or for [`Client::timeout`].
    pub fn poll(&mut self) -> Option<Output<N>> {
        self.outputs.pop_front()
    }

    /// When to call with [`Input::Timeout`], on the clock of `now_ms`. A time that is over means:
    /// in the next turn of the event loop, after the messages that have come are handled.
    #[must_use]
    pub fn timeout(&self) -> Option<u64> {
        let mut next = earliest(self.connection.timeout(), self.tabs.timeout());
        next = earliest(next, self.recover_at);
        if let Some(link) = self.link() {
            let lease = self.open_runs().next().map(|_| self.lease_ping_at);
            next = earliest(next, lease);
            for session in &self.sessions {
                next = earliest(next, session.timeout());
            }
            if matches!(link, Link::Leader { .. }) && !self.pending.is_empty() {
                next = earliest(next, Some(self.relay_due));
            }
        }
        next.map(|at| self.clock.outside(at))
    }

    /// The connection's status.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.published.0
    }

    /// The position of what the session's subscriber was given, once its log is known.
    #[must_use]
    pub fn position(&self, session: &SessionId) -> Option<Position> {
        self.find(session.as_str())?.cursor().position()
    }

    /// Whether a producer has room for more. Writes beyond it are taken, but a writer should wait
    /// for [`Output::WriterReady`].
    #[must_use]
    pub fn has_room(&self, session: &SessionId) -> bool {
        let writer = self.find(session.as_str()).and_then(|session| session.writer.as_ref());
        writer.is_none_or(writer::Writer::has_room)
    }

    /// Takes back an act that has not been sent yet. `false`: it is on its way, or not known.
    pub fn discard(&mut self, session: &SessionId, id: &Id) -> bool {
        let found = find(&mut self.sessions, session.as_str());
        let is_discarded = found.is_some_and(|session| session.outbox.discard(id));
        if is_discarded && self.taking.keeps {
            let (session, id) = (session.clone(), id.clone());
            self.outputs.push_back(Output::Forget { session, id });
        }
        forget_done(&mut self.sessions);
        is_discarded
    }

    fn take_in(&mut self, now: u64, input: Input<N>) {
        let out = &mut self.outputs;
        match input {
            Input::Frame { socket, frame, bytes } => {
                if self.connection.heard(now, socket) {
                    self.frame(now, socket, &frame, bytes);
                }
            }
            Input::Timeout => self.timed_out(now),
            Input::Token { socket, token } => {
                let has_failed = token == Token::Failed;
                self.connection.token(now, socket, token, out);
                if has_failed && self.tabs.has_members() {
                    self.tabs.resign(now, out);
                }
            }
            Input::Opened { socket } => self.connection.opened(now, socket, out),
            Input::Malformed { socket } => {
                if self.connection.heard(now, socket) {
                    self.connection.abandon(now, out);
                }
            }
            Input::Closed { socket, code: REPLACED }
                if self.connection.live_socket() == Some(socket)
                    && self.tabs.replaced(now, out) => {}
            Input::Closed { socket, code } => self.connection.lost(now, socket, code, out),
            Input::Woke => {
                self.tabs.visible(now, true, out);
                self.connection.woke(now, out);
            }
            Input::Hidden => self.tabs.visible(now, false, out),
            Input::Restored => {
                self.tabs.visible(now, true, out);
                self.connection.restored(now, out);
            }
            Input::Suspend if self.tabs.suspend(out) => {}
            Input::Suspend => self.connection.suspend(out),
            Input::Network { online } => self.connection.network(now, online, out),
            Input::Reconnect => self.reconnect(now),
            Input::Close => self.end(),
            Input::Group { group } if SHARES && !self.connection.is_closed() => {
                self.tabs.group(now, group, out);
            }
            Input::Group { .. } => {}
            Input::Locked if SHARES => self.tabs.locked(now, out),
            Input::LockLost if SHARES => self.tabs.lock_lost(now, out),
            Input::Message { head, cargo } if SHARES => {
                self.message(now, &head, cargo);
            }
            Input::Locked | Input::LockLost | Input::Message { .. } => {}
            Input::Resend { tab, session, id, log, event } => {
                if self.tabs.is_gone(now, &tab) {
                    self.resend(now, session, id, log, event);
                }
            }
            Input::Read { session, reader, after, merge } => {
                if let Some(session) = find(&mut self.sessions, session.as_str()) {
                    session.read(reader, after, merge);
                }
            }
            Input::ReadEnd { session, reader } => {
                if let Some(session) = find(&mut self.sessions, session.as_str()) {
                    session.read_end(reader);
                }
            }
            Input::Attach { session, follow } => {
                if let Some((session, _)) = self.open(now, &session) {
                    session.follow(follow);
                }
            }
            Input::Resume { session, follow, position, transcript } => {
                if let Some((session, _)) = self.open(now, &session) {
                    session.follow(follow);
                    session.resume(position, &transcript);
                }
            }
            Input::Older { session, page, events } => {
                if let Some(session) = find(&mut self.sessions, session.as_str()) {
                    // A missing step means that the page is of no use.
                    let _: Option<()> = session.older(&page, events, out);
                }
            }
            Input::Detach { session } => self.detach(&session),
            Input::Send { session, act } => self.send(now, session, act),
            #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
            Input::Produce { .. }
            | Input::StartRun { .. }
            | Input::TakeOver { .. }
            | Input::Append { .. }
            | Input::Write { .. }
            | Input::EndRun { .. }
            | Input::LeaveRun { .. }
            | Input::Serve { .. }
            | Input::WakeDone { .. } => self.work(now, input),
        }
    }

    /// The session's record, made when there is none. The first one opens the connection.
    fn open(&mut self, now: u64, id: &SessionId) -> Option<(&mut Session, &mut Outputs<N>)> {
        if self.has_ended {
            return None;
        }
        self.start(now);
        Some((record(&mut self.sessions, id)?, &mut self.outputs))
    }

    /// Something is to be opened.
    fn start(&mut self, now: u64) {
        self.is_started = true;
        if !self.connection.is_closed() {
            self.tabs.start(now, &mut self.outputs);
        }
    }

    /// The connection is here or it is not, as the tabs have it.
    fn settle(&mut self, now: u64) {
        let out = &mut self.outputs;
        if self.connection.is_closed() {
            self.tabs.end(out);
        } else if !self.tabs.holds_connection() {
            self.connection.stand_down(now, out);
        } else if self.is_started {
            self.connection.start(now, self.tabs.group_id(), out);
            // What an earlier page left is shown though there is no connection to send it on.
            if !std::mem::replace(&mut self.has_recovered, true) {
                self.recover(now);
            }
        }
        if !self.tabs.leads() {
            for session in &mut self.sessions {
                session.others.clear();
            }
            forget_done(&mut self.sessions);
        }
    }

    fn link(&self) -> Option<Link> {
        self.connection.live_socket().map(Link::Socket).or_else(|| self.tabs.link())
    }

    fn timed_out(&mut self, now: u64) {
        self.connection.timed_out(now, &mut self.outputs);
        for tab in self.tabs.timed_out(now, &mut self.outputs) {
            self.without(now, &tab);
        }
        let is_relayed = matches!(self.link(), Some(Link::Leader { .. }));
        if is_relayed && !self.pending.is_empty() && now >= self.relay_due {
            self.cut();
        }
    }

    fn reconnect(&mut self, now: u64) {
        if self.has_ended {
            return;
        }
        let out = &mut self.outputs;
        if self.connection.is_closed() && !self.tabs.is_solo() {
            self.connection.reopen();
            self.tabs.start(now, out);
        } else if self.tabs.holds_connection() {
            self.connection.reconnect(now, out);
        } else {
            let head = self.tabs.message("reconnect").end();
            out.push_back(Output::Post { head, cargo: Cargo::None });
        }
    }

    fn send(&mut self, now: u64, id: SessionId, act: Act) {
        let (act_id, taking) = (act.id.clone(), self.taking);
        let taken = match self.open(now, &id) {
            Some((session, _)) if session.outbox.holds(&act_id) => Ok(()),
            Some((session, out)) => session.send(act, taking, out),
            None => Err(closed("the client is closed")),
        };
        if let Err(problem) = taken {
            self.outputs.push_back(Output::Refused { session: id, id: act_id, problem });
            forget_done(&mut self.sessions);
        }
    }

    fn detach(&mut self, id: &SessionId) {
        let Some(session) = find(&mut self.sessions, id.as_str()) else { return };
        if session.leave(&mut self.outputs) {
            self.send_detach(id);
        }
        forget_done(&mut self.sessions);
    }

    /// Nobody here reads a session any more.
    fn send_detach(&mut self, id: &SessionId) {
        let mut frame = Frame::new("detach");
        frame.text("session", id.as_str());
        let output = match self.link() {
            Some(Link::Socket(socket)) => Output::Transmit { socket, text: frame.end() },
            Some(Link::Leader { .. }) => {
                let head = self.tabs.address(frame).end();
                Output::Post { head, cargo: Cargo::None }
            }
            None => return,
        };
        self.outputs.push_back(output);
    }

    /// The socket that was live is not any more.
    fn cut(&mut self) {
        self.pending.clear();
        self.serve.cut();
        for session in &mut self.sessions {
            session.cut(&mut self.outputs);
        }
    }

    fn end(&mut self) {
        self.has_ended = true;
        let problem = closed("the client was closed");
        for session in &mut self.sessions {
            session.fail(&problem, false, &mut self.outputs);
        }
        self.sessions.clear();
        self.serve = Serve::default();
        self.recover_at = None;
        self.tabs.end(&mut self.outputs);
        self.connection.end(&mut self.outputs);
    }

    /// Tells the app and the other tabs what they do not know yet.
    fn publish(&mut self, now: u64, is_other_link: bool) {
        let (status, retry_at, error) = match self.tabs.status() {
            // A leader told it, on the wall clock.
            Some((status, retry_at)) if !self.connection.is_closed() => (status, retry_at, None),
            _ => {
                let (status, retry_at, error) = self.connection.report();
                (status, retry_at.map(|at| self.clock.outside(at)), error)
            }
        };
        let published = (status, retry_at, error.is_some());
        let is_news = self.published != published;
        if is_news {
            self.published = published;
            self.outputs.push_back(Output::Status { status, retry_at, error });
        }
        if is_news || is_other_link {
            self.tabs.hasten_beat(now);
        }
        self.tabs.publish(&mut self.outputs);
        self.speak_up(now);
    }

    fn find(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id.as_str() == id)
    }
}

// Written once: in the browser each copy of such a loop weighs more than the call.

fn find<'a>(sessions: &'a mut [Session], id: &str) -> Option<&'a mut Session> {
    sessions.iter_mut().find(|session| session.id.as_str() == id)
}

/// The session's record, made when there is none.
fn record<'a>(sessions: &'a mut Vec<Session>, id: &SessionId) -> Option<&'a mut Session> {
    if !sessions.iter().any(|session| session.id == *id) {
        sessions.push(Session::new(id.clone()));
    }
    find(sessions, id.as_str())
}

fn forget_done(sessions: &mut Vec<Session>) {
    sessions.retain(|session| !session.is_done());
}

fn earliest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn closed(detail: &str) -> Problem {
    Problem::new(ErrorCode::Closed, detail)
}
