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
pub mod limits;
mod liveness;
mod outbox;
mod output;
#[cfg_attr(target_arch = "wasm32", path = "absent/serve.rs")]
mod serve;
mod session;
#[cfg(not(target_arch = "wasm32"))]
mod work;
#[cfg_attr(target_arch = "wasm32", path = "absent/writer.rs")]
mod writer;

use std::collections::VecDeque;

pub use act::{Act, Body, StopTarget};
use backoff::Random;
use clock::Clock;
use connection::Connection;
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::{EVENT_MAX_BYTES, HEARTBEAT_MS, RUNS_MAX_NAMED};
use durable_sessions_protocol::offset::{Offset, Position};
use frames::{Frame, problem, strings};
pub use input::{Follow, Input, Options, Token};
use limits::LEASE_PING_MS;
pub use output::{Output, SessionStatus, Status};
use serve::Serve;
use session::{Requests, Sending, Session};
pub use writer::{RunEnd, Started};

/// A client of one server: one connection, many sessions.
#[derive(Debug)]
pub struct Client<N> {
    clock: Clock,
    connection: Connection,
    /// Few, so they are looked up one by one.
    sessions: Vec<Session>,
    serve: Serve,
    requests: Requests,
    /// What was asked on the socket in use and not answered, in no order.
    pending: Vec<Pending>,
    event_max_bytes: usize,
    /// When to name the open runs next.
    lease_ping_at: u64,
    has_ended: bool,
    outputs: VecDeque<Output<N>>,
}

#[derive(Debug)]
struct Pending {
    request: u64,
    sending: Sending,
    session: SessionId,
}

