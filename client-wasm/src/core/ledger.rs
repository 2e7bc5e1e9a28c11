//! What open runs have asked, given out and been told: the part of a session's log that an agent
//! waits on, and that its transcript does not hold.
//!
//! It takes the same events as the transcript, from the start of the log, so an agent that goes on
//! with the run of an earlier process finds there what that process had asked for, with what came
//! of it since.

use durable_sessions_protocol::fold::{Node, RunState};

/// The open runs of one session. A run's record ends with it.
#[derive(Debug)]
pub struct Ledger<N> {
    /// Few, so they are looked up one by one: a map would be a tenth of the browser's module.
    runs: Vec<Record<N>>,
}

#[derive(Debug)]
struct Record<N> {
    id: String,
    in_reply_to: Option<String>,
    is_stopped: bool,
    /// Not taken yet, in order.
    steers: Vec<Steer<N>>,
    asks: Vec<Ask<N>>,
    errands: Vec<Errand<N>>,
}

#[derive(Debug)]
struct Steer<N> {
    event: N,
    /// This process has said that it takes it.
    is_claimed: bool,
    /// That is in the log.
    is_used: bool,
}

#[derive(Debug)]
struct Ask<N> {
    id: String,
    body: N,
    answer: Option<N>,
}

/// A message by which a run has given work to another agent.
#[derive(Debug, Clone)]
pub struct Errand<N> {
    /// The message's id.
    pub id: String,
    /// The message, as stored.
    pub event: N,
    /// The run that works on it; none before one has claimed it, and after one was lost.
    pub run: Option<String>,
    /// How it ended, once it did: with the run, or without one `stopped` or `lost`.
    pub outcome: Option<RunState>,
    /// The run's result.
    pub data: Option<N>,
    /// The messages of that run that are no answer: it has given work to others by them.
    pub given: Vec<String>,
}

/// What to do for the next steer of a run.
#[derive(Debug, PartialEq, Eq)]
pub enum NextSteer<N> {
    /// There is none.
    None,
    /// Write that this one is used, and then [`Ledger::claim_steer`].
    Claim(String),
    /// That is not in the log yet.
    Claimed,
    /// It is this process's; it comes once.
    Taken(N),
}

impl<N> Default for Ledger<N> {
    fn default() -> Self {
        Self { runs: Vec::new() }
    }
}

impl<N: Node + Clone> Ledger<N> {
    /// Takes the next event of the log.
    pub fn apply(&mut self, event: &N) {
        let Some(kind) = event.text("kind") else { return };
        // A missing step means that the event is about no open run.
        let _: Option<()> = match kind.as_str() {
            "run.started" => self.started(event),
            "run.ended" => self.ended(event),
            "run.suspended" => self.suspended(event),
            "run.resumed" => self.resumed(event),
            "steer" => self.steered(event),
            "message" => self.messaged(event),
            "input.state" => self.decided(event),
            "stop.requested" => self.stopped(event),
            _ => None,
        };
    }

    /// Whether a run was stopped and has not ended.
    #[must_use]
    pub fn is_stopped(&self, run: &str) -> bool {
        self.record(run).is_some_and(|record| record.is_stopped)
    }

    /// The first ask of a run that is as wanted, by its id and body.
    pub fn find_ask(&self, run: &str, wanted: impl Fn(&str, &N) -> bool) -> Option<&str> {
        let asks = &self.record(run)?.asks;
        asks.iter().find(|ask| wanted(&ask.id, &ask.body)).map(|ask| ask.id.as_str())
    }

    /// The answer to an ask of a run, once there is one.
    #[must_use]
    pub fn answer(&self, run: &str, ask: &str) -> Option<&N> {
        let asks = &self.record(run)?.asks;
        asks.iter().find(|known| known.id == ask)?.answer.as_ref()
    }

    /// The first errand of a run that is as wanted.
    pub fn find_errand(&self, run: &str, wanted: impl Fn(&N) -> bool) -> Option<&Errand<N>> {
        self.record(run)?.errands.iter().find(|errand| wanted(&errand.event))
    }

    /// What is next to do to take a steer of a run.
    pub fn next_steer(&mut self, run: &str) -> NextSteer<N> {
        let Some(record) = self.record_mut(run) else { return NextSteer::None };
        match record.steers.first() {
            None => NextSteer::None,
            Some(steer) if steer.is_used => NextSteer::Taken(record.steers.remove(0).event),
            Some(steer) if steer.is_claimed => NextSteer::Claimed,
            Some(steer) => steer.event.text("id").map_or(NextSteer::None, NextSteer::Claim),
        }
    }

