//! The assistant as it leads a plan: opens it, gives out the work, asks for the spend, sums up.

use std::pin::pin;

use durable_sessions_client::native::{Run, RunError, Session, Steers};
use durable_sessions_demo_agent::plan::{Approval, Decision, Outcome, sum_up};
use durable_sessions_protocol::fold::Message;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::gather::{Results, delegate};
use super::hand_on::{Word, hand_on};
use super::heard::Heard;
use super::pen::{Draft, Said, acknowledged, remark};
use super::{ASSISTANT, Desk};

/// A plan under way.
pub(super) struct Planner<'a> {
    desk: &'a Desk,
    run: &'a Run,
    session: Session,
    heard: Heard,
    steers: Steers,
    /// What people said to the assistant since it began.
    words: watch::Sender<Vec<Word>>,
    results: Results,
    decided: Option<(Approval, Decision)>,
}

impl<'a> Planner<'a> {
    pub(super) async fn new(desk: &'a Desk, run: &'a Run, heard: Heard) -> Result<Self, RunError> {
        let session = desk.client.session(run.session()).await.map_err(RunError::Gone)?;
        Ok(Self {
            desk,
            run,
            session,
            heard,
            steers: run.steers(),
            words: watch::Sender::new(Vec::new()),
            results: Results::default(),
            decided: None,
        })
    }

    /// The result is the sum-up's figures, with `approved` and how each specialist fared.
    pub(super) async fn plan(mut self) -> Result<Value, RunError> {
        self.open().await?;
        loop {
            self.gather().await?;
            let decision = self.decide().await?;
            if self.sum_up(decision).await? {
                return Ok(self.result(decision));
            }
        }
    }

    async fn open(&mut self) -> Result<(), RunError> {
        let opening = self.heard.brief.opening();
        for steer in std::mem::take(&mut self.heard.steers) {
            self.take(&steer);
        }
        // Behind a crash all that was written so far stays, and nothing is said twice.
        if self.run.is_resumed() && self.heard.written.contains(&opening) {
            return Ok(());
        }
        let written = std::mem::take(&mut self.heard.written);
        let mut writing = self.desk.pen.begin_words(&opening, &written);
        loop {
            match writing.go_on(self.run, &mut self.heard.brief, &mut self.steers).await? {
                Said::All => return self.run.write("\n\n").await,
                Said::Changed(steer, change) => {
                    self.run.write(&format!("{}\n\n", acknowledged(&change))).await?;
                    self.add(steer, change.changed);
                }
            }
        }
    }

    /// Gives out what is open, all at once, until every specialist has worked with every word.
    async fn gather(&mut self) -> Result<(), RunError> {
        loop {
            let words = self.words.borrow().clone();
            let open = self.results.open(&words);
            if open.is_empty() {
                return Ok(());
            }
            // The first tasks are in the same words whatever was said since, so that after a crash
            // they are found again; what was said is handed on.
            let is_first = self.results.as_slice().is_empty();
            let with = if is_first { Vec::new() } else { words };
            let run = self.run;
            let mut working: FuturesUnordered<_> =
                open.iter().map(|specialist| delegate(run, *specialist, &with)).collect();
            let session = self.session.clone();
            let mut handing_on = pin!(hand_on(&session, run.id(), self.words.subscribe()));
            while !working.is_empty() {
                let steer = tokio::select! {
                    biased;
                    steer = self.steers.next() => steer.ok_or(RunError::Stopped)?,
                    done = working.next() => {
                        if let Some(done) = done {
                            let (specialist, outcome) = done?;
                            self.results.insert(specialist, outcome);
                        }
                        continue;
                    }
                    () = &mut handing_on => continue,
                };
                self.hear(&steer).await?;
            }
        }
    }

