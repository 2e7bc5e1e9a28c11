//! The thinking half of the demo's agents: a growth copilot for a small ecommerce brand.
//!
//! Everything here is a pure function of what the user has written so far, so the same session
//! gives the same answer on any machine, after any restart. Sockets, runs, pacing and language
//! models live in the binary.
//!
//! - [`Brief`] reads figures out of free text, and answers with a request for what is missing or
//!   with a short worked answer.
//! - [`plan`] holds the four specialists of a growth plan and the sum-up of their results.
//! - [`tokens`] cuts an answer into the pieces it is streamed in.

mod answer;
mod brief;
mod economics;
mod figures;
mod money;
pub mod plan;
mod table;
mod tokens;

pub use brief::{Brief, Change};
pub use tokens::tokens;