    /// It is being written that a steer is used.
    pub fn claim_steer(&mut self, run: &str, steer: &str) {
        let steers = self.record_mut(run).map(|record| &mut record.steers);
        for known in steers.into_iter().flatten().filter(|known| known.is_of(steer)) {
            known.is_claimed = true;
        }
    }

    fn started(&mut self, event: &N) -> Option<()> {
        let run = event.text("run")?;
        if self.record(&run).is_some() {
            return None;
        }
        let in_reply_to = event.text("in_reply_to");
        if let Some(errand) = in_reply_to.as_deref().and_then(|input| self.errand(input)) {
            errand.run = Some(run.clone());
        }
        let record = Record {
            id: run,
            in_reply_to,
            is_stopped: false,
            steers: Vec::new(),
            asks: Vec::new(),
            errands: Vec::new(),
        };
        self.runs.push(record);
        Some(())
    }

    fn ended(&mut self, event: &N) -> Option<()> {
        let run = event.text("run")?;
        let place = self.runs.iter().position(|record| record.id == run)?;
        let record = self.runs.swap_remove(place);
        let given = record.errands.into_iter().map(|errand| errand.id).collect();
        let errand = self.errand(&record.in_reply_to?)?;
        let state = RunState::ended(&event.text("outcome")?)?;
        if state == RunState::Lost {
            // The input waits again, unless the server says that it has expired.
            errand.run = None;
            return None;
        }
        errand.run = Some(run);
        errand.outcome = Some(state);
        errand.data = event.field("data");
        errand.given = given;
        Some(())
    }

    fn suspended(&mut self, event: &N) -> Option<()> {
        let (id, body) = (event.text("ask")?, event.field("body")?);
        let asks = &mut self.record_mut(&event.text("run")?)?.asks;
        if !asks.iter().any(|ask| ask.id == id) {
            asks.push(Ask { id, body, answer: None });
        }
        Some(())
    }

    fn resumed(&mut self, event: &N) -> Option<()> {
        let id = event.text("ask")?;
        let asks = &mut self.record_mut(&event.text("run")?)?.asks;
        let ask = asks.iter_mut().find(|ask| ask.id == id && ask.answer.is_none())?;
        ask.answer = event.field("answer");
        Some(())
    }

    fn steered(&mut self, event: &N) -> Option<()> {
        let steers = &mut self.record_mut(&event.text("run")?)?.steers;
        steers.push(Steer { event: event.clone(), is_claimed: false, is_used: false });
        Some(())
    }

    fn messaged(&mut self, event: &N) -> Option<()> {
        let (id, run) = (event.text("id")?, event.text("run")?);
        event.field("to")?;
        let errands = &mut self.record_mut(&run)?.errands;
        let (event, given) = (event.clone(), Vec::new());
        errands.push(Errand { id, event, run: None, outcome: None, data: None, given });
        Some(())
    }

    fn decided(&mut self, event: &N) -> Option<()> {
        let id = event.text("id")?;
        let fate = event.text("state")?;
        let outcome = match fate.as_str() {
            "used" => None,
            "stopped" => Some(RunState::Stopped),
            _ => Some(RunState::Lost),
        };
        if let (Some(errand), Some(outcome)) = (self.errand(&id), outcome) {
            errand.run = None;
            errand.outcome = Some(outcome);
        }
        for record in &mut self.runs {
            // What another process has used is gone, like what nobody may use any more.
            record.steers.retain_mut(|steer| {
                let is_it = steer.is_of(&id);
                steer.is_used |= is_it;
                !is_it || (outcome.is_none() && steer.is_claimed)
            });
        }
        Some(())
    }

    fn stopped(&mut self, event: &N) -> Option<()> {
        for run in event.field("runs")?.items() {
            if let Some(record) = run.as_text().and_then(|run| self.record_mut(&run)) {
                record.is_stopped = true;
            }
        }
        Some(())
    }

    /// The errand an input was given out as, while the run that did so is open.
    fn errand(&mut self, input: &str) -> Option<&mut Errand<N>> {
        self.runs
            .iter_mut()
            .flat_map(|record| &mut record.errands)
            .find(|errand| errand.id == input)
    }

    fn record(&self, run: &str) -> Option<&Record<N>> {
        self.runs.iter().find(|record| record.id == run)
    }

