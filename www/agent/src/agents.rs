//! The five agents: what each does with a run.

mod answer;
mod form;
mod gather;
mod hand_on;
mod heard;
mod pen;
mod planner;
mod specialist;

use std::sync::Arc;

use durable_sessions_client::native::{Client, Run, RunError};
use durable_sessions_demo_agent::plan::Specialist;
use serde_json::Value;

pub(crate) use pen::Pen;

/// The agent that answers what is addressed to nobody, and leads the others.
pub(crate) const ASSISTANT: &str = "assistant";

/// All names this program can serve.
pub(crate) const NAMES: [&str; 5] =
    [ASSISTANT, "unit-economics", "bid-cap", "test-plan", "seo-listicle"];

/// What an agent works with: its own connection, and a pen like that of the others.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) pen: Arc<Pen>,
}

/// Works on one input as the agent of that name.
pub(crate) async fn work(
    desk: Arc<Desk>,
    agent: String,
    run: Run,
) -> Result<Option<Value>, RunError> {
    match Specialist::named(&agent) {
        Some(specialist) => specialist::work(&desk, &run, specialist).await,
        None => answer::work(&desk, &run).await,
    }
}
