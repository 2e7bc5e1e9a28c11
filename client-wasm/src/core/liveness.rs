//! When silence means that the other side is gone.

use durable_sessions_protocol::limits::HEARTBEAT_GRACE_MS;

use super::limits::{LATE_TIMER_MS, PROBE_TIMEOUT_MS};

/// A time at which a verdict falls, and the look before it: a timer that fires late means that the
/// process slept, and what came meanwhile has not been read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline {
    at: u64,
    looked_again: bool,
}

impl Deadline {
    pub(super) const fn new(at: u64) -> Self {
        Self { at, looked_again: false }
    }

    pub(super) const fn at(self) -> u64 {
        self.at
    }

    /// Whether the verdict falls now. When it is late for it, it is put off by one turn.
    pub(super) fn has_passed(&mut self, now: u64) -> bool {
        if now < self.at {
            return false;
        }
        if !self.looked_again && now > self.at.saturating_add(LATE_TIMER_MS) {
            *self = Self { at: now, looked_again: true };
            return false;
        }
        true
    }
}

/// What is known about the life of an open socket.
#[derive(Debug)]
pub(super) struct Liveness {
    silence_ms: u64,
    silence: Deadline,
    probe: Option<Deadline>,
}

impl Liveness {
    /// A socket that was heard now, of a server that is never silent for longer than
    /// `heartbeat_ms`.
    pub(super) fn new(now: u64, heartbeat_ms: u64) -> Self {
        let silence_ms = heartbeat_ms.saturating_add(HEARTBEAT_GRACE_MS);
        Self { silence_ms, silence: Deadline::new(now.saturating_add(silence_ms)), probe: None }
    }

    /// Something came.
    pub(super) fn heard(&mut self, now: u64) {
        self.silence = Deadline::new(now.saturating_add(self.silence_ms));
        self.probe = None;
    }

    /// A `ping` was sent; its answer is due soon.
    pub(super) fn probe(&mut self, now: u64) {
        self.probe = Some(Deadline::new(now.saturating_add(PROBE_TIMEOUT_MS)));
    }

    /// Whether the socket counts as dead now.
    pub(super) fn is_dead(&mut self, now: u64) -> bool {
        let unanswered = self.probe.as_mut().is_some_and(|probe| probe.has_passed(now));
        unanswered || self.silence.has_passed(now)
    }

    pub(super) fn timeout(&self) -> u64 {
        self.probe.map_or(self.silence.at(), |probe| probe.at().min(self.silence.at()))
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    const SILENCE_MS: u64 = 25_000;

    #[test]
    fn silence_of_a_heartbeat_and_its_grace_is_death() {
        let mut life = Liveness::new(0, 15_000);
        assert_eq!(life.timeout(), SILENCE_MS);
        assert!(!life.is_dead(SILENCE_MS - 1));
        assert!(life.is_dead(SILENCE_MS));
    }

    #[test]
    fn a_late_timer_looks_once_more_and_believes_what_came() {
        let mut life = Liveness::new(0, 15_000);
        assert!(!life.is_dead(90_000));
        assert_eq!(life.timeout(), 90_000);
        life.heard(90_000);
        assert!(!life.is_dead(90_001));
        assert_eq!(life.timeout(), 90_000 + SILENCE_MS);
    }

    #[test]
    fn a_late_timer_after_which_nothing_came_is_death_in_the_next_turn() {
        let mut life = Liveness::new(0, 15_000);
        assert!(!life.is_dead(90_000));
        assert!(life.is_dead(90_000));
    }

    #[test]
    fn an_unanswered_probe_is_death_and_an_answered_one_is_forgotten() {
        let mut life = Liveness::new(0, 15_000);
        life.probe(1_000);
        assert_eq!(life.timeout(), 3_000);
        life.heard(1_500);
        assert!(!life.is_dead(3_000));
        life.probe(3_000);
        assert!(life.is_dead(5_000));
    }
}