    fn record_mut(&mut self, run: &str) -> Option<&mut Record<N>> {
        self.runs.iter_mut().find(|record| record.id == run)
    }
}

impl<N: Node> Steer<N> {
    fn is_of(&self, id: &str) -> bool {
        self.event.text("id").as_deref() == Some(id)
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ledger(events: &[Value]) -> Ledger<Value> {
        let mut ledger = Ledger::default();
        for event in events {
            ledger.apply(event);
        }
        ledger
    }

    fn started(run: &str, input: &str) -> Value {
        json!({"kind": "run.started", "run": run, "agent": "a", "in_reply_to": input})
    }

    fn ended(run: &str, outcome: &str) -> Value {
        json!({"kind": "run.ended", "run": run, "outcome": outcome, "data": {"n": run}})
    }

    fn steer(id: &str) -> Value {
        json!({"kind": "steer", "id": id, "run": "r", "text": "go left"})
    }

    fn fate(id: &str, state: &str) -> Value {
        json!({"kind": "input.state", "id": id, "state": state})
    }

    fn errand(events: &[Value]) -> Errand<Value> {
        let given = json!({"kind": "message", "id": "d", "run": "r", "to": "b", "text": "work"});
        let mut all = vec![started("r", "m"), given];
        all.extend_from_slice(events);
        ledger(&all).find_errand("r", |event| event["id"] == "d").unwrap().clone()
    }

    #[test]
    fn an_errand_ends_with_the_run_that_claimed_it() {
        assert!(errand(&[started("q", "d")]).outcome.is_none());
        let done = errand(&[started("q", "d"), ended("q", "completed")]);
        assert_eq!((done.run.as_deref(), done.outcome), (Some("q"), Some(RunState::Completed)));
        assert_eq!(done.data, Some(json!({"n": "q"})));
    }

    #[test]
    fn an_errand_whose_run_was_lost_waits_for_the_next_one_or_expires() {
        let lost = [started("q", "d"), ended("q", "lost")];
        let waits = errand(&lost);
        assert!(waits.run.is_none() && waits.outcome.is_none());
        let [first, second] = lost;
        let again = [first, second, started("p", "d"), ended("p", "failed")];
        assert_eq!(errand(&again).outcome, Some(RunState::Failed));
        let [first, second, ..] = again;
        let over = errand(&[first, second, fate("d", "expired")]);
        assert_eq!((over.run, over.outcome), (None, Some(RunState::Lost)));
    }

    #[test]
    fn a_steer_is_taken_once_that_is_in_the_log_and_only_once() {
        let mut ledger = ledger(&[started("r", "m"), steer("s1"), steer("s2")]);
        assert_eq!(ledger.next_steer("r"), NextSteer::Claim("s1".to_owned()));
        ledger.claim_steer("r", "s1");
        assert_eq!(ledger.next_steer("r"), NextSteer::Claimed);
        ledger.apply(&fate("s1", "used"));
        assert_eq!(ledger.next_steer("r"), NextSteer::Taken(steer("s1")));
        assert_eq!(ledger.next_steer("r"), NextSteer::Claim("s2".to_owned()));
        ledger.apply(&fate("s2", "expired"));
        assert_eq!(ledger.next_steer("r"), NextSteer::None);
    }

    #[test]
    fn a_steer_that_an_earlier_process_used_is_not_taken_again() {
        let mut ledger = ledger(&[started("r", "m"), steer("s1"), fate("s1", "used")]);
        assert_eq!(ledger.next_steer("r"), NextSteer::None);
    }

    #[test]
    fn the_first_answer_counts_and_a_record_ends_with_its_run() {
        let ask = json!({"kind": "run.suspended", "run": "r", "ask": "a", "body": "sure?"});
        let answer =
            |it: &str| json!({"kind": "run.resumed", "run": "r", "ask": "a", "answer": it});
        let mut ledger = ledger(&[started("r", "m"), ask, answer("yes"), answer("no")]);
        assert_eq!(ledger.find_ask("r", |_, body| body == "sure?"), Some("a"));
        assert_eq!(ledger.answer("r", "a"), Some(&json!("yes")));
        ledger.apply(&json!({"kind": "stop.requested", "id": "s", "runs": ["r"]}));
        assert!(ledger.is_stopped("r"));
        ledger.apply(&ended("r", "stopped"));
        assert_eq!(ledger.answer("r", "a"), None);
        assert!(ledger.runs.is_empty());
    }
}
