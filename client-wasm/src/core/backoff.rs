//! Pauses between attempts, and the randomness in them.

use super::limits::{BACKOFF_MAX_MS, BACKOFF_MIN_MS};

/// A small generator (splitmix64): jitter needs no more.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// A row of failed attempts. The first retry is immediate, the later ones pause with full jitter:
/// many clients of one server that went away come back spread over the whole interval.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
    pub(super) const fn new() -> Self {
        Self { failures: 0 }
    }

    /// How long to wait after one more failure, in milliseconds.
    pub(super) fn next(&mut self, random: &mut Random) -> u64 {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        if failures == 0 { 0 } else { pause(failures, random) }
    }

    /// How long to wait where not even the first retry may be immediate.
    pub(super) fn next_pause(&mut self, random: &mut Random) -> u64 {
        self.failures = self.failures.saturating_add(1);
        pause(self.failures, random)
    }

    pub(super) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The row has ended.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between the shortest pause and one that doubles with each failure up to the longest.
fn pause(failures: u32, random: &mut Random) -> u64 {
    let ceiling = (BACKOFF_MIN_MS << failures.min(16)).min(BACKOFF_MAX_MS);
    BACKOFF_MIN_MS + random.next() % (ceiling - BACKOFF_MIN_MS + 1)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_retry_is_at_once_and_the_others_stay_within_bounds(
            seed in any::<u64>(),
            failures in 2..200_usize,
        ) {
            let mut random = Random::new(seed);
            let mut backoff = Backoff::default();
            prop_assert_eq!(backoff.next(&mut random), 0);
            for failure in 1..failures {
                let pause = backoff.next(&mut random);
                let ceiling = BACKOFF_MAX_MS.min(BACKOFF_MIN_MS << failure.min(16));
                prop_assert!((BACKOFF_MIN_MS..=ceiling).contains(&pause), "{} {}", failure, pause);
            }
            backoff.reset();
            prop_assert_eq!(backoff.next(&mut random), 0);
        }
    }

    #[test]
    fn pauses_of_many_clients_spread_over_the_whole_interval() {
        let mut buckets = [0_u32; 10];
        for seed in 0..2_000 {
            let pause = pause(10, &mut Random::new(seed));
            let bucket = (pause - BACKOFF_MIN_MS) * 10 / (BACKOFF_MAX_MS - BACKOFF_MIN_MS + 1);
            buckets[usize::try_from(bucket).unwrap()] += 1;
        }
        assert!(buckets.iter().all(|&count| count > 120), "{buckets:?}");
    }
}
