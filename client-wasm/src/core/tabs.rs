//! Which tab of a browser holds the connection for the others.
//!
//! Nothing here makes delivery right: each tab has its own cursor and outbox, and whoever leads, a
//! tab asks for what it lacks and sends again what was not answered. This only sees to it that there
//! is one socket, soon. Two tabs that both believe to lead do no harm; the term, a number and the
//! tab that counted it up, says which of them the others listen to.

mod leader;
mod speech;

use std::collections::VecDeque;

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::Id;

use super::frames::Frame;
use super::input::Group;
use super::limits::{
    BEAT_MS, MEMBER_TIMEOUT_MS, PARTED_MS, QUIET_DOUBLINGS_MAX, QUIET_HIDDEN_MS, QUIET_MS,
    SETTLED_MS, TOKEN_TIMEOUT_MS,
};
use super::liveness::Deadline;
use super::output::{Cargo, Output, Role};
use leader::Leader;

/// Whether there are tabs to share a connection with. The browser's module for agents has none, and
/// goes without most of what they take.
pub(super) const SHARES: bool = cfg!(not(all(target_arch = "wasm32", feature = "agent")));

/// A client's place among the tabs of its browser.
#[derive(Debug)]
pub(super) struct Tabs {
    /// This client, as the others know it.
    me: Id,
    /// Its page: the clients of one page are one tab.
    page: Id,
    state: State,
    group: Option<Group>,
    lock: Lock,
    is_visible: bool,
    /// The highest number of a term seen.
    number: u64,
    /// How often the server preferred a socket of the group whose tab was not heard, and when it
    /// last did.
    replaced: u32,
    replaced_at: u64,
    /// When the leader this tab follows was first heard, and last.
    led_since: u64,
    led_at: u64,
    published: (Role, u32),
}

#[derive(Debug)]
enum State {
    /// It shares with nobody.
    Solo,
    /// It would share, and has not begun.
    Idle,
    /// The group is being found out.
    Joining { deadline: Deadline },
    /// Out of the group until the page is back.
    Away,
    Follower {
        leader: Option<Leader>,
        /// When silence means that there is no leader.
        quiet: Deadline,
        /// When to tell the leader next that this one is alive.
        here_at: u64,
    },
    Leader {
        number: u64,
        beat_at: u64,
        /// When all that live have said so.
        known_at: u64,
        members: Vec<Member>,
    },
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lock {
    #[default]
    None,
    Waiting,
    Held,
}

/// What a leader knows of a follower.
#[derive(Debug)]
struct Member {
    tab: Id,
    page: String,
    heard_at: u64,
}

/// What a client speaks through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// Its own socket.
    Socket(u32),
    /// The socket of its leader.
    Leader {
        /// Whose.
        tab: Id,
        /// In which term.
        number: u64,
        /// Which one.
        socket: u32,
    },
}

impl Tabs {
    pub(super) const fn new(me: Id, page: Id, wants: bool) -> Self {
        Self {
            me,
            page,
            state: if wants { State::Idle } else { State::Solo },
            group: None,
            lock: Lock::None,
            is_visible: true,
            number: 0,
            replaced: 0,
            replaced_at: 0,
            led_since: 0,
            led_at: 0,
            published: (Role::Solo, 1),
        }
    }

