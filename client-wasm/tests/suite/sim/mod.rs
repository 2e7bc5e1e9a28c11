//! Cores and a server in virtual time, over links that can be cut.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one output")]

pub(crate) mod conversation;
pub(crate) mod server;
pub(crate) mod verdict;

use std::collections::VecDeque;

use durable_sessions_client::core::{Client, Input, Options, Output};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::{HEARTBEAT_GRACE_MS, HEARTBEAT_MS};
use serde_json::Value;
use server::{Frames, Server};

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) server: Server,
    pub(crate) peers: Vec<Peer>,
    /// Connections that died in silence, and when the server will notice.
    ghosts: Vec<(u64, u32)>,
    connections: u32,
}

pub(crate) struct Peer {
    pub(crate) core: Client<Value>,
    link: Option<Link>,
    /// What happens to the connections to come, the next one first.
    pub(crate) faults: VecDeque<Option<Fault>>,
    /// What the core told its app.
    pub(crate) told: VecDeque<Output<Value>>,
    /// Bytes that went over the first connection.
    pub(crate) first_up: usize,
    pub(crate) first_down: usize,
    pub(crate) opened: u32,
    /// Whether sockets open at all.
    pub(crate) is_reachable: bool,
    /// No socket opens before this time.
    back_at: u64,
}

/// A connection is cut after so many bytes in one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) direction: Direction,
    pub(crate) after: usize,
    /// Nobody is told: the bytes only stop.
    pub(crate) is_silent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

struct Link {
    socket: u32,
    connection: u32,
    up: VecDeque<String>,
    down: VecDeque<String>,
    passed_up: usize,
    passed_down: usize,
    fault: Option<Fault>,
    is_dead: bool,
    heard_at: u64,
}

