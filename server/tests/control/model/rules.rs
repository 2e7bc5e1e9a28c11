//! Why an event may not enter the log. Where the documents set no order between two reasons, both
//! are given: either may be told.

use durable_sessions_protocol::error::ErrorCode::{self, *};
use serde_json::Value;

use super::text;
use super::view::{Fate, Run, View};
use crate::call::Who;

const ASK_MS: std::ops::RangeInclusive<u64> = 1_000..=30 * 24 * 60 * 60 * 1000;
/// Asks of a run without an answer, and steers without a fate.
const RUN_MAX_ASKS: usize = 64;
const RUN_MAX_STEERS: usize = 64;
/// Delegated inputs without a claim.
const DELEGATED_MAX_INPUTS: usize = 1024;
const LEASE_MS: std::ops::RangeInclusive<u64> = 1_000..=86_400_000;

/// Empty: it may.
pub(crate) type Reasons = Vec<ErrorCode>;

impl View {
    /// `offset` is the one the event would get.
    pub(crate) fn reasons(
        &self,
        who: &Who,
        producer: Option<&str>,
        event: &Value,
        offset: u64,
    ) -> Reasons {
        match text(event, "kind") {
            "message" if who.is_agent() => self.agent_message(who, producer, event),
            "message" => self.user_message(event),
            "run.started" => agents_only(who, || self.start(event)),
            "delta" => agents_only(who, || self.part(who, producer, event)),
            "data" if event.get("run").is_none() && event.get("message").is_none() => vec![],
            "data" => agents_only(who, || self.part(who, producer, event)),
            "run.suspended" => agents_only(who, || self.ask_reasons(who, producer, event)),
            "run.resumed" => self.answer(event),
            "stop.requested" => self.plan(event, offset).err().into_iter().collect(),
            "steer" => match self.run(text(event, "run")) {
                None => vec![NotFound],
                Some(run) if run.ended.is_some() => vec![RunEnded],
                Some(run) if run.fenced.is_some() => vec![RunStopped],
                Some(run) if self.pending_steers(&run.id).count() >= RUN_MAX_STEERS => {
                    vec![Invalid]
                }
                Some(_) => vec![],
            },
            "input.state" => agents_only(who, || self.fate(who, producer, event)),
            "run.ended" => agents_only(who, || self.end(who, producer, event)),
            "session.updated" => vec![],
            other => panic!("the model does not know {other:?}"),
        }
    }

    fn user_message(&self, event: &Value) -> Reasons {
        let mut reasons = self.new_message(event);
        if text(event, "role") != "user" || event.get("run").is_some() {
            reasons.push(Forbidden);
        }
        let agent = match event.get("to") {
            None => Some("assistant"),
            Some(to) => to.as_str(),
        };
        if event["if_running"] == "reject"
            && agent.is_some_and(|agent| self.open_roots(agent).next().is_some())
        {
            reasons.push(Busy);
        }
        reasons
    }

    fn agent_message(&self, who: &Who, producer: Option<&str>, event: &Value) -> Reasons {
        let mut reasons = self.new_message(event);
        if text(event, "role") != "assistant" {
            reasons.push(Forbidden);
        }
        match event["run"].as_str() {
            None => reasons.push(Invalid),
            Some(run) => reasons.extend(self.writes(who, producer, run)),
        }
        let delegated = self.waiting().filter(|input| input.by.is_some()).count();
        let is_full = event["to"].is_string() && delegated >= DELEGATED_MAX_INPUTS;
        if event.get("if_running").is_some() || is_full {
            reasons.push(Invalid);
        }
        reasons
    }

    fn new_message(&self, event: &Value) -> Reasons {
        let mut reasons = vec![];
        if self.writer_of(text(event, "id")).is_some() {
            reasons.push(IdConflict);
        }
        if event["replaces"].as_str().is_some_and(|id| self.writer_of(id).is_none()) {
            reasons.push(NotFound);
        }
        reasons
    }

    fn start(&self, event: &Value) -> Reasons {
        let mut reasons = vec![];
        if self.run(text(event, "run")).is_some() {
            reasons.push(IdConflict);
        }
        if event["lease_ms"].as_u64().is_some_and(|ms| !LEASE_MS.contains(&ms)) {
            reasons.push(Invalid);
        }
        let given = event["parent"].as_str();
        if given.is_some_and(|parent| self.run(parent).is_none()) {
            reasons.push(NotFound);
        }
        let parent = match event["in_reply_to"].as_str() {
            None => given,
            Some(input) => match self.input(input) {
                None => {
                    reasons.push(NotFound);
                    given
                }
                Some(input) => {
                    match input.fate {
                        Fate::Waiting | Fate::Used => {}
                        Fate::Claimed => reasons.push(AlreadyClaimed),
                        Fate::Stopped => reasons.push(RunStopped),
                        Fate::Expired => reasons.push(RunEnded),
                    }
                    if input.agent != text(event, "agent") {
                        reasons.push(Invalid);
                    }
                    if given.is_some() && given != input.by.as_deref() {
                        reasons.push(Invalid);
                    }
                    let is_queued = input.by.is_none() && !input.is_parallel;
                    if is_queued && self.open_roots(&input.agent).next().is_some() {
                        reasons.push(Busy);
                    }
                    input.by.as_deref()
                }
            },
        };
        if parent.is_some_and(|parent| self.is_cut(parent)) {
            reasons.push(RunStopped);
        }
        reasons
    }

