//! Giving work to the specialists, all at once, and collecting what they make of it.

use durable_sessions_client::native::{Delegated, Run, RunError};
use durable_sessions_demo_agent::plan::{Outcome, Specialist};
use durable_sessions_protocol::event::Outcome as Ended;
use serde_json::{Value, json};

use super::hand_on::Word;
use super::heard::ASKED_BY;

/// What each specialist made of its task.
#[derive(Debug, Default)]
pub(super) struct Results(Vec<(Specialist, Outcome)>);

impl Results {
    pub(super) fn insert(&mut self, specialist: Specialist, outcome: Outcome) {
        self.0.retain(|(other, _)| *other != specialist);
        self.0.push((specialist, outcome));
        self.0.sort_by_key(|(one, _)| Specialist::ALL.iter().position(|other| other == one));
    }

    pub(super) fn as_slice(&self) -> &[(Specialist, Outcome)] {
        &self.0
    }

    /// Those who have not begun, or whose work knows nothing of one of the words. Who was stopped
    /// stays stopped.
    pub(super) fn open(&self, words: &[Word]) -> Vec<Specialist> {
        let is_open =
            |specialist: &Specialist| match self.0.iter().find(|(other, _)| other == specialist) {
                None => true,
                Some((_, Outcome::Done(figures))) => {
                    let steered = strings(figures.get("steered"));
                    words.iter().any(|word| !word.changed.iter().all(|one| steered.contains(one)))
                }
                Some((_, Outcome::Untold(_) | Outcome::Stopped | Outcome::Broken)) => false,
            };
        Specialist::ALL.into_iter().filter(is_open).collect()
    }
}

/// Gives a specialist its task and waits for what becomes of it.
pub(super) async fn delegate(
    run: &Run,
    specialist: Specialist,
    words: &[Word],
) -> Result<(Specialist, Outcome), RunError> {
    let mut text = specialist.task().to_owned();
    for word in words {
        text.push(' ');
        text.push_str(&word.text());
    }
    let task = json!({"text": text, "data": {ASKED_BY: run.input().id}});
    let done = run.delegate(specialist.name(), task).await?;
    Ok((specialist, outcome(done, words)))
}

fn outcome(done: Delegated, words: &[Word]) -> Outcome {
    match (done.outcome, done.data) {
        (Ended::Completed, Some(mut data)) => {
            let needs = strings(data.get("needs"));
            if !needs.is_empty() {
                return Outcome::Untold(needs);
            }
            // What it was told with its task counts as much as what it was told later.
            let mut steered = strings(data.get("steered"));
            steered.extend(words.iter().flat_map(|word| word.changed.clone()));
            if let Value::Object(fields) = &mut data {
                fields.insert("steered".to_owned(), steered.into());
            }
            Outcome::Done(data)
        }
        (Ended::Stopped, _) => Outcome::Stopped,
        (Ended::Completed | Ended::Failed | Ended::Lost, _) => Outcome::Broken,
    }
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
