//! Asking people.

use serde_json::{Value, json};

use super::{Run, RunError};
use crate::native::random_id;

impl Run {
    /// Asks whoever follows the session, and waits for the first answer, through any number of
    /// connections; the run is `suspended` meanwhile. Several asks may be open at once. A stop
    /// meanwhile is [`RunError::Stopped`]; unanswered for 24 h the run ends `lost`.
    ///
    /// `body` is the app's own and may not be `null`; so is the answer.
    pub async fn ask(&self, body: &Value) -> Result<Value, RunError> {
        let run = self.id().as_str();
        let earlier = self.inner.session.shared.with(|folded| {
            let mut awaited = self.awaited();
            let is_left = |ask: &str, asked: &Value| asked == body && !awaited.contains(ask);
            let ask = folded.ledger.find_ask(run, is_left)?.to_owned();
            awaited.insert(ask.clone());
            Some(ask)
        });
        let ask = match earlier.flatten() {
            Some(ask) => ask,
            None => {
                let ask = random_id().to_string();
                self.awaited().insert(ask.clone());
                let event = json!({"kind": "run.suspended", "run": run, "ask": ask, "body": body});
                self.event(&event).await?;
                ask
            }
        };
        self.until(|folded| folded.ledger.answer(run, &ask).cloned()).await
    }
}
