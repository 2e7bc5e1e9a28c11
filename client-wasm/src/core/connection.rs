//! The one connection: when to open a socket, when to believe in it, when to give up.

use std::collections::VecDeque;

use durable_sessions_protocol::close::{self, CloseAction};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::id::Id;

use super::backoff::{Backoff, Random};
use super::frames::Frame;
use super::input::Token;
use super::limits::{CONNECT_TIMEOUT_MS, RETRY_AFTER_MAX_MS, STABLE_LIFE_MS, TOKEN_TIMEOUT_MS};
use super::liveness::{Deadline, Liveness};
use super::output::{Output, Status};

/// Close code for a socket the client gives up: the normal one, since browsers allow no others
/// below 3000.
const CLOSE_NORMAL: u16 = 1000;

/// The connection and its attempts.
#[derive(Debug)]
pub(super) struct Connection {
    state: State,
    client: Id,
    principal: Option<String>,
    /// The tabs that share it.
    group: Option<Id>,
    has_tokens: bool,
    random: Random,
    backoff: Backoff,
    /// Number of the last socket.
    sockets: u32,
    is_online: bool,
    /// Whether a refused token was replaced once already since the last welcome.
    has_renewed_token: bool,
    /// No attempt before this time, by the server's wish.
    not_before: u64,
    /// What the server's `error` frame said about a close to come.
    told: Option<Problem>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// Waiting for the app's token.
    Authorizing {
        socket: u32,
        deadline: Deadline,
    },
    /// Waiting for the socket to open.
    Opening {
        socket: u32,
        token: Option<String>,
        deadline: Deadline,
    },
    /// Waiting for the server's `welcome`.
    Greeting {
        socket: u32,
        deadline: Deadline,
    },
    Live {
        socket: u32,
        since: u64,
        liveness: Liveness,
    },
    /// Between attempts; without a time until the page comes back.
    Waiting {
        until: Option<u64>,
    },
    Closed {
        problem: Option<Problem>,
    },
}

impl Connection {
    pub(super) fn new(
        client: Id,
        principal: Option<String>,
        has_tokens: bool,
        random: Random,
    ) -> Self {
        Self {
            state: State::Idle,
            client,
            principal,
            group: None,
            has_tokens,
            random,
            backoff: Backoff::default(),
            sockets: 0,
            is_online: true,
            has_renewed_token: false,
            not_before: 0,
            told: None,
        }
    }

    /// The socket on which requests may be sent.
    pub(super) const fn live_socket(&self) -> Option<u32> {
        if let State::Live { socket, .. } = self.state { Some(socket) } else { None }
    }

