//! Asking people.

use durable_sessions_protocol::limits::{ASK_EXPIRY_MAX_MS, ASK_EXPIRY_MIN_MS};
use serde_json::{Value, json};

use super::{Run, RunError};
use crate::native::random_id;

/// A question. A body alone is one, too.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What is asked, in the app's own words; not `null`.
    pub body: &'a Value,
    /// How long the answer may take, 1,000 to 2,592,000,000 ms (30 days); `None` is 24 h. Then the
    /// run ends `lost`; if it has an input, that is offered again unless it was the third attempt.
    pub expires_ms: Option<u64>,
}

impl<'a> From<&'a Value> for Ask<'a> {
    fn from(body: &'a Value) -> Self {
        Self { body, expires_ms: None }
    }
}

impl Run {
    /// Asks whoever follows the session, and waits for the first answer, through any number of
    /// connections; the run is `suspended` meanwhile. Several asks may be open at once. A stop
    /// meanwhile, and the end of the time for the answer, is [`RunError::Stopped`].
    ///
    /// The answer is the app's own, as the body is. A time beyond its limits is a failure with the
    /// code `invalid`, and nothing is asked.
    pub async fn ask<'a>(&self, ask: impl Into<Ask<'a>>) -> Result<Value, RunError> {
        let Ask { body, expires_ms } = ask.into();
        if expires_ms.is_some_and(|ms| !(ASK_EXPIRY_MIN_MS..=ASK_EXPIRY_MAX_MS).contains(&ms)) {
            return Err(RunError::Failed(json!({
                "code": "invalid",
                "detail": format!("an ask expires in {ASK_EXPIRY_MIN_MS} to {ASK_EXPIRY_MAX_MS} ms"),
            })));
        }
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
                let mut event =
                    json!({"kind": "run.suspended", "run": run, "ask": ask, "body": body});
                if let (Some(ms), Some(fields)) = (expires_ms, event.as_object_mut()) {
                    fields.insert("expires_ms".to_owned(), ms.into());
                }
                self.event(&event).await?;
                ask
            }
        };
        self.until(|folded| folded.ledger.answer(run, &ask).cloned()).await
    }
}
