//! What both ends of a durable session share: ids, offsets, events, frames, limits and the fold.
//!
//! The crate does no IO and knows no clock, randomness or async runtime.

pub mod close;
pub mod error;
#[cfg(feature = "codec")]
pub mod event;
pub mod fold;
#[cfg(feature = "codec")]
pub mod frame;
pub mod id;
#[cfg(feature = "codec")]
pub mod json;
pub mod limits;
#[cfg(feature = "codec")]
pub mod merge;
pub mod offset;
pub mod quote;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "durable-sessions.v1";
