//! A specialist: works out its part of the plan, and works it out anew when a figure changes.

use std::pin::pin;

use durable_sessions_client::native::{Run, RunError, Steers};
use durable_sessions_demo_agent::plan::{Need, Report, Specialist};
use serde_json::{Value, json};

use super::heard::Heard;
use super::pen::{Draft, Said, acknowledged, remark};
use super::{Desk, form};

/// The result is the report's figures, with `steered`: what was changed by steers; or, without its
/// figures, `needs`: what it was not told.
pub(super) async fn work(
    desk: &Desk,
    run: &Run,
    specialist: Specialist,
) -> Result<Option<Value>, RunError> {
    let heard = Heard::of(run).await?;
    let mut bench =
        Bench { desk, run, specialist, heard, steers: run.steers(), steered: Vec::new() };
    bench.work().await.map(Some)
}

struct Bench<'a> {
    desk: &'a Desk,
    run: &'a Run,
    specialist: Specialist,
    heard: Heard,
    steers: Steers,
    steered: Vec<String>,
}

impl Bench<'_> {
    async fn work(&mut self) -> Result<Value, RunError> {
        for steer in std::mem::take(&mut self.heard.steers) {
            self.steered.extend(self.heard.brief.steer(&steer.text).changed);
        }
        loop {
            let report = match self.heard.brief.report(self.specialist) {
                Ok(report) => report,
                Err(needs) => match self.ask(&needs).await? {
                    true => continue,
                    false => return self.give_up().await,
                },
            };
            let figures = self.show(&report).await?;
            if self.say(&report).await? {
                return Ok(figures);
            }
        }
    }

    /// Puts the figures into their part of the answer.
    async fn show(&mut self, report: &Report) -> Result<Value, RunError> {
        let mut figures = report.figures();
        if let Value::Object(fields) = &mut figures {
            fields.insert("steered".to_owned(), self.steered.clone().into());
        }
        match self.heard.figures_part {
            Some(part) => self.run.set_part(part, &figures).await?,
            None => self.heard.figures_part = Some(self.run.part(&figures).await?),
        }
        Ok(figures)
    }

    /// Says it. `false`: a figure was changed meanwhile.
    async fn say(&mut self, report: &Report) -> Result<bool, RunError> {
        let draft = Draft {
            agent: self.specialist.name(),
            question: &self.heard.question,
            facts: report.facts(),
            text: report.text(),
        };
        let mut writing = self.desk.pen.begin(&draft, &std::mem::take(&mut self.heard.written));
        match writing.go_on(self.run, &mut self.heard.brief, &mut self.steers).await? {
            Said::All => Ok(true),
            Said::Changed(_, change) => {
                let said = acknowledged(&change);
                self.run.write(&format!("{said} I work it out anew.\n\n")).await?;
                self.steered.extend(change.changed);
                Ok(false)
            }
        }
    }

    /// Asks for what is missing. `false`: nothing of it was told. A steer may tell it as well.
    async fn ask(&mut self, needs: &[Need]) -> Result<bool, RunError> {
        let words = format!("I still need {} and ask for it here.\n\n", form::names(needs));
        if !self.heard.written.contains(&words) {
            self.run.write(&words).await?;
        }
        let body = form::ask(self.specialist, needs);
        let mut answer = pin!(self.run.ask(&body));
        loop {
            let steer = tokio::select! {
                biased;
                answer = &mut answer => {
                    return Ok(!form::fill(&mut self.heard.brief, needs, &answer?).is_empty());
                }
                steer = self.steers.next() => steer.ok_or(RunError::Stopped)?,
            };
            let change = self.heard.brief.steer(&steer.text);
            if change.changed.is_empty() {
                self.run.write(remark(&steer, &change).trim_start()).await?;
                continue;
            }
            self.steered.extend(change.changed);
            if self.heard.brief.report(self.specialist).is_ok() {
                return Ok(true);
            }
        }
    }

    async fn give_up(&mut self) -> Result<Value, RunError> {
        let needs = self.heard.brief.report(self.specialist).err().unwrap_or_default();
        let words = format!("Without {} I cannot work this out.", form::names(&needs));
        self.run.write(&words).await?;
        let needs: Vec<&str> = needs.iter().map(|need| need.name()).collect();
        Ok(json!({"agent": self.specialist.name(), "needs": needs, "steered": self.steered}))
    }
}