    /// Something is to be opened.
    pub(super) fn start<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        if matches!(self.state, State::Idle) {
            let deadline = Deadline::new(now.saturating_add(TOKEN_TIMEOUT_MS));
            self.state = State::Joining { deadline };
            out.push_back(Output::NeedGroup);
        }
    }

    /// Whether this client has to have a connection of its own.
    pub(super) const fn holds_connection(&self) -> bool {
        matches!(self.state, State::Solo | State::Leader { .. })
    }

    pub(super) const fn is_solo(&self) -> bool {
        matches!(self.state, State::Solo)
    }

    pub(super) const fn leads(&self) -> bool {
        SHARES && matches!(self.state, State::Leader { .. })
    }

    /// Whether others depend on this leader.
    pub(super) const fn has_members(&self) -> bool {
        matches!(&self.state, State::Leader { members, .. } if !members.is_empty())
    }

    /// `hello.group`.
    pub(super) const fn group_id(&self) -> Option<&Id> {
        match (&self.state, &self.group) {
            (State::Leader { .. }, Some(group)) => Some(&group.id),
            _ => None,
        }
    }

    /// The leader's socket, for a follower.
    pub(super) fn link(&self) -> Option<Link> {
        let leader = self.leader().filter(|_| SHARES)?;
        let (tab, number) = (leader.tab.clone(), leader.number);
        Some(Link::Leader { tab, number, socket: leader.socket? })
    }

    /// The group is found out, or another one.
    pub(super) fn group<N>(
        &mut self,
        now: u64,
        group: Option<Group>,
        out: &mut VecDeque<Output<N>>,
    ) {
        let is_same = matches!((&self.group, &group), (Some(old), Some(new)) if old.key == new.key);
        if is_same && self.is_in() {
            return;
        }
        self.leave(out);
        self.state = State::Solo;
        self.group = group;
        self.join(now, out);
    }

    /// The lock is this tab's: whoever led with it is gone, or gave up.
    pub(super) fn locked<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        if self.lock != Lock::Waiting {
            return;
        }
        self.lock = Lock::Held;
        match &mut self.state {
            State::Leader { beat_at, .. } => *beat_at = now,
            // It leads without the lock, and waits in the queue for it.
            State::Follower { leader: Some(leader), .. } if !leader.has_lock => {
                self.lock = Lock::None;
                out.push_back(Output::Unlock);
            }
            State::Follower { .. } => self.lead(now, out),
            State::Solo | State::Idle | State::Joining { .. } | State::Away => {}
        }
    }

    /// Somebody stole the lock. This tab goes on until it hears of a higher term.
    pub(super) fn lock_lost<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        self.lock = Lock::None;
        self.queue(out);
        if let State::Leader { beat_at, .. } = &mut self.state {
            *beat_at = now;
        }
    }

    pub(super) fn timeout(&self) -> Option<u64> {
        match &self.state {
            State::Joining { deadline } => Some(deadline.at()),
            State::Follower { quiet, .. } => Some(quiet.at()),
            State::Leader { beat_at, members, .. } if !members.is_empty() => Some(*beat_at),
            State::Solo | State::Idle | State::Away | State::Leader { .. } => None,
        }
    }

    /// Answers the members that are gone.
    pub(super) fn timed_out<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) -> Vec<Id> {
        let mut gone = Vec::new();
        match &mut self.state {
            State::Joining { deadline } => {
                if deadline.has_passed(now) {
                    self.group(now, None, out);
                }
            }
            State::Follower { quiet, .. } => {
                if quiet.has_passed(now) {
                    self.lead(now, out);
                }
            }
            State::Leader { members, known_at, .. } => members.retain(|member| {
                let is_alive = now < member.heard_at.saturating_add(MEMBER_TIMEOUT_MS);
                if !is_alive {
                    gone.push(member.tab.clone());
                    // It may have slept as long as this one, and is about to answer its beat.
                    *known_at = now.saturating_add(BEAT_MS);
                }
                is_alive
            }),
            State::Solo | State::Idle | State::Away => {}
        }
        gone
    }

    /// The page is visible or not.
    pub(super) fn visible<N>(&mut self, now: u64, is_visible: bool, out: &mut VecDeque<Output<N>>) {
        self.is_visible = is_visible;
        match &mut self.state {
            State::Leader { beat_at, .. } => *beat_at = now,
            State::Follower { here_at, .. } => {
                // What came while it slept has not been read yet.
                *here_at = now;
                self.expect_beat(now);
            }
            State::Away if is_visible => self.join(now, out),
            State::Away | State::Solo | State::Idle | State::Joining { .. } => {}
        }
    }

    /// The page goes into a cache, is frozen, or goes for good. Answers whether that is the group's
    /// concern.
    pub(super) fn suspend<N>(&mut self, out: &mut VecDeque<Output<N>>) -> bool {
        let was_in = self.is_in();
        if was_in {
            self.leave(out);
            self.state = State::Away;
        }
        was_in
    }

    /// The client is done, or its connection is for good.
    pub(super) fn end<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        if !matches!(self.state, State::Solo) {
            self.leave(out);
            self.state = State::Idle;
        }
    }

    /// This leader cannot connect: somebody else may.
    pub(super) fn resign<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        let head = self.message("bye").end();
        out.push_back(Output::Post { head, cargo: Cargo::None });
        self.follow_nobody(now, out);
    }

    /// The server let another socket of the group take over. Answers whether this tab led: then it
    /// follows, and leads again only when it hears nobody for a time, a longer one each time.
    pub(super) fn replaced<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) -> bool {
        if !self.leads() {
            return false;
        }
        self.replaced = (self.replaced + 1).min(QUIET_DOUBLINGS_MAX);
        self.replaced_at = now;
        self.follow_nobody(now, out);
        true
    }

    /// Another member leaves.
    pub(super) fn bye<N>(&mut self, now: u64, from: &Id, out: &mut VecDeque<Output<N>>) {
        match &mut self.state {
            State::Leader { members, beat_at, .. } => {
                members.retain(|member| member.tab != *from);
                *beat_at = now;
            }
            State::Follower { leader, quiet, .. }
                if leader.as_ref().is_some_and(|leader| leader.tab == *from) =>
            {
                let had_lock = leader.take().is_some_and(|leader| leader.has_lock);
                if self.lock == Lock::Held {
                    self.lead(now, out);
                } else if had_lock || !self.is_visible {
                    self.expect_beat(now);
                } else {
                    // Whoever holds the lock does not lead, so it may be granted to nobody.
                    *quiet = Deadline::new(now.saturating_add(PARTED_MS));
                }
            }
            State::Solo
            | State::Idle
            | State::Joining { .. }
            | State::Away
            | State::Follower { .. } => {}
        }
    }

    /// A leader's beat. Answers whether this tab follows it.
    pub(super) fn beat<N: Node>(
        &mut self,
        now: u64,
        head: &N,
        out: &mut VecDeque<Output<N>>,
    ) -> bool {
        let Some(leader) = Leader::read(head) else { return false };
        let known = match &mut self.state {
            State::Leader { number, beat_at, .. } => {
                if leader.is_below(*number, &self.me) {
                    // It learns from an answer that its term is over.
                    *beat_at = now;
                    return false;
                }
                false
            }
            State::Follower { leader: Some(known), .. } => {
                // One that is silent has no claim any more, however high its term.
                let is_heard = now < self.led_at.saturating_add(QUIET_MS);
                if is_heard && leader.is_below(known.number, &known.tab) {
                    return false;
                }
                known.tab == leader.tab && known.number == leader.number
            }
            State::Follower { leader: None, .. } => false,
            State::Solo | State::Idle | State::Joining { .. } | State::Away => return false,
        };
        self.number = self.number.max(leader.number);
        if !known {
            self.led_since = now;
        }
        self.led_at = now;
        // It was replaced by a leader it hears, or that is long ago. A beat in between may be of a
        // tab that only took over from it, and is going to be replaced like it.
        if now <= self.replaced_at.saturating_add(BEAT_MS)
            || now >= self.led_since.saturating_add(SETTLED_MS)
        {
            self.replaced = 0;
        }
        if self.lock == Lock::Held {
            self.lock = Lock::None;
            out.push_back(Output::Unlock);
        }
        self.queue(out);
        if self.is_visible && head.number("visible") == Some(0) {
            let mut frame = self.sign(Frame::new("volunteer"), leader.number);
            let head = frame.text("to", leader.tab.as_str()).end();
            out.push_back(Output::Post { head, cargo: Cargo::None });
        }
        let here_at = match (&self.state, known) {
            (State::Follower { here_at, .. }, true) => *here_at,
            _ => now,
        };
        let quiet = self.quiet_from(now);
        self.state = State::Follower { leader: Some(leader), quiet, here_at };
        true
    }

    /// The leader lets this tab take over.
    pub(super) fn yielded<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        self.lead(now, out);
    }

    const fn is_in(&self) -> bool {
        matches!(self.state, State::Follower { .. } | State::Leader { .. })
    }

    const fn leader(&self) -> Option<&Leader> {
        if let State::Follower { leader, .. } = &self.state { leader.as_ref() } else { None }
    }

    fn join<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        let Some(group) = &self.group else { return };
        out.push_back(Output::Join { key: group.key.clone() });
        self.number = 0;
        self.replaced = 0;
        let quiet = self.quiet_from(now);
        self.state = State::Follower { leader: None, quiet, here_at: now };
        self.queue(out);
        // A leader answers with a beat.
        let hello = self.here(std::iter::empty());
        out.push_back(Output::Post { head: hello, cargo: Cargo::None });
    }

    fn leave<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        if self.is_in() {
            let head = self.message("bye").end();
            out.push_back(Output::Post { head, cargo: Cargo::None });
            out.push_back(Output::Leave);
            self.lock = Lock::None;
        }
    }

    fn lead<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        self.number += 1;
        self.state = State::Leader {
            number: self.number,
            beat_at: now,
            known_at: now.saturating_add(BEAT_MS),
            members: Vec::new(),
        };
        self.queue(out);
    }

    fn follow_nobody<N>(&mut self, now: u64, out: &mut VecDeque<Output<N>>) {
        if self.lock == Lock::Held {
            self.lock = Lock::None;
            out.push_back(Output::Unlock);
        }
        // It queues again when it hears of a leader: the lock would make it one itself.
        let quiet = self.quiet_from(now);
        self.state = State::Follower { leader: None, quiet, here_at: now };
    }

    fn queue<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        if self.lock == Lock::None {
            self.lock = Lock::Waiting;
            out.push_back(Output::Lock);
        }
    }

    fn expect_beat(&mut self, now: u64) {
        let from_now = self.quiet_from(now);
        if let State::Follower { quiet, .. } = &mut self.state {
            *quiet = from_now;
        }
    }

    fn quiet_from(&self, now: u64) -> Deadline {
        let quiet_ms = if self.is_visible { QUIET_MS } else { QUIET_HIDDEN_MS };
        Deadline::new(now.saturating_add(quiet_ms << self.replaced.saturating_sub(1)))
    }
}
