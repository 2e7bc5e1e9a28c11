//! Logs that keep the rules: what a server could have admitted.

use durable_sessions_protocol::event::stamp;
use durable_sessions_protocol::offset::Offset;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::arbitrary::value;

/// A log as its stored texts, with what a reader must see of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    /// The events as the store has them.
    pub(crate) events: Vec<String>,
    /// Ids of the messages in the transcript, in order.
    pub(crate) visible: Vec<String>,
    /// Runs without an end.
    pub(crate) open: Vec<String>,
    /// Every run and whether it was stopped.
    runs: Vec<(String, bool)>,
    /// Messages and steers in the order of the log.
    messages: Vec<Message>,
    asks: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    author: Author,
}

#[derive(Debug, Clone, PartialEq)]
enum Author {
    User,
    Run(String),
    /// Waits for this run to take it in.
    PendingSteer(String),
    Steer,
}

/// Something a user, an agent or the server may do; it is left out where the rules forbid it.
#[derive(Debug, Clone)]
enum Step {
    Say { text: String, replaces: Option<prop::sample::Index> },
    Start { answers: Option<prop::sample::Index>, below: Option<prop::sample::Index> },
    Steer { run: prop::sample::Index, text: String },
    TakeSteer { run: prop::sample::Index },
    Write { run: prop::sample::Index, message: u8, part: u32, text: String, reasoning: bool },
    SetPart { run: prop::sample::Index, message: u8, part: u32, value: Value },
    SayWhole { run: prop::sample::Index, parts: Vec<Value> },
    Note { value: Value },
    Suspend { run: prop::sample::Index, body: Value },
    Resume { ask: prop::sample::Index },
    StopRun { run: prop::sample::Index },
    CancelInput { message: prop::sample::Index, expired: bool },
    End { run: prop::sample::Index, outcome: &'static str, error: Value },
    Title { text: String },
    OfLater { value: Value },
}

pub(crate) fn log() -> impl Strategy<Value = Log> {
    prop::collection::vec(step(), 0..60).prop_map(|steps| {
        let mut log = Log::default();
        for step in steps {
            log.take(step);
        }
        log
    })
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    let outcome = prop::sample::select(vec!["completed", "failed", "stopped", "lost"]);
    // A part of the limit's last index makes all before it: rare, since it is slow.
    let part = || prop_oneof![40 => 0_u32..4, 1 => Just(1023_u32)];
    prop_oneof![
        4 => (any::<String>(), prop::option::weighted(0.3, index()))
            .prop_map(|(text, replaces)| Step::Say { text, replaces }),
        4 => (prop::option::weighted(0.7, index()), prop::option::weighted(0.5, index()))
            .prop_map(|(answers, below)| Step::Start { answers, below }),
        2 => (index(), any::<String>()).prop_map(|(run, text)| Step::Steer { run, text }),
        1 => index().prop_map(|run| Step::TakeSteer { run }),
        12 => (index(), 0_u8..3, part(), any::<String>(), prop::bool::weighted(0.2)).prop_map(
            |(run, message, part, text, reasoning)| Step::Write {
                run, message, part, text, reasoning,
            }
        ),
        2 => (index(), 0_u8..3, part(), value())
            .prop_map(|(run, message, part, value)| Step::SetPart { run, message, part, value }),
        1 => (index(), prop::collection::vec(value(), 0..3))
            .prop_map(|(run, parts)| Step::SayWhole { run, parts }),
        1 => value().prop_map(|value| Step::Note { value }),
        1 => (index(), value()).prop_map(|(run, body)| Step::Suspend { run, body }),
        1 => index().prop_map(|ask| Step::Resume { ask }),
        2 => index().prop_map(|run| Step::StopRun { run }),
        1 => (index(), any::<bool>())
            .prop_map(|(message, expired)| Step::CancelInput { message, expired }),
        3 => (index(), outcome, value())
            .prop_map(|(run, outcome, error)| Step::End { run, outcome, error }),
        1 => any::<String>().prop_map(|text| Step::Title { text }),
        1 => value().prop_map(|value| Step::OfLater { value }),
    ]
}

impl Log {
    /// The log as one JSON text.
    pub(crate) fn text(&self) -> String {
        format!("[{}]", self.events.join(","))
    }

