//! Time as the core sees it.

/// Makes a driver's clock monotonic: when it is set back, the core's time goes on from where it
/// was, so that no deadline moves away by the size of the jump. A jump ahead is kept, it is what a
/// sleep looks like.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// What the core adds to the driver's time.
    ahead: u64,
    last: u64,
}

impl Clock {
    /// The core's time at a driver's time.
    pub(super) fn read(&mut self, now_ms: u64) -> u64 {
        let now = now_ms.saturating_add(self.ahead);
        if now < self.last {
            self.ahead = self.ahead.saturating_add(self.last - now);
            return self.last;
        }
        self.last = now;
        now
    }

    /// The driver's time at a time of the core.
    pub(super) const fn outside(&self, at: u64) -> u64 {
        at.saturating_sub(self.ahead)
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_moves_no_deadline_away() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(10_000), 10_000);
        assert_eq!(clock.read(4_000), 10_000);
        assert_eq!(clock.read(4_500), 10_500);
        assert_eq!(clock.outside(11_000), 5_000);
    }
}
