//! Placeholder.

pub mod hub;
pub mod log;
pub mod metrics;
