//! The assistant: a short answer, or a plan with the specialists.

use durable_sessions_client::native::{Run, RunError};
use serde_json::Value;

use super::heard::Heard;
use super::pen::{Draft, Said, acknowledged};
use super::planner::Planner;
use super::{ASSISTANT, Desk};

pub(super) async fn work(desk: &Desk, run: &Run) -> Result<Option<Value>, RunError> {
    let mut heard = Heard::of(run).await?;
    if heard.brief.calls_for_plan() {
        return Planner::new(desk, run, heard).await?.plan().await.map(Some);
    }
    for steer in std::mem::take(&mut heard.steers) {
        heard.brief.steer(&steer.text);
    }
    let mut steers = run.steers();
    loop {
        let text = heard.brief.answer();
        let draft =
            Draft { agent: ASSISTANT, question: &heard.question, facts: text.clone(), text };
        let mut writing = desk.pen.begin(&draft, &std::mem::take(&mut heard.written));
        match writing.go_on(run, &mut heard.brief, &mut steers).await? {
            Said::All => return Ok(None),
            Said::Changed(_, change) => {
                run.write(&format!("{}\n\n", acknowledged(&change))).await?;
            }
        }
    }
}
