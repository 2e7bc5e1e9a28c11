//! What a tab tells the others and the app, and what it knows of its followers.

use std::collections::VecDeque;

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::Id;

use super::super::frames::{Frame, strings};
use super::super::limits::{BEAT_MS, HERE_MS};
use super::super::output::{Output, Role, Status};
use super::{Lock, Member, State, Tabs};

impl Tabs {
    /// What the app is told of the connection, unless it is this client's own.
    pub(in crate::core) const fn status(&self) -> Option<(Status, Option<u64>)> {
        match &self.state {
            State::Solo | State::Leader { .. } => None,
            State::Follower { leader: Some(leader), .. } => Some((leader.status, leader.retry_at)),
            State::Away => Some((Status::Waiting, None)),
            State::Idle | State::Joining { .. } | State::Follower { leader: None, .. } => {
                Some((Status::Connecting, None))
            }
        }
    }

    /// A visible follower offers to lead. Answers whether it should.
    pub(in crate::core) const fn may_yield(&self) -> bool {
        self.leads() && !self.is_visible
    }

    /// A member is alive.
    pub(in crate::core) fn heard(&mut self, now: u64, from: &Id, page: Option<String>) {
        let State::Leader { members, beat_at, .. } = &mut self.state else { return };
        let found = members.iter_mut().find(|member| member.tab == *from);
        if let Some(member) = found {
            member.heard_at = now;
            if let Some(page) = page {
                member.page = page;
            }
            return;
        }
        // The newcomer, and the others of their number.
        *beat_at = now;
        let page = page.unwrap_or_else(|| from.as_str().into());
        members.push(Member { tab: from.clone(), page, heard_at: now });
    }

    /// When it is known which tabs are gone, if this one is to send what they left.
    pub(in crate::core) const fn known_at(&self) -> Option<u64> {
        match self.state {
            State::Solo => Some(0),
            State::Leader { known_at, .. } => Some(known_at),
            State::Idle | State::Joining { .. } | State::Away | State::Follower { .. } => None,
        }
    }

    /// Whether a tab resends nothing any more, and this one is to do it.
    pub(in crate::core) fn is_gone(&self, now: u64, tab: &Id) -> bool {
        self.known_at().is_some_and(|at| now >= at)
            && *tab != self.me
            && !self.members().iter().any(|member| member.tab == *tab)
    }

    /// Whether a message is for this leader in its present term.
    pub(in crate::core) fn is_for_me<N: Node>(&self, head: &N) -> bool {
        let State::Leader { number, .. } = self.state else { return false };
        self.is_to_me(head) && head.number("term") == Some(number)
    }

    /// Whether a message is from the leader this tab follows, in its present term, and for this tab
    /// if it is for one.
    pub(in crate::core) fn is_from_leader<N: Node>(&self, head: &N) -> bool {
        let Some(leader) = self.leader() else { return false };
        head.text("tab").as_deref() == Some(leader.tab.as_str())
            && head.number("term") == Some(leader.number)
            && (head.field("to").is_none() || self.is_to_me(head))
    }

    pub(in crate::core) fn is_to_me<N: Node>(&self, head: &N) -> bool {
        head.text("to").as_deref() == Some(self.me.as_str())
    }

    /// A message in this leader's term, or to the leader this follower has.
    pub(in crate::core) fn message(&self, kind: &str) -> Frame {
        self.address(Frame::new(kind))
    }

    /// The same for a frame that has begun.
    pub(in crate::core) fn address(&self, frame: Frame) -> Frame {
        match (&self.state, self.leader()) {
            (State::Leader { number, .. }, _) => self.sign(frame, *number),
            (_, Some(leader)) => {
                let mut frame = self.sign(frame, leader.number);
                frame.text("to", leader.tab.as_str());
                frame
            }
            (_, None) => self.sign(frame, 0),
        }
    }

    /// Whether a beat is due now; if so the next one is set.
    pub(in crate::core) fn takes_beat(&mut self, now: u64) -> bool {
        let State::Leader { beat_at, members, .. } = &mut self.state else { return false };
        let is_due = now >= *beat_at;
        if is_due {
            // Who comes asks for one.
            *beat_at = if members.is_empty() { u64::MAX } else { now.saturating_add(BEAT_MS) };
        }
        is_due
    }

    /// What changed has to be told.
    pub(in crate::core) fn hasten_beat(&mut self, now: u64) {
        if let State::Leader { beat_at, .. } = &mut self.state {
            *beat_at = now;
        }
    }

    /// The beat's head, but for what the connection and the sessions add.
    pub(in crate::core) fn beat_head(&self) -> Frame {
        let mut frame = self.message("beat");
        frame
            .number("locked", u64::from(self.lock == Lock::Held))
            .number("visible", u64::from(self.is_visible))
            .number("tabs", u64::from(self.tabs()));
        frame
    }

    /// Whether this follower should tell its leader now that it is alive.
    pub(in crate::core) fn takes_here(&mut self, now: u64) -> bool {
        let State::Follower { here_at, leader: Some(_), .. } = &mut self.state else {
            return false;
        };
        let is_due = now >= *here_at;
        if is_due {
            *here_at = now.saturating_add(HERE_MS);
        }
        is_due
    }

    /// That this one is here, and which sessions it follows.
    pub(in crate::core) fn here<'a>(&self, sessions: impl Iterator<Item = &'a str>) -> String {
        let mut frame = self.message("here");
        frame.text("page", self.page.as_str()).raw("sessions", "[", &strings(sessions), "]").end()
    }

    /// Tells the app what it does not know yet.
    pub(in crate::core) fn publish<N>(&mut self, out: &mut VecDeque<Output<N>>) {
        let role = match self.state {
            State::Solo | State::Idle => Role::Solo,
            State::Leader { .. } => Role::Leader,
            State::Joining { .. } | State::Away | State::Follower { .. } => Role::Follower,
        };
        let published = (role, self.tabs());
        if self.published != published {
            self.published = published;
            out.push_back(Output::Role { role, tabs: published.1 });
        }
    }

    /// How many tabs some of the members are, this one among them or not.
    pub(in crate::core) fn count(&self, with_me: bool, is_counted: impl Fn(&Id) -> bool) -> u32 {
        let mut pages: Vec<&str> = Vec::new();
        if with_me {
            pages.push(self.page.as_str());
        }
        for member in self.members() {
            if is_counted(&member.tab) && !pages.contains(&member.page.as_str()) {
                pages.push(&member.page);
            }
        }
        u32::try_from(pages.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn tabs(&self) -> u32 {
        match (&self.state, self.leader()) {
            (State::Leader { .. }, _) => self.count(true, |_| true),
            (_, Some(leader)) => leader.tabs,
            (_, None) => 1,
        }
    }

    pub(super) fn members(&self) -> &[Member] {
        if let State::Leader { members, .. } = &self.state { members } else { &[] }
    }

    pub(super) fn sign(&self, mut frame: Frame, number: u64) -> Frame {
        frame.text("tab", self.me.as_str()).number("term", number);
        frame
    }
}