    pub(super) const fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Opens a socket for a group unless that was done before.
    pub(super) fn start<N>(&mut self, now: u64, group: Option<&Id>, out: &mut VecDeque<Output<N>>) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.group = group.cloned();
        if self.backoff.is_failing() {
            self.fail(now, out);
        } else {
            self.attempt(now, out);
        }
    }

    /// Another tab has the connection, or may.
    pub(super) fn stand_down<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        if !matches!(self.state, State::Idle | State::Closed { .. }) {
            self.disconnect(out);
            self.forgive(now);
            self.state = State::Idle;
        }
    }

    /// What closed it is over.
    pub(super) fn reopen(&mut self) {
        self.state = State::Idle;
        self.backoff.reset();
        self.has_renewed_token = false;
        self.not_before = 0;
    }

    pub(super) fn token<N>(
        &mut self,
        now: u64,
        answered: u32,
        token: Token,
        out: &mut VecDeque<Output<N>>,
    ) {
        if !matches!(self.state, State::Authorizing { socket, .. } if socket == answered) {
            return;
        }
        match token {
            Token::Granted(token) => self.open(now, Some(token), out),
            Token::Failed => self.wait(now),
            Token::SignedOut => self.close(Some(unauthorized("signed out"))),
        }
    }

    pub(super) fn opened<N>(&mut self, now: u64, opened: u32, out: &mut VecDeque<Output<N>>) {
        let State::Opening { socket, ref mut token, deadline } = self.state else { return };
        if socket != opened {
            return;
        }
        let mut hello = Frame::new("hello");
        hello.text("client", self.client.as_str());
        if let Some(token) = token.take() {
            hello.text("token", &token);
        } else if let Some(principal) = &self.principal {
            hello.text("as", principal);
        }
        if let Some(group) = &self.group {
            hello.text("group", group.as_str());
        }
        out.push_back(Output::Transmit { socket, text: hello.end() });
        let _ = now;
        self.state = State::Greeting { socket, deadline };
    }

    /// Whether a message is from the socket in use; if so, it is a sign of life.
    pub(super) fn heard(&mut self, now: u64, from: u32) -> bool {
        match &mut self.state {
            State::Greeting { socket, .. } => *socket == from,
            State::Live { socket, liveness, .. } if *socket == from => {
                liveness.heard(now);
                true
            }
            State::Idle
            | State::Authorizing { .. }
            | State::Opening { .. }
            | State::Live { .. }
            | State::Waiting { .. }
            | State::Closed { .. } => false,
        }
    }

    pub(super) fn welcomed(&mut self, now: u64, heartbeat_ms: u64) {
        let State::Greeting { socket, .. } = self.state else { return };
        self.has_renewed_token = false;
        self.told = None;
        let liveness = Liveness::new(now, heartbeat_ms);
        self.state = State::Live { socket, since: now, liveness };
    }

    /// The server goes away soon and names the time to come back.
    pub(super) fn draining(&mut self, now: u64, retry_after_ms: u64) {
        self.not_before = now.saturating_add(retry_after_ms.min(RETRY_AFTER_MAX_MS));
    }

    /// The server says what is wrong before it closes.
    pub(super) fn warned(&mut self, problem: Problem) {
        self.told = Some(problem);
    }

    /// A socket is closed by the other side or by the network.
    pub(super) fn lost<N>(
        &mut self,
        now: u64,
        closed: u32,
        code: u16,
        out: &mut VecDeque<Output<N>>,
    ) {
        if self.socket() != Some(closed) {
            return;
        }
        match close::action(code) {
            CloseAction::Retry => {
                if let Some(asked) = self.told.take().and_then(|problem| problem.retry_after_ms) {
                    self.draining(now, asked);
                }
                self.fail(now, out);
            }
            CloseAction::Reauthenticate => {
                if self.has_tokens && !self.has_renewed_token {
                    self.has_renewed_token = true;
                    self.attempt(now, out);
                } else {
                    let problem = self.told.take();
                    self.close(Some(problem.unwrap_or_else(|| unauthorized("token refused"))));
                }
            }
            CloseAction::Fatal => {
                let problem = self.told.take();
                self.close(Some(problem.unwrap_or_else(|| fatal(code))));
            }
        }
    }

    /// The socket in use is worth nothing any more, whatever it says.
    pub(super) fn abandon<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        self.disconnect(out);
        self.fail(now, out);
    }

    pub(super) fn timeout(&self) -> Option<u64> {
        match &self.state {
            State::Authorizing { deadline, .. }
            | State::Opening { deadline, .. }
            | State::Greeting { deadline, .. } => Some(deadline.at()),
            State::Live { liveness, .. } => Some(liveness.timeout()),
            State::Waiting { until } => *until,
            State::Idle | State::Closed { .. } => None,
        }
    }

    pub(super) fn timed_out<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        let has_failed = match &mut self.state {
            State::Authorizing { deadline, .. }
            | State::Opening { deadline, .. }
            | State::Greeting { deadline, .. } => deadline.has_passed(now),
            State::Live { liveness, .. } => liveness.is_dead(now),
            State::Waiting { until: Some(until) } if now >= *until => {
                return self.attempt(now, out);
            }
            State::Idle | State::Waiting { .. } | State::Closed { .. } => false,
        };
        if has_failed {
            self.abandon(now, out);
        }
    }

    /// The page is back, or the network: ask whether the socket lives, try at once when waiting.
    pub(super) fn woke<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        match &mut self.state {
            State::Live { socket, liveness, .. } => {
                liveness.probe(now);
                let text = Frame::new("ping").end();
                out.push_back(Output::Transmit { socket: *socket, text });
            }
            State::Waiting { .. } => self.attempt(now, out),
            State::Idle
            | State::Authorizing { .. }
            | State::Opening { .. }
            | State::Greeting { .. }
            | State::Closed { .. } => {}
        }
    }

    /// The page comes out of a cache, in which no socket lives.
    pub(super) fn restored<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        match self.state {
            State::Idle | State::Closed { .. } => {}
            State::Waiting { .. }
            | State::Authorizing { .. }
            | State::Opening { .. }
            | State::Greeting { .. }
            | State::Live { .. } => {
                self.disconnect(out);
                self.attempt(now, out);
            }
        }
    }

    /// The page goes into a cache or is frozen.
    pub(super) fn suspend<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        if !matches!(self.state, State::Idle | State::Closed { .. }) {
            self.disconnect(out);
            self.state = State::Waiting { until: None };
        }
    }

    /// The system's word on the network. Going offline is checked, not believed: some browsers
    /// keep an open socket working.
    pub(super) fn network<N>(&mut self, now: u64, online: bool, out: &mut VecDeque<Output<N>>) {
        self.is_online = online;
        if online || self.live_socket().is_some() {
            self.woke(now, out);
        }
    }

    /// The app wants a new attempt.
    pub(super) fn reconnect<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        if matches!(self.state, State::Closed { .. } | State::Waiting { .. }) {
            self.backoff.reset();
            self.has_renewed_token = false;
            self.not_before = 0;
            self.attempt(now, out);
        }
    }

    /// The app is done.
    pub(super) fn end<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        self.disconnect(out);
        self.close(None);
    }

    /// Where it stands, when the next attempt is due, why it is closed.
    pub(super) fn report(&self) -> (Status, Option<u64>, Option<Problem>) {
        match &self.state {
            State::Waiting { until } => {
                let status = if self.is_online { Status::Waiting } else { Status::Offline };
                (status, *until, None)
            }
            State::Live { .. } => (Status::Live, None, None),
            State::Closed { problem } => (Status::Closed, None, problem.clone()),
            State::Idle
            | State::Authorizing { .. }
            | State::Opening { .. }
            | State::Greeting { .. } => (Status::Connecting, None, None),
        }
    }

    fn attempt<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        if !self.has_tokens {
            return self.open(now, None, out);
        }
        self.sockets = self.sockets.wrapping_add(1);
        let deadline = Deadline::new(now.saturating_add(TOKEN_TIMEOUT_MS));
        self.state = State::Authorizing { socket: self.sockets, deadline };
        out.push_back(Output::NeedToken { socket: self.sockets });
    }

    fn open<N>(&mut self, now: u64, token: Option<String>, out: &mut VecDeque<Output<N>>) {
        if !self.has_tokens {
            self.sockets = self.sockets.wrapping_add(1);
        }
        let deadline = Deadline::new(now.saturating_add(CONNECT_TIMEOUT_MS));
        self.state = State::Opening { socket: self.sockets, token, deadline };
        out.push_back(Output::Open { socket: self.sockets });
    }

    /// The attempt or the connection has failed: the next attempt follows, now or later.
    fn fail<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        self.wait(now);
        if let State::Waiting { until: Some(until) } = self.state
            && until <= now
        {
            self.attempt(now, out);
        }
    }

    /// A connection that lived long enough ends a row of failures.
    /// Another tab's socket is open: what failed here before says nothing any more.
    pub(super) const fn forget_failures(&mut self) {
        self.backoff.reset();
    }

    fn forgive(&mut self, now: u64) {
        if let State::Live { since, .. } = self.state
            && now.saturating_sub(since) >= STABLE_LIFE_MS
        {
            self.backoff.reset();
        }
    }

    fn wait(&mut self, now: u64) {
        self.forgive(now);
        let pause = self.backoff.next(&mut self.random);
        let until = now.saturating_add(pause).max(self.not_before);
        self.state = State::Waiting { until: Some(until) };
    }

    fn close(&mut self, problem: Option<Problem>) {
        self.state = State::Closed { problem };
    }

    fn disconnect<N>(&self, out: &mut VecDeque<Output<N>>) {
        if let State::Opening { socket, .. }
        | State::Greeting { socket, .. }
        | State::Live { socket, .. } = self.state
        {
            out.push_back(Output::Disconnect { socket, code: CLOSE_NORMAL });
        }
    }

    const fn socket(&self) -> Option<u32> {
        match self.state {
            State::Opening { socket, .. }
            | State::Greeting { socket, .. }
            | State::Live { socket, .. } => Some(socket),
            State::Idle
            | State::Authorizing { .. }
            | State::Waiting { .. }
            | State::Closed { .. } => None,
        }
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(ErrorCode::Unauthorized, detail)
}

/// What a fatal close code means when the server has said no more.
fn fatal(code: u16) -> Problem {
    match code {
        close::TOO_LARGE => Problem::new(ErrorCode::TooLarge, "a frame was over the size limit"),
        close::REPLACED => Problem::new(ErrorCode::Closed, "another tab took over the connection"),
        _ => Problem::new(ErrorCode::Invalid, "the server refused the connection"),
    }
}
