//! An input that a worker has in hand.

use durable_sessions_protocol::id::{Id, SessionId};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Command;
use crate::core::Input;

/// Input for a worker. Its slot is taken until it is dropped, wherever that is.
#[derive(Debug)]
pub(in crate::native) struct Wake {
    agent: Id,
    pub(in crate::native) session: SessionId,
    pub(in crate::native) input: Id,
    pub(in crate::native) attempt: u32,
    /// The run that works on it and has lost its process.
    pub(in crate::native) run: Option<Id>,
    /// `None`: it goes without a word.
    handle: Option<mpsc::WeakSender<Command>>,
}

impl Wake {
    pub(in crate::native) const fn new(
        agent: Id,
        session: SessionId,
        input: Id,
        attempt: u32,
        run: Option<Id>,
        handle: mpsc::WeakSender<Command>,
    ) -> Self {
        Self { agent, session, input, attempt, run, handle: Some(handle) }
    }

    /// Lets it go with its slot taken: whoever is done with an input gives up the run that works on
    /// it, and a run that stays named is left to the next process.
    pub(in crate::native) fn leave(mut self) {
        self.handle = None;
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        // Without a handle there is no client any more.
        let Some(handle) = self.handle.as_ref().and_then(mpsc::WeakSender::upgrade) else { return };
        let (agent, session, input) =
            (self.agent.clone(), self.session.clone(), self.input.clone());
        let done = Command::Core(Input::WakeDone { agent, session, input });
        if let Err(TrySendError::Full(done)) = handle.try_send(done)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { handle.send(done).await });
        }
    }
}
