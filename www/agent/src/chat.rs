//! One run: from the conversation so far to an answer that is written at a reader's pace.

use std::time::Duration;

use durable_sessions_client::native::{Run, RunError};
use durable_sessions_demo_agent::{Brief, tokens};
use durable_sessions_protocol::fold::MessageState;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

/// Answers the input of a run, one token every `pace`. A stop ends it at once, whatever it waits
/// for; the rest of the answer is never written.
pub(crate) async fn answer(run: Run, pace: Duration) -> Result<Option<Value>, RunError> {
    let said = users_words(&run);
    // Reading figures out of a very long text takes a while; the other runs go on meanwhile.
    let thinking = tokio::task::spawn_blocking(move || {
        Brief::of(said.iter().map(String::as_str)).answer()
    });
    let text = tokio::select! {
        text = thinking => text?,
        () = run.stopped() => return Err(RunError::Stopped),
    };

    let mut beat = interval(pace);
    // After a pause the answer goes on at its pace instead of catching up in one jump.
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for token in tokens(&text) {
        tokio::select! {
            biased;
            () = run.stopped() => return Err(RunError::Stopped),
            _ = beat.tick() => run.write(token).await?,
        }
    }
    Ok(None)
}

/// What the user has said up to the input, oldest first, without what was taken back: a message
/// that was stopped before it was answered, or replaced by a later one, which history leaves out.
fn users_words(run: &Run) -> Vec<String> {
    let history = run.history();
    let said = history
        .into_iter()
        .filter(|message| message.role == "user" && message.state != MessageState::Stopped);
    said.map(|message| message.text).collect()
}
