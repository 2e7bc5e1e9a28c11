//! The server as its clients see it: frames, HTTP answers and close codes over real sockets.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where its helpers fail"
)]

mod bad_input;
mod cli;
mod fetch;
mod flow;
mod groups;
mod http;
mod last;
mod listing;
mod liveness;
mod merge;
mod next;
mod presence;
mod safety;
mod session_log;
mod shutdown;
mod socket;
mod sse;
mod static_files;
mod stop;
mod store_failure;
mod support;
mod unload;
mod wake;