impl Link {
    /// Whether a message of that length gets through; the fault strikes when it does not.
    fn passes(&mut self, direction: Direction, length: usize) -> bool {
        let passed = match direction {
            Direction::Up => &mut self.passed_up,
            Direction::Down => &mut self.passed_down,
        };
        let limit = self.fault.filter(|fault| fault.direction == direction);
        if limit.is_some_and(|limit| *passed + length > limit.after) {
            return false;
        }
        *passed += length;
        true
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: 1_000,
            server: Server::default(),
            peers: Vec::new(),
            ghosts: Vec::new(),
            connections: 0,
        }
    }

    pub(crate) fn add(&mut self, principal: &str) -> usize {
        self.peers.push(Peer {
            core: Client::new(Options {
                client: Id::parse("client").unwrap(),
                principal: Some(principal.to_owned()),
                has_tokens: false,
                tabs: false,
                page: Id::parse("page").unwrap(),
                keeps: false,
                seed: 7,
            }),
            link: None,
            faults: VecDeque::new(),
            told: VecDeque::new(),
            first_up: 0,
            first_down: 0,
            opened: 0,
            is_reachable: true,
            back_at: 0,
        });
        self.peers.len() - 1
    }

    pub(crate) fn tell(&mut self, peer: usize, input: Input<Value>) {
        let now = self.now;
        self.peers[peer].core.handle(now, input);
        self.drain(peer);
    }

    /// Cuts a peer's connection now.
    pub(crate) fn cut(&mut self, peer: usize) {
        if let Some(link) = self.peers[peer].link.take() {
            self.hang_up(link.connection);
            self.tell(peer, Input::Closed { socket: link.socket, code: 1006 });
        }
    }

    /// Cuts a peer's connection and keeps it away for a while.
    pub(crate) fn keep_away(&mut self, peer: usize, ms: u64) {
        self.peers[peer].back_at = self.now + ms;
        self.cut(peer);
    }

    /// The server dies with all connections and starts again.
    pub(crate) fn crash(&mut self) {
        self.server.crash(self.now);
        self.ghosts.clear();
        for peer in 0..self.peers.len() {
            // Who was cut off in silence hears nothing of this either.
            if self.peers[peer].link.as_ref().is_some_and(|link| !link.is_dead) {
                self.cut(peer);
            }
        }
    }

    /// Moves one message, or the time. `false`: nothing will ever happen again.
    pub(crate) fn step(&mut self) -> bool {
        for peer in 0..self.peers.len() {
            if self.move_up(peer) || self.move_down(peer) {
                return true;
            }
        }
        self.pass_time()
    }

    fn drain(&mut self, peer: usize) {
        while let Some(output) = self.peers[peer].core.poll() {
            match output {
                Output::Open { socket } => self.open(peer, socket),
                Output::Transmit { socket, text } => {
                    if let Some(link) = &mut self.peers[peer].link
                        && link.socket == socket
                    {
                        link.up.push_back(text);
                    }
                }
                Output::Disconnect { socket, .. } => {
                    if let Some(link) = self.peers[peer].link.take_if(|link| link.socket == socket)
                        && !link.is_dead
                    {
                        self.hang_up(link.connection);
                    }
                }
                output => self.peers[peer].told.push_back(output),
            }
        }
    }

    fn open(&mut self, peer: usize, socket: u32) {
        let now = self.now;
        if !self.peers[peer].is_reachable || now < self.peers[peer].back_at {
            self.peers[peer].core.handle(now, Input::Closed { socket, code: 1006 });
            return;
        }
        self.connections += 1;
        self.server.connect(self.connections);
        let peer = &mut self.peers[peer];
        peer.opened += 1;
        peer.link = Some(Link {
            socket,
            connection: self.connections,
            up: VecDeque::new(),
            down: VecDeque::new(),
            passed_up: 0,
            passed_down: 0,
            fault: peer.faults.pop_front().flatten(),
            is_dead: false,
            heard_at: now,
        });
        peer.core.handle(now, Input::Opened { socket });
    }

    fn move_up(&mut self, peer: usize) -> bool {
        let Some(link) = &mut self.peers[peer].link else { return false };
        let Some(text) = link.up.pop_front() else { return false };
        if link.is_dead {
            return true;
        }
        if !link.passes(Direction::Up, text.len()) {
            self.strike(peer);
            return true;
        }
        let connection = link.connection;
        if self.peers[peer].opened == 1 {
            self.peers[peer].first_up += text.len();
        }
        let frames = self.server.take(self.now, connection, &text);
        self.deliver(frames);
        true
    }

    fn deliver(&mut self, frames: Frames) {
        for (to, frame) in frames {
            let mut links = self.peers.iter_mut().filter_map(|peer| peer.link.as_mut());
            if let Some(link) = links.find(|link| link.connection == to) {
                link.down.push_back(frame);
            }
        }
    }

    fn hang_up(&mut self, connection: u32) {
        self.server.disconnect(self.now, connection);
        let frames = self.server.advance(self.now);
        self.deliver(frames);
    }

    fn move_down(&mut self, peer: usize) -> bool {
        let now = self.now;
        let Some(link) = &mut self.peers[peer].link else { return false };
        let Some(text) = link.down.pop_front() else { return false };
        if link.is_dead {
            return true;
        }
        if !link.passes(Direction::Down, text.len()) {
            self.strike(peer);
            return true;
        }
        link.heard_at = now;
        let socket = link.socket;
        if self.peers[peer].opened == 1 {
            self.peers[peer].first_down += text.len();
        }
        let frame = serde_json::from_str(&text).unwrap();
        self.tell(peer, Input::Frame { socket, frame, bytes: text.len() });
        true
    }

    fn strike(&mut self, peer: usize) {
        let Some(link) = &mut self.peers[peer].link else { return };
        if link.fault.is_some_and(|fault| fault.is_silent) {
            link.is_dead = true;
            let noticed_at = self.now + HEARTBEAT_MS + HEARTBEAT_GRACE_MS;
            self.ghosts.push((noticed_at, link.connection));
        } else {
            self.cut(peer);
        }
    }

    fn pass_time(&mut self) -> bool {
        let heartbeats = self.peers.iter().filter_map(|peer| {
            peer.link.as_ref().filter(|link| !link.is_dead).map(|link| link.heard_at + HEARTBEAT_MS)
        });
        let timeouts = self.peers.iter().filter_map(|peer| peer.core.timeout());
        let ghosts = self.ghosts.iter().map(|(noticed_at, _)| *noticed_at);
        let next = heartbeats.chain(timeouts).chain(ghosts).chain(self.server.deadline()).min();
        let Some(next) = next else { return false };
        self.now = self.now.max(next);
        let now = self.now;
        for (_, connection) in self.ghosts.extract_if(.., |(noticed_at, _)| *noticed_at <= now) {
            self.server.disconnect(now, connection);
        }
        let frames = self.server.advance(now);
        self.deliver(frames);
        for peer in 0..self.peers.len() {
            if let Some(link) = &mut self.peers[peer].link
                && !link.is_dead
                && now >= link.heard_at + HEARTBEAT_MS
            {
                link.heard_at = now;
                link.down.push_back("{\"type\":\"ping\"}".to_owned());
                continue;
            }
            if self.peers[peer].core.timeout().is_some_and(|at| at <= now) {
                self.tell(peer, Input::Timeout);
            }
        }
        true
    }
}
