//! A publish: log id, limits and epoch and seq, ids, rules.

use durable_sessions_protocol::error::ErrorCode::{self, *};
use durable_sessions_protocol::event::Draft;
use serde_json::{Value, json};

use super::clocks::Lease;
use super::rules::Reasons;
use super::{Model, Producer, text};
use crate::call::{Publishing, Who};

/// People's messages that wait for agents.
const PENDING_MAX_MESSAGES: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) id: String,
    pub(crate) offset: u64,
    pub(crate) runs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) is_duplicate: bool,
    pub(crate) receipt: Option<Receipt>,
}

/// Accepted, or refused for one of several reasons.
pub(crate) type Answer = Result<Accepted, Reasons>;

/// What an act is known by.
fn key(event: &Value) -> Option<(&'static str, String)> {
    let (class, field) = match text(event, "kind") {
        "run.started" => ("start", "run"),
        "run.ended" => ("end", "run"),
        "run.suspended" => ("act", "ask"),
        "run.resumed" => ("answer", "ask"),
        "input.state" => ("fate", "id"),
        _ => ("act", "id"),
    };
    event[field].as_str().map(|id| (class, id.to_owned()))
}

impl Model {
    pub(crate) fn publish(&mut self, publishing: &Publishing, now: u64) -> Answer {
        if publishing.log.as_deref().is_some_and(|log| log != "log") {
            return Err(vec![LogChanged]);
        }
        let who = &publishing.who;
        let Some(place) = &publishing.place else {
            return self.publish_act(who, &publishing.events, now);
        };
        let key = (who.principal.clone(), place.producer.clone());
        let is_new = match self.producers.get(&key) {
            Some(known) if place.epoch < known.epoch => false,
            Some(known) if place.epoch == known.epoch => place.seq >= known.outcomes.len() as u64,
            // Over HTTP a writer declares its epoch, with its first publish.
            _ => who.connection.is_none(),
        };
        // What cannot be read is refused for good.
        let is_read = !publishing.events.iter().any(is_malformed);
        if is_read && is_new && self.is_full(who, &publishing.events) {
            return Err(vec![RateLimited]);
        }
        match self.producers.get(&key) {
            Some(known) if place.epoch < known.epoch => return Err(vec![Fenced]),
            Some(known) if place.epoch == known.epoch => {
                let next = known.outcomes.len() as u64;
                if place.seq > next {
                    return Err(vec![SequenceGap]);
                }
                if place.seq < next {
                    let recorded = known.outcomes[place.seq as usize].clone();
                    return recorded.map(|it| Accepted { is_duplicate: true, ..it });
                }
            }
            _ if who.connection.is_some() => return Err(vec![Invalid]),
            _ if place.seq != 0 => return Err(vec![SequenceGap]),
            _ => {
                let fresh = Producer { epoch: place.epoch, outcomes: Vec::new(), holder: None };
                self.producers.insert(key.clone(), fresh);
            }
        }
        let before = self.clone();
        let answer = self.publish_all(who, &place.producer, &publishing.events, now);
        if answer.is_err() {
            *self = before;
        } else {
            self.renew_over_http(who, Some(&place.producer), now);
        }
        self.producers.get_mut(&key).unwrap().outcomes.push(answer.clone());
        answer
    }

    fn publish_all(&mut self, who: &Who, producer: &str, events: &[Value], now: u64) -> Answer {
        if events.is_empty() || events.iter().any(is_malformed) {
            return Err(vec![Invalid]);
        }
        let mut whole: Option<Accepted> = None;
        for event in events {
            let travels_alone =
                text(event, "kind") == "stop.requested" || event["if_running"] == "interrupt";
            if events.len() > 1 && travels_alone {
                return Err(vec![Invalid]);
            }
            // An id stands for one thing; ends and fates are judged by what they end and decide.
            let known = key(event).filter(|key| self.find(key).is_some());
            match known {
                Some((_, _)) if text(event, "kind") == "run.resumed" => {
                    return Err(self.view().answer(event));
                }
                Some(("start" | "act", _)) => return Err(vec![IdConflict]),
                _ => {}
            }
            let one = self.publish_one(who, Some(producer), event, now)?;
            whole = Some(match whole {
                Some(all) => Accepted { last: one.last, ..all },
                None => one,
            });
        }
        whole.ok_or_else(|| vec![Invalid])
    }

    fn publish_act(&mut self, who: &Who, events: &[Value], now: u64) -> Answer {
        let [event] = events else { return Err(vec![Invalid]) };
        if is_malformed(event) {
            return Err(vec![Invalid]);
        }
        let Some(key) = key(event) else {
            if !matches!(text(event, "kind"), "data" | "session.updated") {
                return Err(vec![Invalid]);
            }
            return self.publish_alone(who, event, now);
        };
        let Some(offset) = self.find(&key) else {
            if self.is_full(who, events) {
                return Err(vec![RateLimited]);
            }
            return self.publish_alone(who, event, now);
        };
        let fact = &self.facts[offset as usize - 1];
        if fact.from.as_ref() == Some(&who.principal) && fact.event == *event {
            let receipt = (text(event, "kind") == "stop.requested").then(|| Receipt {
                id: key.1,
                offset,
                runs: fact.runs.clone(),
            });
            return Ok(Accepted { first: offset, last: offset, is_duplicate: true, receipt });
        }
        match text(event, "kind") {
            "run.resumed" => Err(self.view().answer(event)),
            _ => Err(vec![IdConflict]),
        }
    }

