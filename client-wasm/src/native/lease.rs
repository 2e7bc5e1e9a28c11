//! How long a run outlives its connection.

use std::fmt;

use durable_sessions_protocol::limits::{LEASE_MAX_MS, LEASE_MIN_MS, LEASE_MS};

/// How long a run stays open once its worker's connection is gone, 1,000 to 86,400,000 ms. A worker
/// that is back in that time, or its successor of the same [`Serve::producer`], goes on with it; then
/// the run ends `lost`, and its input is offered again. So a long one outlives long outages, and
/// makes whoever waits for the answer of a worker that died wait as long.
///
/// [`Serve::producer`]: super::Serve::producer
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease(u64);

/// Not within the limits of a [`Lease`]: the milliseconds that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidLease(u64);

impl Lease {
    /// A lease of so many milliseconds.
    pub const fn from_ms(ms: u64) -> Result<Self, InvalidLease> {
        if ms < LEASE_MIN_MS || ms > LEASE_MAX_MS { Err(InvalidLease(ms)) } else { Ok(Self(ms)) }
    }

    /// The same in milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0
    }
}

impl Default for Lease {
    /// That of a run that asks for none: 30,000 ms.
    fn default() -> Self {
        Self(LEASE_MS)
    }
}

impl fmt::Display for InvalidLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a lease is {LEASE_MIN_MS} to {LEASE_MAX_MS} ms, not {}", self.0)
    }
}

impl std::error::Error for InvalidLease {}
