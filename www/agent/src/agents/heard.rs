//! What a run may know when it begins, or goes on.

use durable_sessions_client::native::{Run, RunError};
use durable_sessions_demo_agent::Brief;
use durable_sessions_protocol::fold::{Message, MessageState};
use tokio::task::spawn_blocking;

/// The field of a delegated message's data that names the user's message it is for.
pub(super) const ASKED_BY: &str = "asked_by";

/// What was said before, to a run and by it.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) brief: Brief,
    /// What the run has to work on, as it was written.
    pub(super) question: String,
    /// What it had written when its process died.
    pub(super) written: String,
    /// The part that holds its figures.
    pub(super) figures_part: Option<u32>,
    /// Steers that it had taken.
    pub(super) steers: Vec<Message>,
}

impl Heard {
    /// Reads the session up to the run's input.
    pub(super) async fn of(run: &Run) -> Result<Self, RunError> {
        let history = run.history();
        let own = |message: &&Message| message.run.as_deref() == Some(run.id().as_str());
        let answers = history.iter().filter(own).filter(|message| message.role == "assistant");
        let written = answers.clone().map(|message| message.text.as_str()).collect();
        let figures_part = answers.clone().find_map(figures_part);
        let steers = history.iter().filter(own).filter(|message| message.role == "user");
        let steers = steers.cloned().collect();

        let input = run.input();
        let texts = users_words(&history, input);
        let question = texts.last().cloned().unwrap_or_default();
        let is_delegated = input.run.is_some();
        let task = is_delegated.then(|| input.text.clone());
        // Reading figures out of a very long text takes a while; the other runs go on meanwhile.
        let reading = spawn_blocking(move || {
            let mut brief = Brief::of(texts.iter().map(String::as_str));
            if let Some(task) = task {
                brief.steer(&task);
            }
            brief
        });
        let brief = tokio::select! {
            brief = reading => brief?,
            () = run.stopped() => return Err(RunError::Stopped),
        };
        Ok(Self { brief, question, written, figures_part, steers })
    }
}

/// What the user has said up to the message that started the work, oldest first, without what was
/// taken back: a message that was stopped before it was answered, or replaced by a later one, which
/// history leaves out. What was said to a single run is that run's.
fn users_words(history: &[Message], input: &Message) -> Vec<String> {
    let last = input.data.as_ref().and_then(|data| data.get(ASKED_BY)?.as_str());
    let mut texts = Vec::new();
    for message in history {
        if message.role == "user" && message.run.is_none() && message.state != MessageState::Stopped
        {
            texts.push(message.text.clone());
        }
        if last == Some(message.id.as_str()) {
            break;
        }
    }
    texts
}

fn figures_part(message: &Message) -> Option<u32> {
    let is_figures = |part: &serde_json::Value| {
        part.get("type").and_then(serde_json::Value::as_str) == Some("figures")
    };
    message.parts.iter().position(is_figures).and_then(|at| u32::try_from(at).ok())
}
