//! The five agents as people meet them: a server, the program, and someone who types.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where its helpers fail"
)]

mod control;
mod model;
mod plan;
mod refusal;
mod restart;
mod support;
