//! An agent whose answer is known beforehand: it counts.

use std::time::Duration;

use durable_sessions_client::native::{Run, RunError};
use serde_json::Value;
use tokio::time::interval;

/// Writes `0 1 2 … `, one number every `pace`.
pub async fn count(run: Run, numbers: u32, pace: Duration) -> Result<Option<Value>, RunError> {
    let mut beat = interval(pace);
    for number in 0..numbers {
        tokio::select! {
            biased;
            () = run.stopped() => return Err(RunError::Stopped),
            _ = beat.tick() => run.write(&format!("{number} ")).await?,
        }
    }
    Ok(None)
}

/// What [`count`] has written at its end.
pub fn counted(numbers: u32) -> String {
    (0..numbers).map(|number| format!("{number} ")).collect()
}
