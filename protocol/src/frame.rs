//! The frames of `GET /v1/connect`: JSON text messages with a `type`.

mod client;
mod server;

pub use self::client::{
    Attach, BadFrame, ClientFrame, Detach, Fetch, Hello, Ping, Pong, ProducerClaim, ProducerGrant,
    ProducerSeq, Publish, Seen, Serve, Token,
};
pub use self::server::{Limits, Member, ServerFrame, StopReceipt, events_frame, page_frame};
pub use crate::SUBPROTOCOL;

/// Chosen by the client, repeated in the answer.
pub type RequestId = u64;
