//! What the state and the model tell, laid side by side.

use durable_sessions_protocol::offset::Offset;
use durable_sessions_server::hub::state::{Published, Refusal};
use durable_sessions_server::log::{Batch, Entry};
use serde_json::Value;

use super::{Outcome, World};
use crate::model::view::{Fact, View};
use crate::model::{Accepted, Answer, Offered, Receipt, text};

/// Fields that the server stamps on an event.
const STAMPS: [&str; 4] = ["offset", "at", "from", "runs"];

impl World {
    /// What the step wrote: the same events at the same offsets. What the server ends on its own
    /// account in one step may come in any order.
    pub(super) fn compare_written(&mut self, before: u64, is_any_order: bool) -> Outcome {
        let batch = self.state.take_batch().unwrap_or_default();
        let Batch { events, notes, due, pending, .. } = batch;
        let mut written = Vec::new();
        for record in events {
            let event: Value = serde_json::from_slice(&record.json).unwrap();
            let offset = Offset::new(event["offset"].as_u64().unwrap()).unwrap();
            self.next_disk.entries.push(Entry::Event { offset, record });
            self.note(format!("  {event}"));
            written.push(event);
        }
        self.next_disk.entries.extend(notes.into_iter().map(Entry::Note));
        self.next_disk.is_due = due.unwrap_or(self.next_disk.is_due);
        self.next_disk.is_pending = pending.unwrap_or(self.next_disk.is_pending);

        let facts = &self.model.facts;
        let mut expected: Vec<(Value, Value)> = (before as usize..facts.len())
            .map(|index| (facts[index].event.clone(), stamps(&facts[index], index as u64 + 1)))
            .collect();
        if is_any_order {
            let theirs: Vec<Value> = written.iter().map(bare).collect();
            let mine: Vec<Value> = expected.iter().map(|(event, _)| event.clone()).collect();
            let view = self.model.view();
            same("what the server ended", &groups(&view, &mine), &groups(&view, &theirs))?;
            for (index, event) in theirs.into_iter().enumerate() {
                expected[index].0 = event.clone();
                self.model.facts_mut()[before as usize + index].event = event;
            }
        }
        let theirs: Vec<(Value, Value)> =
            written.iter().map(|event| (bare(event), only_stamps(event))).collect();
        same("what was written", &expected, &theirs)
    }

    /// Everything a session tells of itself.
    pub(super) fn compare_tellings(&self) -> Outcome {
        let mut offers: Vec<Offered> = self
            .state
            .offers()
            .iter()
            .map(|offer| Offered {
                input: offer.input.to_string(),
                agent: offer.agent.to_string(),
                attempt: offer.attempt as usize,
            })
            .collect();
        offers.sort();
        same("offers", &self.model.offers(), &offers)?;
        // What is over is over, however long.
        let left = |at: Option<u64>| at.map(|at| at.saturating_sub(self.now));
        same("deadline", &left(self.model.deadline()), &left(self.state.deadline()))?;
        let told = self.state.describe();
        same("tail", &self.model.tail(), &told.tail.as_u64())?;
        same("title", &self.model.view().title, &told.title)?;
        let mut runs: Vec<[Option<String>; 5]> = told
            .runs
            .iter()
            .map(|run| {
                [
                    Some(run.id.to_string()),
                    Some(run.agent.to_string()),
                    Some(run.state.to_owned()),
                    run.in_reply_to.as_ref().map(ToString::to_string),
                    run.parent.as_ref().map(ToString::to_string),
                ]
            })
            .collect();
        runs.sort();
        same("open runs", &self.model.open_runs(), &runs)?;
        let mut orphans: Vec<[String; 6]> = self
            .state
            .orphans()
            .iter()
            .map(|it| {
                [
                    it.run.to_string(),
                    it.principal.to_string(),
                    it.producer.to_string(),
                    it.agent.to_string(),
                    it.input.to_string(),
                    it.attempt.to_string(),
                ]
            })
            .collect();
        orphans.sort();
        same("orphans", &self.model.orphans(), &orphans)?;
        // The store's indexes find every session with a clock after a restart.
        let has_waiting = self.model.view().waiting().next().is_some();
        let has_open = self.model.view().open().next().is_some();
        same("the due index", &(has_waiting || has_open), &self.next_disk.is_due)?;
        same("the pending index", &has_waiting, &self.next_disk.is_pending)
    }
}

pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, mine: &T, theirs: &T) -> Outcome {
    if mine == theirs {
        return Ok(());
    }
    Err(format!("{what} differs\n  model: {mine:?}\n  state: {theirs:?}"))
}

pub(super) fn agree(mine: &Answer, theirs: &Result<Published, Refusal>) -> Outcome {
    match (mine, theirs) {
        (Ok(mine), Ok(theirs)) => {
            let theirs = Accepted {
                first: theirs.first.as_u64(),
                last: theirs.last.as_u64(),
                is_duplicate: theirs.duplicate,
                receipt: theirs.receipt.as_ref().map(|it| Receipt {
                    id: it.id.to_string(),
                    offset: it.offset.as_u64(),
                    runs: it.runs.iter().map(ToString::to_string).collect(),
                }),
            };
            same("the ack", mine, &theirs)
        }
        (Err(reasons), Err(refusal)) if reasons.contains(&refusal.problem.code) => Ok(()),
        _ => Err(format!("the answer differs\n  model: {mine:?}\n  state: {}", told(theirs))),
    }
}

pub(super) fn told(answer: &Result<Published, Refusal>) -> String {
    match answer {
        Ok(published) => format!("-> {published:?}"),
        Err(refusal) => format!("-> {}: {}", refusal.problem.code, refusal.problem.detail),
    }
}

fn bare(event: &Value) -> Value {
    let mut event = event.clone();
    for stamp in STAMPS {
        event.as_object_mut().unwrap().remove(stamp);
    }
    event
}

fn only_stamps(event: &Value) -> Value {
    STAMPS.iter().map(|name| ((*name).to_owned(), event[name].clone())).collect()
}

fn stamps(fact: &Fact, offset: u64) -> Value {
    let from = fact.from.as_ref().map(|from| {
        let (kind, name) = from.split_once('/').unwrap();
        serde_json::json!({"kind": kind, "id": name})
    });
    let runs = (fact.event["kind"] == "stop.requested").then_some(&fact.runs);
    serde_json::json!({"offset": offset, "at": fact.at, "from": from, "runs": runs})
}

/// Each end with what follows from it right behind, sorted.
fn groups(view: &View, events: &[Value]) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut ended = "";
    for event in events {
        if event["kind"] == "run.ended" {
            ended = text(event, "run");
            groups.push(Vec::new());
        } else {
            let id = text(event, "id");
            let follows = view.steer(id).is_some_and(|steer| steer.run == ended)
                || view.input(id).is_some_and(|it| it.claims.last().is_some_and(|it| it == ended));
            if !follows || groups.is_empty() {
                ended = "";
                groups.push(Vec::new());
            }
        }
        groups.last_mut().unwrap().push(event.to_string());
    }
    groups.sort();
    groups
}