    fn take(&mut self, step: Step) -> Option<()> {
        let event = match step {
            Step::Say { text, replaces } => {
                let id = format!("m{}", self.messages.len());
                let replaced =
                    replaces.and_then(|index| self.message(index)).map(|it| it.id.clone());
                if let Some(place) =
                    self.messages.iter().position(|it| Some(&it.id) == replaced.as_ref())
                {
                    let hidden = &self.messages[place..];
                    self.visible.retain(|id| hidden.iter().all(|message| message.id != *id));
                }
                self.add(&id, Author::User);
                json!({"kind": "message", "id": id, "role": "user", "text": text, "replaces": replaced})
            }
            Step::Start { answers, below } => {
                let run = format!("r{}", self.runs.len());
                let input =
                    answers.and_then(|index| self.message(index)).map(|input| input.id.clone());
                // The run that a claim works for is told by its input.
                let parent = below.filter(|_| input.is_none() && !self.runs.is_empty());
                let parent = parent.map(|index| index.get(&self.runs).0.clone());
                self.runs.push((run.clone(), false));
                self.open.push(run.clone());
                json!({"kind": "run.started", "run": run, "agent": "assistant", "in_reply_to": input, "parent": parent})
            }
            Step::Steer { run, text } => {
                let run = self.unfenced(run)?;
                let id = format!("m{}", self.messages.len());
                self.add(&id, Author::PendingSteer(run.clone()));
                json!({"kind": "steer", "id": id, "run": run, "text": text})
            }
            Step::TakeSteer { run } => {
                let run = self.unfenced(run)?;
                let id = self.decide_steers(&run).first()?.clone();
                json!({"kind": "input.state", "id": id, "state": "used"})
            }
            Step::Write { run, message, part, text, reasoning } => {
                let (run, message) = self.written(run, message)?;
                let part_type = if reasoning { "reasoning" } else { "text" };
                json!({"kind": "delta", "run": run, "message": message, "part": part, "type": part_type, "text": text})
            }
            Step::SetPart { run, message, part, value } => {
                let (run, message) = self.written(run, message)?;
                json!({"kind": "data", "name": "part", "run": run, "message": message, "part": part, "data": value})
            }
            Step::SayWhole { run, parts } => {
                let run = self.unfenced(run)?;
                let id = format!("m{}", self.messages.len());
                self.add(&id, Author::Run(run.clone()));
                json!({"kind": "message", "id": id, "role": "assistant", "run": run, "parts": parts, "to": "helper"})
            }
            Step::Note { value } => json!({"kind": "data", "name": "note", "data": value}),
            Step::Suspend { run, body } => {
                let run = self.unfenced(run)?;
                let ask = format!("k{}", self.events.len());
                self.asks.push((run.clone(), ask.clone()));
                json!({"kind": "run.suspended", "run": run, "ask": ask, "body": body})
            }
            Step::Resume { ask } => {
                let (run, ask) = (!self.asks.is_empty()).then(|| ask.get(&self.asks).clone())?;
                json!({"kind": "run.resumed", "run": run, "ask": ask, "answer": true})
            }
            Step::StopRun { run } => {
                let run = self.open(run)?;
                self.runs.iter_mut().filter(|(id, _)| *id == run).for_each(|run| run.1 = true);
                let id = format!("s{}", self.events.len());
                self.push(&json!({"kind": "stop.requested", "id": id, "run": run, "runs": [run]}));
                self.settle_steers(&run, "stopped");
                return Some(());
            }
            Step::CancelInput { message, expired } => {
                let input = self.message(message).filter(|input| input.author == Author::User)?;
                let state = if expired { "expired" } else { "stopped" };
                json!({"kind": "input.state", "id": input.id, "state": state})
            }
            Step::End { run, outcome, error } => {
                let run = self.open(run)?;
                self.open.retain(|open| *open != run);
                self.push(
                    &json!({"kind": "run.ended", "run": run, "outcome": outcome, "error": error}),
                );
                self.settle_steers(&run, "expired");
                return Some(());
            }
            Step::Title { text } => json!({"kind": "session.updated", "title": text}),
            Step::OfLater { value } => json!({"kind": "of.later", "run": "r0", "message": value}),
        };
        self.push(&event);
        Some(())
    }

    fn push(&mut self, event: &Value) {
        let offset = Offset::ZERO.plus(self.events.len() as u64 + 1);
        self.events.push(stamp(&event.to_string(), offset, 1_000 + offset.as_u64(), None, None));
    }

    fn add(&mut self, id: &str, author: Author) {
        self.messages.push(Message { id: id.to_owned(), author });
        self.visible.push(id.to_owned());
    }

    /// A message that is no steer.
    fn message(&self, index: prop::sample::Index) -> Option<&Message> {
        let is_steer = |it: &Message| matches!(it.author, Author::PendingSteer(_) | Author::Steer);
        let messages: Vec<_> = self.messages.iter().filter(|it| !is_steer(it)).collect();
        (!messages.is_empty()).then(|| *index.get(&messages))
    }

    /// A run's steers without a fate, which have one from now on.
    fn decide_steers(&mut self, run: &str) -> Vec<String> {
        let of_run = Author::PendingSteer(run.to_owned());
        let pending = self.messages.iter_mut().filter(|message| message.author == of_run);
        pending
            .map(|steer| {
                steer.author = Author::Steer;
                steer.id.clone()
            })
            .collect()
    }

    fn settle_steers(&mut self, run: &str, state: &str) {
        for id in self.decide_steers(run) {
            self.push(&json!({"kind": "input.state", "id": id, "state": state}));
        }
    }

    /// An open run, and one of the messages it writes; the message is made when it is new.
    fn written(&mut self, run: prop::sample::Index, message: u8) -> Option<(String, String)> {
        let run = self.unfenced(run)?;
        let id = format!("{run}-{message}");
        if self.messages.iter().all(|known| known.id != id) {
            self.add(&id, Author::Run(run.clone()));
        }
        Some((run, id))
    }

    fn open(&self, run: prop::sample::Index) -> Option<String> {
        (!self.open.is_empty()).then(|| run.get(&self.open).clone())
    }

    fn unfenced(&self, run: prop::sample::Index) -> Option<String> {
        let run = self.open(run)?;
        self.runs.contains(&(run.clone(), false)).then_some(run)
    }
}
