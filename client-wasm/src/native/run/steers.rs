//! What people say to a run while it works.

use durable_sessions_protocol::fold::{Message, Transcript};
use serde_json::{Value, json};

use super::{Run, RunError};
use crate::core::NextSteer;
use crate::native::shared::Folded;

/// The steers of a run, each once.
#[derive(Debug)]
pub struct Steers {
    run: Run,
}

impl Run {
    /// What people say to this run while it works, oldest first. A steer counts as used from
    /// [`Steers::next`] on; those that are not taken expire with the run.
    #[must_use]
    pub fn steers(&self) -> Steers {
        Steers { run: self.clone() }
    }
}

impl Steers {
    /// Takes the next steer, as a message of the role `user`; waits for one. `None` once the run
    /// was stopped or is gone, and after one of its writes was refused: the next [`Run::write`]
    /// fails with which of these it was. That it is used is in the log before this returns, so that it is
    /// taken once, also when the process dies and another one goes on with the run. Dropping the
    /// future loses no steer.
    pub async fn next(&mut self) -> Option<Message> {
        self.take(true).await.ok().flatten()
    }

    /// Takes the next steer if there is one. `None` says as little as that of [`Steers::next`].
    pub async fn try_next(&mut self) -> Option<Message> {
        self.take(false).await.ok().flatten()
    }

    async fn take(&self, waits: bool) -> Result<Option<Message>, RunError> {
        let (run, inner) = (&self.run, &self.run.inner);
        let id = inner.id.as_str();
        let _turn = inner.steering.lock().await;
        loop {
            let next = run.until(|folded| match folded.ledger.next_steer(id) {
                NextSteer::Claim(steer) => Some(Err(steer)),
                NextSteer::Taken(event) => Some(Ok(message(folded, &event))),
                NextSteer::None if !waits => Some(Ok(None)),
                NextSteer::None | NextSteer::Claimed => None,
            });
            let steer = match next.await? {
                Ok(taken) => return Ok(taken),
                Err(unclaimed) => unclaimed,
            };
            let used = json!({"kind": "input.state", "id": steer, "state": "used"});
            run.event(&used).await?;
            // No await in between: what was handed over is marked.
            inner.session.shared.with(|folded| folded.ledger.claim_steer(id, &steer));
        }
    }
}

/// A steer as the transcript shows a message.
fn message(folded: &Folded, steer: &Value) -> Option<Message> {
    let mut said = steer.clone();
    let fields = said.as_object_mut()?;
    fields.insert("kind".to_owned(), "message".into());
    fields.insert("role".to_owned(), "user".into());
    let mut transcript = Transcript::new(folded.transcript.log().clone());
    transcript.apply(&said);
    transcript.messages().first().cloned()
}