    /// A `delta`, or a `data` of a run.
    fn part(&self, who: &Who, producer: Option<&str>, event: &Value) -> Reasons {
        let Some(run) = event["run"].as_str() else { return vec![Invalid] };
        let mut reasons = self.writes(who, producer, run);
        if let Some(message) = event["message"].as_str()
            && let Some(writer) = self.writer_of(message)
            && writer.as_deref() != Some(run)
        {
            reasons.push(IdConflict);
        }
        reasons
    }

    fn ask_reasons(&self, who: &Who, producer: Option<&str>, event: &Value) -> Reasons {
        let mut reasons = self.writes(who, producer, text(event, "run"));
        if self.ask(text(event, "ask")).is_some() {
            reasons.push(IdConflict);
        }
        let is_bad_term = event["expires_ms"].as_u64().is_some_and(|ms| !ASK_MS.contains(&ms));
        if is_bad_term || self.open_asks(text(event, "run")).count() >= RUN_MAX_ASKS {
            reasons.push(Invalid);
        }
        reasons
    }

    /// The answer of the same principal with the same body was found before this is asked.
    pub(crate) fn answer(&self, event: &Value) -> Reasons {
        let Some(run) = self.run(text(event, "run")) else { return vec![NotFound] };
        match self.ask(text(event, "ask")).filter(|ask| ask.run == run.id) {
            None => vec![NotFound],
            Some(ask) if ask.is_answered => vec![AlreadyAnswered],
            Some(_) if run.ended.is_some() => vec![RunEnded],
            Some(_) if run.fenced.is_some() => vec![RunStopped],
            Some(_) => vec![],
        }
    }

    fn fate(&self, who: &Who, producer: Option<&str>, event: &Value) -> Reasons {
        let id = text(event, "id");
        let mut reasons = vec![];
        if text(event, "state") != "used" {
            reasons.push(Forbidden);
        }
        if let Some(steer) = self.steer(id) {
            if !self.run(&steer.run).is_some_and(|run| owns(who, producer, run)) {
                reasons.push(NotOwner);
            }
            match steer.fate {
                Fate::Waiting | Fate::Claimed => {}
                Fate::Used => reasons.push(IdConflict),
                Fate::Stopped => reasons.push(RunStopped),
                Fate::Expired => reasons.push(RunEnded),
            }
            return reasons;
        }
        match self.input(id).map(|input| &input.fate) {
            None => reasons.push(NotFound),
            Some(Fate::Stopped | Fate::Expired) => reasons.push(RunStopped),
            Some(Fate::Waiting | Fate::Claimed | Fate::Used) => {}
        }
        reasons
    }

    fn end(&self, who: &Who, producer: Option<&str>, event: &Value) -> Reasons {
        let Some(run) = self.run(text(event, "run")) else { return vec![NotFound] };
        let mut reasons = vec![];
        let outcome = text(event, "outcome");
        if !owns(who, producer, run) {
            reasons.push(NotOwner);
        }
        if run.ended.is_some() {
            reasons.push(RunEnded);
        }
        if outcome == "lost" {
            reasons.push(Invalid);
        }
        let is_plain = matches!(outcome, "stopped" | "failed") && event.get("data").is_none();
        if run.ended.is_none() && run.fenced.is_some() && !is_plain {
            reasons.push(RunStopped);
        }
        reasons
    }

    /// Why this writer may not write output of the run.
    fn writes(&self, who: &Who, producer: Option<&str>, run: &str) -> Reasons {
        let Some(run) = self.run(run) else { return vec![NotFound] };
        let mut reasons = vec![];
        if !owns(who, producer, run) {
            reasons.push(NotOwner);
        }
        if run.ended.is_some() {
            reasons.push(RunEnded);
        } else if run.fenced.is_some() {
            reasons.push(RunStopped);
        }
        reasons
    }
}

fn agents_only(who: &Who, reasons: impl FnOnce() -> Reasons) -> Reasons {
    if who.is_agent() { reasons() } else { vec![Forbidden] }
}

pub(crate) fn owns(who: &Who, producer: Option<&str>, run: &Run) -> bool {
    run.principal == who.principal
        && (run.producer.is_none() || run.producer.as_deref() == producer)
}
