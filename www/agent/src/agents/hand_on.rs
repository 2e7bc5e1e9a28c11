//! Handing on what people say to the assistant: to each specialist that works for it.

use std::collections::BTreeSet;

use durable_sessions_client::core::{Act, Body};
use durable_sessions_client::native::Session;
use durable_sessions_protocol::fold::{RunState, Transcript};
use durable_sessions_protocol::id::Id;
use serde_json::json;
use tokio::sync::watch;

/// A word that holds for the whole plan.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// The steer it came with.
    pub(super) steer: String,
    /// What it changed, such as `COGS $14.00`.
    pub(super) changed: Vec<String>,
}

impl Word {
    /// As specialists are told, in a steer or behind their task.
    pub(super) fn text(&self) -> String {
        format!("Assume {}.", self.changed.join(", "))
    }
}

/// Steers each open run below `parent` that was not told a word with its task. Never ends.
pub(super) async fn hand_on(session: &Session, parent: &Id, mut words: watch::Receiver<Vec<Word>>) {
    let mut told = BTreeSet::new();
    loop {
        let known = words.borrow_and_update().clone();
        let (run, agent, word) = tokio::select! {
            found = session.until(|transcript| untold(transcript, parent, &known, &told)) => {
                match found {
                    Ok(found) => found,
                    // The client is closed, and the parent's run notices that itself.
                    Err(_) => return std::future::pending().await,
                }
            }
            changed = words.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return std::future::pending().await,
            },
        };
        told.insert((run.clone(), word.steer.clone()));
        // Named after the steer it comes from: handed on again after a crash it is the same one.
        let Ok(id) = Id::parse(&format!("{}.{agent}", word.steer)) else { continue };
        let steer = json!({"kind": "steer", "id": id, "run": run, "text": word.text()});
        // A run that has ended meanwhile takes no steer; its work is then asked for anew.
        let _ = session.act(Act { id, body: Body::Event(steer.to_string()) }).await;
    }
}

/// An open run below `parent`, its agent, and a word that it was not told.
fn untold(
    transcript: &Transcript,
    parent: &Id,
    words: &[Word],
    told: &BTreeSet<(String, String)>,
) -> Option<(String, String, Word)> {
    let runs = transcript.runs();
    let place = runs.iter().position(|run| run.id == parent.as_str())?;
    let is_open = |state: RunState| matches!(state, RunState::Running | RunState::Suspended);
    let open = runs.iter().filter(|run| run.parent == Some(place) && is_open(run.state));
    for run in open {
        let task = transcript
            .messages()
            .iter()
            .find(|message| Some(message.id.as_str()) == run.in_reply_to.as_deref());
        let task = task.map(|message| message.text.as_str()).unwrap_or_default();
        let is_untold = |word: &&Word| {
            !task.contains(&word.text()) && !told.contains(&(run.id.clone(), word.steer.clone()))
        };
        if let Some(word) = words.iter().find(is_untold) {
            return Some((run.id.clone(), run.agent.clone(), word.clone()));
        }
    }
    None
}
