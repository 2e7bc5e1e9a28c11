//! A page serves no agent.

use durable_sessions_protocol::id::Id;

/// No offers.
#[derive(Debug, Default)]
pub(super) struct Serve {}

impl Serve {
    pub(super) fn frames(&self, _agent: Option<&Id>) -> [String; 0] {
        []
    }

    pub(super) fn cut(&mut self) {}
}
