//! What the tests over the whole share: processes that are started and killed, plain HTTP and
//! plain WebSocket frames without the client library, and a network that breaks.

pub mod agent;
pub mod http;
pub mod log;
pub mod place;
pub mod process;
pub mod proxy;
pub mod socket;
pub mod writer;

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

/// Waits for what has to happen, however slow the machine is. The name says what is missing when
/// it does not.
pub async fn eventually<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match timeout(Duration::from_secs(60), happens).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within a minute"),
    }
}

/// The README's Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// So does the guide's for agents.
#[cfg(doctest)]
#[doc = include_str!("../../docs/AGENTS.md")]
pub struct Agents;
