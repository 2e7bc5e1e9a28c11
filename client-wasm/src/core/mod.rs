//! The client without IO: what it decides, and nothing that waits.
//!
//! A driver owns a [`Client`], a socket and a timer. It tells the client what happens
//! ([`Client::handle`]), does what the client asks until there is nothing more ([`Client::poll`]),
//! and calls again with [`Input::Timeout`] at the time of [`Client::timeout`]. Time is an argument
//! in milliseconds of any clock that goes on while the machine sleeps, as far as there is one; it
//! may jump. JSON comes in parsed by whoever is nearest ([`Node`]) and goes out as text.

mod act;
mod frames;
mod input;
pub mod limits;
mod output;
mod writer;

use std::collections::VecDeque;
use std::marker::PhantomData;

pub use act::{Act, Body, StopTarget};
use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::offset::Position;
pub use input::{Follow, Input, Options, Token};
pub use output::{Output, SessionStatus, Status};
pub use writer::{RunEnd, Started};

/// A client of one server: one connection, many sessions.
#[derive(Debug)]
pub struct Client<N> {
    outputs: VecDeque<Output<N>>,
    marker: PhantomData<N>,
}

impl<N: Node> Client<N> {
    /// A client that has not connected.
    #[must_use]
    pub fn new(options: Options) -> Self {
        drop(options);
        Self { outputs: VecDeque::new(), marker: PhantomData }
    }

    /// Takes in what happened at a time.
    pub fn handle(&mut self, now_ms: u64, input: Input<N>) {
        drop((now_ms, input));
    }

    /// The next thing to do or tell. `None`: wait for input, or for [`Client::timeout`].
    pub fn poll(&mut self) -> Option<Output<N>> {
        self.outputs.pop_front()
    }

    /// When to call with [`Input::Timeout`], on the clock of `now_ms`. A time that is over means:
    /// in the next turn of the event loop, after the messages that have come are handled.
    #[must_use]
    pub fn timeout(&self) -> Option<u64> {
        None
    }

    /// The position of what the session's subscriber was given, once its log is known.
    #[must_use]
    pub fn position(&self, session: &SessionId) -> Option<Position> {
        let _ = session;
        None
    }

    /// Whether a producer has room for more. Writes beyond it are taken, but a writer should wait
    /// for [`Output::WriterReady`].
    #[must_use]
    pub fn has_room(&self, session: &SessionId) -> bool {
        let _ = session;
        true
    }

    /// Takes back an act that has not been sent yet. `false`: it is on its way, or not known.
    pub fn discard(&mut self, session: &SessionId, id: &Id) -> bool {
        let _ = (session, id);
        false
    }
}