    fn publish_alone(&mut self, who: &Who, event: &Value, now: u64) -> Answer {
        let answer = self.publish_one(who, None, event, now)?;
        self.renew_over_http(who, None, now);
        Ok(answer)
    }

    /// The offset of the act that a principal wrote under this key.
    fn find(&self, key: &(&'static str, String)) -> Option<u64> {
        let index = self
            .facts
            .iter()
            .position(|fact| fact.from.is_some() && self::key(&fact.event).as_ref() == Some(key));
        index.map(|index| index as u64 + 1)
    }

    /// DS-7.16: people wait for room, agents never do.
    fn is_full(&self, who: &Who, events: &[Value]) -> bool {
        if who.is_agent() {
            return false;
        }
        let is_input = |event: &&Value| {
            let is_default = event.get("to").is_none() && event.get("run").is_none();
            event["kind"] == "message" && (is_default || event["to"].is_string())
        };
        let new = events.iter().filter(is_input).count();
        let view = self.view();
        let waiting = view.waiting().filter(|input| input.by.is_none()).count();
        new > 0 && waiting + new > PENDING_MAX_MESSAGES
    }

    /// One event, and what the server writes with it.
    fn publish_one(
        &mut self,
        who: &Who,
        producer: Option<&str>,
        event: &Value,
        now: u64,
    ) -> Answer {
        let before = self.view();
        let offset = self.tail() + 1;
        let reasons = before.reasons(who, producer, event, offset);
        if !reasons.is_empty() {
            return Err(reasons);
        }
        let kind = text(event, "kind");
        if kind == "stop.requested" {
            let receipt = self.stop(who, producer, event, now).map_err(|code| vec![code])?;
            return Ok(Accepted {
                first: offset,
                last: offset,
                is_duplicate: false,
                receipt: Some(receipt),
            });
        }
        if kind == "message" && event["if_running"] == "interrupt" {
            self.interrupt(who, producer, event, now);
        }
        if let (Some(id), Some(run)) = (producer, event["run"].as_str())
            && matches!(kind, "run.started" | "message" | "delta" | "data" | "run.suspended")
        {
            let key = (who.principal.clone(), id.to_owned());
            let epoch = self.producers[&key].epoch;
            let earlier = self.written_in.insert(run.to_owned(), epoch);
            if earlier.is_some_and(|earlier| earlier != epoch) && who.connection.is_none() {
                // No connection of an earlier process holds it any longer.
                self.leases.insert(run.to_owned(), Lease::Until(now));
            }
        }
        let offset = self.write(Some(&who.principal), producer, event.clone(), now);
        match kind {
            "run.started" => {
                let run = text(event, "run");
                let term = self.view().run(run).unwrap().lease_ms;
                self.leases.insert(run.to_owned(), Lease::Until(now + term));
                self.hold(run, who, now);
            }
            "message" | "delta" | "data" | "run.suspended" => {
                if let Some(run) = event["run"].as_str() {
                    self.hold(run, who, now);
                } else if let Some(replaced) = event["replaces"].as_str() {
                    let view = self.view();
                    for input in view.replaced(replaced).filter(|it| it.offset != offset) {
                        self.write_fate(&input.id, "stopped", now);
                    }
                }
            }
            "run.ended" => self.after_end(&before, text(event, "run"), now),
            _ => {}
        }
        Ok(Accepted { first: offset, last: offset, is_duplicate: false, receipt: None })
    }

    fn stop(
        &mut self,
        who: &Who,
        producer: Option<&str>,
        event: &Value,
        now: u64,
    ) -> Result<Receipt, ErrorCode> {
        let plan = self.view().plan(event, self.tail() + 1)?;
        let offset = self.write(Some(&who.principal), producer, event.clone(), now);
        self.facts_mut().last_mut().unwrap().runs.clone_from(&plan.runs);
        for id in plan.inputs.iter().chain(&plan.steers) {
            self.write_fate(id, "stopped", now);
        }
        Ok(Receipt { id: text(event, "id").to_owned(), offset, runs: plan.runs })
    }

    /// R4: stops of the agent's open root runs, each under an id of its own.
    fn interrupt(&mut self, who: &Who, producer: Option<&str>, message: &Value, now: u64) {
        let agent = match message.get("to") {
            None => "assistant",
            Some(Value::String(agent)) => agent,
            Some(_) => return,
        };
        let roots: Vec<String> = self.view().open_roots(agent).map(|run| run.id.clone()).collect();
        let id = text(message, "id");
        let stem = &id[..id.floor_char_boundary(100)];
        let mut number = 0;
        for run in roots {
            let id = loop {
                number += 1;
                let id = format!("{stem}.{number}");
                if self.find(&("act", id.clone())).is_none() {
                    break id;
                }
            };
            let stop = json!({"kind": "stop.requested", "id": id, "run": run});
            // One that would be refused is left out.
            let _ = self.stop(who, producer, &stop, now);
        }
    }
}

fn is_malformed(event: &Value) -> bool {
    Draft::parse(&event.to_string()).is_err()
}