    /// Asks for the spend, and again when it has changed.
    async fn decide(&mut self) -> Result<Decision, RunError> {
        loop {
            let Some(approval) = Approval::of(self.results.as_slice()) else {
                return Ok(Decision::NotAsked);
            };
            if let Some((decided, decision)) = &self.decided
                && *decided == approval
            {
                return Ok(*decision);
            }
            let (run, body) = (self.run, approval.ask());
            let mut answer = pin!(run.ask(&body));
            let answer = loop {
                let steer = tokio::select! {
                    biased;
                    answer = &mut answer => break answer?,
                    steer = self.steers.next() => steer.ok_or(RunError::Stopped)?,
                };
                if self.hear(&steer).await? {
                    self.gather().await?;
                    let old = "The open question is about the old figures. Once it is answered I ask again if \
                               the spend has changed.\n\n";
                    self.run.write(old).await?;
                }
            };
            let decision =
                if is_approval(&answer) { Decision::Approved } else { Decision::Declined };
            self.decided = Some((approval, decision));
        }
    }

    /// Says it. `false`: a figure was changed meanwhile.
    async fn sum_up(&mut self, decision: Decision) -> Result<bool, RunError> {
        let report = sum_up(self.results.as_slice(), decision);
        let figures = report.figures();
        match self.heard.figures_part {
            Some(part) => self.run.set_part(part, &figures).await?,
            None => self.heard.figures_part = Some(self.run.part(&figures).await?),
        }
        let draft = Draft {
            agent: ASSISTANT,
            question: &self.heard.question,
            facts: report.facts(),
            text: report.text(),
        };
        let mut writing = self.desk.pen.begin(&draft, &std::mem::take(&mut self.heard.written));
        match writing.go_on(self.run, &mut self.heard.brief, &mut self.steers).await? {
            Said::All => Ok(true),
            Said::Changed(steer, change) => {
                self.run.write(&format!("{} All of it anew.\n\n", acknowledged(&change))).await?;
                self.add(steer, change.changed);
                Ok(false)
            }
        }
    }

    /// Takes in a steer and says so. Answers whether it changed a figure.
    async fn hear(&mut self, steer: &Message) -> Result<bool, RunError> {
        let change = self.heard.brief.steer(&steer.text);
        if change.changed.is_empty() {
            self.run.write(&format!("{}\n\n", remark(steer, &change).trim_start())).await?;
            return Ok(false);
        }
        let said = acknowledged(&change);
        self.run.write(&format!("{} I hand it on.\n\n", said.trim_start())).await?;
        self.add(steer.id.clone(), change.changed);
        Ok(true)
    }

    /// Takes in a steer that was taken, and acknowledged, before the process died.
    fn take(&mut self, steer: &Message) {
        let changed = self.heard.brief.steer(&steer.text).changed;
        if !changed.is_empty() {
            self.add(steer.id.clone(), changed);
        }
    }

    fn add(&self, steer: String, changed: Vec<String>) {
        self.words.send_modify(|words| words.push(Word { steer, changed }));
    }

    fn result(&self, decision: Decision) -> Value {
        let mut result = sum_up(self.results.as_slice(), decision).figures();
        let fared = self.results.as_slice().iter().map(|(specialist, outcome)| {
            let word = match outcome {
                Outcome::Done(_) => "done",
                Outcome::Untold(_) => "untold",
                Outcome::Stopped => "stopped",
                Outcome::Broken => "broken",
            };
            (specialist.name().to_owned(), Value::from(word))
        });
        if let Value::Object(fields) = &mut result {
            fields.insert("specialists".to_owned(), fared.collect::<Map<_, _>>().into());
            fields.insert("approved".to_owned(), (decision == Decision::Approved).into());
        }
        result
    }
}

/// `{"approved": true}`, or plainly `true`.
fn is_approval(answer: &Value) -> bool {
    answer.get("approved").unwrap_or(answer) == &Value::Bool(true)
}

#[cfg(test)]
mod tests {
    use durable_sessions_demo_agent::plan::Specialist;
    use serde_json::json;

    use super::is_approval;

    #[test]
    fn only_a_clear_yes_approves() {
        assert!(is_approval(&json!({"approved": true})));
        assert!(is_approval(&json!(true)));
        for answer in
            [json!({"approved": false}), json!({}), json!("true"), json!({"approved": "yes"})]
        {
            assert!(!is_approval(&answer), "{answer}");
        }
    }

    #[test]
    fn every_specialist_is_served() {
        for specialist in Specialist::ALL {
            assert!(crate::agents::NAMES.contains(&specialist.name()));
        }
    }
}
