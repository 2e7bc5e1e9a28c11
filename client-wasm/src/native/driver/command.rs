//! What the handles and workers say.

use std::sync::Arc;

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::id::{Id, SessionId};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::runs::{Ended, RunLink};
use super::wake::Wake;
use crate::core::{Act, Input, RunEnd, Started};
use crate::native::session::Receipt;
use crate::native::shared::{Shared, Update};

/// What a handle asks of the driver.
#[derive(Debug)]
pub(in crate::native) enum Command {
    /// Follow a session, and write to it as a producer.
    Open {
        session: SessionId,
        producer: Option<Id>,
        reply: oneshot::Sender<Arc<Shared>>,
    },
    Detach {
        session: SessionId,
    },
    Subscribe {
        session: SessionId,
        updates: mpsc::Sender<Update>,
        reply: oneshot::Sender<()>,
    },
    Act {
        session: SessionId,
        act: Act,
        reply: oneshot::Sender<Result<Receipt, Problem>>,
    },
    Serve {
        agent: Id,
        sessions: Vec<String>,
        slots: u32,
        producer: Option<Id>,
        wakes: mpsc::Sender<Wake>,
        /// Told why the server will not have it.
        refused: oneshot::Sender<Problem>,
    },
    /// A worker is gone; another may have its place.
    Withdraw {
        agent: Id,
    },
    StartRun {
        session: SessionId,
        started: Started,
        link: RunLink,
    },
    /// Go on with a run of an earlier process.
    TakeOver {
        session: SessionId,
        producer: Id,
        run: Id,
        link: RunLink,
    },
    EndRun {
        session: SessionId,
        run: Id,
        end: RunEnd,
        ended: oneshot::Sender<Ended>,
    },
    LeaveRun {
        session: SessionId,
        run: Id,
        left: oneshot::Sender<()>,
    },
    /// Refuse all that waits, and everything from then on.
    Close,
    /// What needs no answer.
    Core(Input<Value>),
}
