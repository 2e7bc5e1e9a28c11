//! What a beat says.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::Id;

use super::super::output::Status;
use super::super::read::Read;

/// What a follower knows of its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core) struct Leader {
    pub(super) tab: Id,
    pub(super) number: u64,
    /// Its socket, while that is live.
    pub(super) socket: Option<u32>,
    pub(super) status: Status,
    pub(super) retry_at: Option<u64>,
    pub(super) has_lock: bool,
    pub(super) tabs: u32,
}

impl Leader {
    pub(super) fn read<N: Node>(head: &N) -> Option<Self> {
        Some(Self {
            tab: head.id("tab")?,
            number: head.number("term")?,
            socket: head.small("socket"),
            status: Status::parse(&head.text("status")?)?,
            retry_at: head.number("retry_at"),
            has_lock: head.number("locked") == Some(1),
            tabs: head.small("tabs").unwrap_or(1),
        })
    }

    /// Whether a leader's term is over where another one's is known.
    pub(super) fn is_below(&self, number: u64, tab: &Id) -> bool {
        (self.number, self.tab.as_str()) < (number, tab.as_str())
    }
}
