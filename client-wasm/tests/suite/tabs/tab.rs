//! One tab: a core, and what it has of the browser.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use durable_sessions_client::core::{Client, Group, Role, Status, Token};
use durable_sessions_protocol::id::{Id, SessionId};
use serde_json::Value;

use super::acts::Stored;
use super::fence::Fence;
use super::locks::Request;
use super::witness::Watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TabId(pub(super) usize);

#[derive(Debug)]
pub(super) struct Tab {
    pub(super) core: Client<Value>,
    pub(super) life: Life,
    /// Since when it runs.
    pub(super) awake_since: u64,
    /// What came while it did not run.
    pub(super) inbox: VecDeque<Task>,
    pub(super) is_hidden: bool,
    /// The group it is in when asked, and whose acts it may send.
    pub(super) group: Option<Group>,
    pub(super) principal: String,
    /// The channel it listens to.
    pub(super) channel: Option<Channel>,
    /// Its lock, or its place in the queue.
    pub(super) lock: Option<Request>,
    pub(super) token: Token,
    /// What it says it is, and how many it says there are.
    pub(super) role: Option<(Role, u32)>,
    pub(super) fence: Fence,
    pub(super) status: Status,
    pub(super) sessions: BTreeMap<SessionId, Watch>,
    /// Acts whose answer the app waits for.
    pub(super) promises: BTreeSet<Id>,
    /// How often its timer fired in this instant, and when it last did.
    pub(super) timers: (u64, u32),
    pub(super) presences: u32,
    /// Sockets it has opened, joins and lock requests it has made, readers it has had.
    pub(super) opened: u32,
    pub(super) joins: u32,
    pub(super) locks: u32,
    pub(super) readers: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Awake,
    /// Nothing runs; it was not told.
    Frozen,
    /// In the back-forward cache; it was told.
    Suspended,
    /// Its memory is gone.
    Gone,
}

/// A place at a channel; who leaves and comes back has another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) key: String,
    pub(super) join: u32,
}

/// Something that its event loop is going to run.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Opened {
        connection: u32,
    },
    Frame {
        connection: u32,
        text: String,
    },
    Closed {
        connection: u32,
        code: u16,
    },
    Message {
        channel: Channel,
        head: String,
        cargo: Option<Value>,
    },
    Locked(Request),
    LockLost(Request),
    Group,
    Token {
        socket: u32,
    },
    /// What was in the durable outbox a moment ago.
    Recovered(Vec<Stored>),
    /// The app has consumed what a reader was given.
    Consumed {
        session: SessionId,
        reader: u32,
    },
}

impl Tab {
    pub(super) fn is_awake(&self) -> bool {
        self.life == Life::Awake
    }

    /// Whether nothing was ever asked of it: then it connects to nothing.
    pub(super) const fn is_idle(&self) -> bool {
        self.role.is_none()
    }

    pub(super) fn leads(&self) -> bool {
        self.role.is_some_and(|(role, _)| role == Role::Leader)
    }
}
