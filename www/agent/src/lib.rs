//! The thinking half of the demo's agent: an analyst of ecommerce unit economics.
//!
//! Everything here is a pure function of what the user has written so far, so the same session
//! gives the same answer on any machine, after any restart. Sockets, runs and pacing live in
//! `main.rs`.
//!
//! - [`respond`] reads figures out of free text and answers with a request for what is missing,
//!   or with a worked answer.
//! - [`tokens`] cuts an answer into the pieces it is streamed in.

mod answer;
mod economics;
mod figures;
mod money;
mod tokens;

pub use answer::respond;
pub use tokens::tokens;
