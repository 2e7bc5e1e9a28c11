//! Fields of frames and messages, as what they stand for.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

/// What is absent, or is something else, is `None`.
///
/// None of it is inlined: in the browser each copy weighs more than the call.
pub(crate) trait Read: Node {
    /// An id.
    #[inline(never)]
    fn id(&self, name: &'static str) -> Option<Id> {
        Id::parse(&self.text(name)?).ok()
    }

    /// The id of a session.
    #[inline(never)]
    fn session_id(&self, name: &'static str) -> Option<SessionId> {
        SessionId::parse(&self.text(name)?).ok()
    }

    /// The id of a log.
    #[inline(never)]
    fn log_id(&self, name: &'static str) -> Option<LogId> {
        LogId::parse(&self.text(name)?).ok()
    }

    /// An offset.
    #[inline(never)]
    fn offset(&self, name: &'static str) -> Option<Offset> {
        Offset::new(self.number(name)?)
    }

    /// A number of few digits.
    #[inline(never)]
    fn small(&self, name: &'static str) -> Option<u32> {
        u32::try_from(self.number(name)?).ok()
    }

    /// The items of an array; none if there is none.
    #[inline(never)]
    fn list(&self, name: &'static str) -> Vec<Self> {
        self.field(name).map(Self::items).unwrap_or_default()
    }

    /// The strings of an array.
    #[inline(never)]
    fn texts(&self, name: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.list(name) {
            texts.extend(item.as_text());
        }
        texts
    }
}

impl<N: Node> Read for N {}
