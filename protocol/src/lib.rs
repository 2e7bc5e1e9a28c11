//! What both ends of a durable session share: ids, offsets, events, frames, limits and the fold.
//!
//! The crate does no IO and knows no clock, randomness or async runtime.

pub mod id;
pub mod offset;
