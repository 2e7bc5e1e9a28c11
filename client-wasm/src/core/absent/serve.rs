//! A page serves no agent.

/// No offers.
#[derive(Debug, Default)]
pub(super) struct Serve {}

impl Serve {
    pub(super) fn cut(&mut self) {}
}