impl<N: Node> Client<N> {
    /// A client that has not connected.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let Options { client, principal, has_tokens, seed } = options;
        Self {
            clock: Clock::default(),
            connection: Connection::new(client, principal, has_tokens, Random::new(seed)),
            sessions: Vec::new(),
            serve: Serve::default(),
            requests: Requests::default(),
            pending: Vec::new(),
            event_max_bytes: EVENT_MAX_BYTES,
            lease_ping_at: 0,
            has_ended: false,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened at a time.
    pub fn handle(&mut self, now_ms: u64, input: Input<N>) {
        let now = self.clock.read(now_ms);
        let before = self.connection.live_socket();
        self.take_in(now, input);
        let after = self.connection.live_socket();
        let has_changed = before != after;
        if has_changed && before.is_some() {
            self.cut();
        }
        self.transmit(now);
        if let Some(socket) = after.filter(|_| has_changed) {
            self.serve_again(socket);
        }
        let clock = &self.clock;
        self.connection.publish(|at| clock.outside(at), &mut self.outputs);
    }

    /// The next thing to do or tell. `None`: wait for input, or for [`Client::timeout`].
    pub fn poll(&mut self) -> Option<Output<N>> {
        self.outputs.pop_front()
    }

    /// When to call with [`Input::Timeout`], on the clock of `now_ms`. A time that is over means:
    /// in the next turn of the event loop, after the messages that have come are handled.
    #[must_use]
    pub fn timeout(&self) -> Option<u64> {
        let mut next = self.connection.timeout();
        if self.connection.live_socket().is_some() {
            let lease = self.open_runs().next().map(|_| self.lease_ping_at);
            next = earliest(next, lease);
            for session in &self.sessions {
                next = earliest(next, session.timeout());
            }
        }
        next.map(|at| self.clock.outside(at))
    }

    /// The connection's status.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.connection.status()
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
            Input::Timeout => self.connection.timed_out(now, out),
            Input::Token { socket, token } => self.connection.token(now, socket, token, out),
            Input::Opened { socket } => self.connection.opened(now, socket, out),
            Input::Malformed { socket } => {
                if self.connection.heard(now, socket) {
                    self.connection.abandon(now, out);
                }
            }
            Input::Closed { socket, code } => self.connection.lost(now, socket, code, out),
            Input::Woke => self.connection.woke(now, out),
            Input::Restored => self.connection.restored(now, out),
            Input::Suspend => self.connection.suspend(out),
            Input::Network { online } => self.connection.network(now, online, out),
            Input::Reconnect if !self.has_ended => self.connection.reconnect(now, out),
            Input::Reconnect => {}
            Input::Close => self.end(),
            Input::Attach { session, follow } => {
                if let Some(session) = self.open(now, session) {
                    session.follow(follow);
                }
            }
            Input::Detach { session } => self.detach(&session),
            Input::Send { session, act } => self.send(now, session, act),
            #[cfg(not(target_arch = "wasm32"))]
            Input::Produce { .. }
            | Input::StartRun { .. }
            | Input::Write { .. }
            | Input::EndRun { .. }
            | Input::Serve { .. }
            | Input::WakeDone { .. } => self.work(now, input),
        }
    }

    /// The session's record, made when there is none. The first one opens the connection.
    fn open(&mut self, now: u64, id: SessionId) -> Option<&mut Session> {
        if self.has_ended {
            return None;
        }
        self.connection.start(now, &mut self.outputs);
        if self.find(id.as_str()).is_none() {
            self.sessions.push(Session::new(id.clone()));
        }
        find(&mut self.sessions, id.as_str())
    }

    fn send(&mut self, now: u64, id: SessionId, act: Act) {
        let event_max_bytes = self.event_max_bytes;
        let act_id = act.id.clone();
        let refused = match self.open(now, id.clone()) {
            Some(session) if session.outbox.holds(&act_id) => Ok(()),
            Some(session) => session.send(act, event_max_bytes),
            None => Err(closed("the client is closed")),
        };
        if let Err(problem) = refused {
            self.outputs.push_back(Output::Refused { session: id, id: act_id, problem });
            forget_done(&mut self.sessions);
        }
    }

    fn detach(&mut self, id: &SessionId) {
        let Some(session) = find(&mut self.sessions, id.as_str()) else { return };
        let frame = session.leave(&mut self.outputs);
        if let (Some(text), Some(socket)) = (frame, self.connection.live_socket()) {
            self.outputs.push_back(Output::Transmit { socket, text });
        }
        forget_done(&mut self.sessions);
    }

    fn frame(&mut self, now: u64, socket: u32, frame: &N, bytes: usize) {
        let Some(frame_type) = frame.text("type") else { return };
        let is_live = self.connection.live_socket().is_some();
        match frame_type.as_str() {
            "events" | "attached" | "reset" | "detached" if is_live => {
                self.session_frame(now, &frame_type, frame, bytes);
            }
            "ack" | "refused" if is_live => self.answer(now, &frame_type, frame),
            #[cfg(not(target_arch = "wasm32"))]
            "wake" if is_live => self.wake(now, frame),
            "ping" => {
                let pong = Frame::new("pong").optional_number("request", frame.number("request"));
                self.outputs.push_back(Output::Transmit { socket, text: pong.end() });
            }
            "welcome" => self.welcome(now, frame),
            "draining" => {
                self.connection.draining(now, frame.number("retry_after_ms").unwrap_or(0));
            }
            "error" => self.connection.warned(problem(frame.field("error").as_ref())),
            _ => {}
        }
    }

    fn welcome(&mut self, now: u64, frame: &N) {
        let limits = frame.field("limits");
        let event_max = limits.and_then(|limits| limits.number("event_max_bytes"));
        if let Some(bytes) = event_max.and_then(|bytes| usize::try_from(bytes).ok()) {
            self.event_max_bytes = bytes;
        }
        self.connection.welcomed(now, frame.number("heartbeat_ms").unwrap_or(HEARTBEAT_MS));
    }

    fn session_frame(&mut self, now: u64, frame_type: &str, frame: &N, bytes: usize) {
        let Some(id) = frame.text("session") else { return };
        let found = find(&mut self.sessions, &id);
        let Some(session) = found else { return };
        let out = &mut self.outputs;
        let mut reports = Vec::new();
        // A missing step means that the frame does not say what it should; it is ignored.
        let _: Option<()> = match frame_type {
            "events" => session.events(frame, bytes, &mut reports, out),
            "reset" => session.reset(frame, &mut reports, out),
            "attached" => {
                self.lease_ping_at = now;
                session.attached(frame, &mut reports, out)
            }
            _ => {
                session.detached(frame, now, self.connection.random(), out);
                None
            }
        };
        session.report(reports, out);
        forget_done(&mut self.sessions);
    }

    fn answer(&mut self, now: u64, frame_type: &str, frame: &N) {
        let Some(request) = frame.number("request") else { return };
        let asked = self.pending.iter().position(|asked| asked.request == request);
        let (Some(index), Some(last)) = (asked, self.pending.pop()) else { return };
        // `Vec::swap_remove`, without the text of its panic.
        let asked = match self.pending.get_mut(index) {
            Some(asked) => std::mem::replace(asked, last),
            None => last,
        };
        let found = find(&mut self.sessions, asked.session.as_str());
        let Some(session) = found else { return };
        let out = &mut self.outputs;
        let random = self.connection.random();
        let mut reports = Vec::new();
        match (asked.sending, frame_type) {
            (Sending::Act, "ack") => session.act_acked(request, frame, out),
            (Sending::Act, _) => {
                let problem = problem(frame.field("error").as_ref());
                session.act_refused(request, problem, now, random, out);
            }
            (Sending::Publish, "ack") => {
                if let Some(writer) = &mut session.writer {
                    let first = frame.number("first").and_then(Offset::new).unwrap_or_default();
                    writer.acked(request, first, &mut reports);
                }
            }
            (Sending::Publish, _) => {
                if let Some(writer) = &mut session.writer {
                    let problem = problem(frame.field("error").as_ref());
                    writer.refused(request, problem, now, random, &mut reports);
                }
            }
            (Sending::Attach, "refused") => {
                session.attach_refused(request, frame, now, random, &mut reports, out);
            }
            (Sending::Attach | Sending::Seen, _) => {}
        }
        session.report(reports, out);
        forget_done(&mut self.sessions);
    }

    /// The socket that was live is not any more.
    fn cut(&mut self) {
        self.pending.clear();
        self.serve.cut();
        for session in &mut self.sessions {
            session.cut(&mut self.outputs);
        }
    }

    /// A socket is live. Offers come after the attaches: those name the open runs, which hold some
    /// of the slots.
    fn serve_again(&mut self, socket: u32) {
        for text in self.serve.frames(None) {
            self.outputs.push_back(Output::Transmit { socket, text });
        }
    }

    /// Sends what may be sent.
    fn transmit(&mut self, now: u64) {
        let Some(socket) = self.connection.live_socket() else { return };
        for session in &mut self.sessions {
            let id = session.id.clone();
            session.transmit(now, &mut self.requests, |sending, request, text| {
                if sending != Sending::Seen {
                    self.pending.push(Pending { request, sending, session: id.clone() });
                }
                self.outputs.push_back(Output::Transmit { socket, text });
            });
        }
        if now >= self.lease_ping_at {
            let runs = strings(self.open_runs().take(RUNS_MAX_NAMED).map(Id::as_str));
            if !runs.is_empty() {
                self.lease_ping_at = now.saturating_add(LEASE_PING_MS);
                let text = Frame::new("ping").raw("runs", "[", &runs, "]").end();
                self.outputs.push_back(Output::Transmit { socket, text });
            }
        }
    }

    /// The runs whose leases this connection keeps.
    fn open_runs(&self) -> impl Iterator<Item = &Id> {
        self.sessions.iter().filter_map(|session| session.writer.as_ref()).flat_map(|w| w.runs())
    }

    fn end(&mut self) {
        self.has_ended = true;
        let problem = closed("the client was closed");
        for session in &mut self.sessions {
            session.fail(&problem, &mut self.outputs);
        }
        self.sessions.clear();
        self.serve = Serve::default();
        self.connection.end(&mut self.outputs);
    }

    fn find(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id.as_str() == id)
    }
}

// Written once: in the browser each copy of such a loop weighs more than the call.

fn find<'a>(sessions: &'a mut [Session], id: &str) -> Option<&'a mut Session> {
    sessions.iter_mut().find(|session| session.id.as_str() == id)
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
