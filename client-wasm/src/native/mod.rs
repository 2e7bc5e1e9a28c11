//! The tokio driver: agents, tests and benchmarks.
//!
//! A [`Client`] is a cheap handle; behind it one task owns the [`core`](crate::core) and the
//! socket. It must be made inside a tokio runtime, and works until its last handle is dropped.
//!
//! ```no_run
//! use durable_sessions_client::native::{Client, Options, Serve};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("http://127.0.0.1:8787", Options::agent("echo"))?;
//! let worker = client.serve("assistant", Serve::default(), async |run| {
//!     let words = run.input().text.clone();
//!     for word in words.split_inclusive(' ') {
//!         run.write(word).await?;
//!     }
//!     Ok(None)
//! });
//! worker.await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod driver;
mod lease;
mod open_run;
mod run;
mod session;
mod shared;
mod socket;
mod worker;

pub use client::{Client, ConnectionState, InvalidUrl, Options, TokenFuture};
pub use lease::{InvalidLease, Lease};
pub use run::{Ask, Delegated, Run, RunError, Steers};
pub use session::{Receipt, Session, Updates};
pub use shared::{SessionState, Update};
pub use worker::{Serve, Worker};

pub use durable_sessions_protocol::error::Problem;
pub use durable_sessions_protocol::id::{Id, SessionId};

/// Acts and publishes that wait for the driver. Beyond it their writers wait.
const COMMANDS_MAX: usize = 1024;
/// Updates that wait for one subscriber. Beyond it the subscription ends, with
/// [`Update::Lagged`] as its last word.
const UPDATES_MAX: usize = 1024;
/// Sessions without a handle or an open run that stay attached. Beyond it the one that was used
/// the longest ago is left.
const IDLE_SESSIONS_MAX: usize = 64;
/// A session without a handle or an open run is left after this long.
const IDLE_SESSION_MS: u64 = 5 * 60 * 1000;

/// How long a worker that shuts down waits for the ends of its runs to be in the log.
const SHUTDOWN_TIMEOUT_MS: u64 = 5_000;

/// A name no one else has: 128 random bits.
fn random_id() -> Id {
    let text = format!("{:032x}", rand::random::<u128>());
    match Id::parse(&text) {
        Ok(id) => id,
        Err(error) => unreachable!("32 hexadecimal digits {error}"),
    }
}
