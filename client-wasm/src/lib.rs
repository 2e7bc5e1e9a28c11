//! The client of durable sessions: one sans-IO [`core`] and its drivers.

pub mod core;
#[cfg(feature = "native")]
pub mod native;
#[cfg(target_arch = "wasm32")]
pub mod web;
