//! Writing: at a reader's pace, or as a language model does, while people may stop it or put a word
//! in.

use std::pin::pin;
use std::time::Duration;

use durable_sessions_client::native::{Run, RunError, Steers};
use durable_sessions_demo_agent::{Brief, Change, tokens};
use durable_sessions_protocol::fold::Message;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::model::{Answer, Model, Prompt};

/// How the agents write.
#[derive(Debug)]
pub(crate) struct Pen {
    /// Time from one token to the next.
    pub(crate) pace: Duration,
    /// Who words the answers; without a model they are written as they were worked out.
    pub(crate) model: Option<Model>,
}

/// What is to be said.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) agent: &'a str,
    pub(super) question: &'a str,
    /// What a model has to go by.
    pub(super) facts: String,
    /// What is said without one.
    pub(super) text: String,
}

/// How far it came.
#[derive(Debug)]
pub(super) enum Said {
    All,
    /// The steer of that id changed figures.
    Changed(String, Change),
}

/// One answer that is being written.
pub(super) enum Writing<'a> {
    Words { text: String, at: usize, beat: Interval },
    Model { model: &'a Model, prompt: Prompt, answer: Option<Answer> },
}

impl Pen {
    /// Begins to write. `written` is what a process that died had written of it: the words go on
    /// where that breaks off.
    pub(super) fn begin(&self, draft: &Draft<'_>, written: &str) -> Writing<'_> {
        if let Some(model) = &self.model {
            let prompt = Prompt::new(draft.agent, draft.question, &draft.facts);
            return Writing::Model { model, prompt, answer: None };
        }
        self.begin_words(&draft.text, written)
    }

    /// The same for words that no model is asked for.
    pub(super) fn begin_words(&self, text: &str, written: &str) -> Writing<'_> {
        let mut beat = interval(self.pace);
        // After a pause the answer goes on at its pace instead of catching up in one jump.
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Writing::Words { text: text.to_owned(), at: overlap(written, text), beat }
    }
}

impl Writing<'_> {
    /// Writes until all is said or a steer changes a figure in `brief`; called again it goes on.
    /// A steer without a figure is answered behind the text. A stop ends it at once, whatever it
    /// waits for; the rest is never written.
    pub(super) async fn go_on(
        &mut self,
        run: &Run,
        brief: &mut Brief,
        steers: &mut Steers,
    ) -> Result<Said, RunError> {
        let mut remarks = String::new();
        let steer = loop {
            let steer = {
                let next = pin!(steers.next());
                tokio::select! {
                    biased;
                    steer = next => steer.ok_or(RunError::Stopped)?,
                    done = self.write(run) => {
                        done?;
                        break None;
                    }
                }
            };
            let change = brief.steer(&steer.text);
            if !change.changed.is_empty() {
                break Some((steer, change));
            }
            remarks.push_str(&remark(&steer, &change));
        };
        if !remarks.is_empty() {
            run.write(&remarks).await?;
        }
        Ok(steer.map_or(Said::All, |(steer, change)| Said::Changed(steer.id, change)))
    }

    /// Dropping the future loses no word.
    async fn write(&mut self, run: &Run) -> Result<(), RunError> {
        match self {
            Self::Words { text, at, beat } => {
                while let Some(token) = text.get(*at..).and_then(|rest| tokens(rest).next()) {
                    tokio::select! {
                        biased;
                        () = run.stopped() => return Err(RunError::Stopped),
                        _ = beat.tick() => run.write(token).await?,
                    }
                    *at += token.len();
                }
                Ok(())
            }
            Self::Model { model, prompt, answer } => {
                tokio::select! {
                    biased;
                    // Drops the answer, and with it the connection.
                    () = run.stopped() => Err(RunError::Stopped),
                    done = stream(model, prompt, answer, run) => done,
                }
            }
        }
    }
}

async fn stream(
    model: &Model,
    prompt: &Prompt,
    answer: &mut Option<Answer>,
    run: &Run,
) -> Result<(), RunError> {
    let failed = |error: crate::model::ModelError| {
        eprintln!("the model failed: {error}");
        RunError::failed(error.code())
    };
    let answer = match answer {
        Some(answer) => answer,
        None => answer.insert(model.answer(prompt).await.map_err(failed)?),
    };
    while let Some(text) = answer.next().await.map_err(failed)? {
        run.write(&text).await?;
    }
    Ok(())
}

/// What is said to a steer that changes nothing.
pub(super) fn remark(steer: &Message, change: &Change) -> String {
    if change.refused.is_empty() {
        format!("\n\nI find no figure in \"{}\", so nothing changes.", steer.text.trim())
    } else {
        format!("\n\nI cannot use that: {}", change.refused.join(" "))
    }
}

/// What is said to one that does.
pub(super) fn acknowledged(change: &Change) -> String {
    let refused = change.refused.iter().map(|refused| format!(" I cannot use: {refused}"));
    format!("\n\nChanged: {}.{}", change.changed.join(", "), refused.collect::<String>())
}

/// How many bytes of `text` are written already: the longest beginning of it that `written` ends
/// with.
fn overlap(written: &str, text: &str) -> usize {
    let longest = written.len().min(text.len());
    let ends = (0..=longest).rev().filter(|&at| text.is_char_boundary(at));
    ends.into_iter().find(|&at| written.ends_with(text.get(..at).unwrap_or_default())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn an_answer_goes_on_where_its_process_died() {
        assert_eq!(overlap("", "one two"), 0);
        assert_eq!(overlap("one t", "one two"), 5);
        assert_eq!(overlap("one two", "one two"), 7);
        // Behind a recalculation only the last text counts.
        assert_eq!(overlap("one twChanged.one", "one two"), 3);
        assert_eq!(overlap("something else", "one two"), 0);
        assert_eq!(overlap("a €", "€ 1"), 3);
    }
}
