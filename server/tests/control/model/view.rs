//! What a list of events amounts to. Recomputed whenever somebody asks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::text;

/// One event of the log; its offset is its place in the list, counted from 1.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) at: u64,
    /// What its clocks count from: the time of its writing; after a restart its `at`, or the time
    /// of the restart if that is earlier.
    pub(crate) clock: u64,
    /// `None`: the server.
    pub(crate) from: Option<String>,
    pub(crate) producer: Option<String>,
    /// As its writer sent it.
    pub(crate) event: Value,
    /// Of a stop: the runs it fenced.
    pub(crate) runs: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) agent: String,
    pub(crate) principal: String,
    /// The producer that started it.
    pub(crate) producer: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) input: Option<String>,
    pub(crate) stands_at: u64,
    pub(crate) lease_ms: u64,
    pub(crate) ended: Option<String>,
    /// When its first stop fenced it.
    pub(crate) fenced: Option<u64>,
    /// Whether a cascading stop was aimed at it.
    pub(crate) is_cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Waiting,
    Claimed,
    Used,
    Stopped,
    Expired,
}

#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) id: String,
    pub(crate) offset: u64,
    pub(crate) agent: String,
    /// The run that delegated it.
    pub(crate) by: Option<String>,
    pub(crate) is_parallel: bool,
    /// The runs that claimed it, the newest last.
    pub(crate) claims: Vec<String>,
    pub(crate) fate: Fate,
    pub(crate) expires: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Steer {
    pub(crate) id: String,
    pub(crate) run: String,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) id: String,
    pub(crate) run: String,
    pub(crate) is_answered: bool,
    pub(crate) expires: u64,
}

/// Everything in the order of the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) runs: Vec<Run>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) steers: Vec<Steer>,
    pub(crate) asks: Vec<Ask>,
    /// Messages, the run that writes each, and the offset at which each began.
    pub(crate) messages: Vec<(String, Option<String>, u64)>,
    /// Their ids.
    known: BTreeSet<String>,
    /// From where on a message hides those before it, and where it stands.
    hidden: Vec<(u64, u64)>,
    pub(crate) title: Option<String>,
}

const LEASE_MS: u64 = 30_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl View {
    pub(crate) fn of(facts: &[Fact]) -> Self {
        let mut view = Self::default();
        for (index, fact) in facts.iter().enumerate() {
            view.take(fact, index as u64 + 1);
        }
        view
    }

    /// The next event, at this offset.
    pub(crate) fn take(&mut self, fact: &Fact, offset: u64) {
        let event = &fact.event;
        let field = |name: &str| event[name].as_str().map(str::to_owned);
        match text(event, "kind") {
            "message" => {
                let id = text(event, "id").to_owned();
                let by = field("run");
                // An agent has to say whom it asks; a user who names nobody asks the default agent.
                let default = (by.is_none() && event.get("to").is_none()).then_some("assistant");
                let agent = event["to"].as_str().or(default).map(str::to_owned);
                if let Some(replaced) = event["replaces"].as_str()
                    && let Some((.., begun)) = self.messages.iter().find(|it| it.0 == replaced)
                {
                    self.hidden.push((*begun, offset));
                }
                self.message(&id, by.as_deref(), offset);
                if let Some(agent) = agent {
                    self.inputs.push(Input {
                        id,
                        offset,
                        agent,
                        by,
                        is_parallel: event["if_running"] == "parallel",
                        claims: Vec::new(),
                        fate: Fate::Waiting,
                        expires: fact.clock + DAY_MS,
                    });
                }
            }
            "delta" => self.message(text(event, "message"), event["run"].as_str(), offset),
            "data" => {
                if let Some(message) = event["message"].as_str() {
                    self.message(message, event["run"].as_str(), offset);
                }
            }
            "run.started" => {
                let run = text(event, "run").to_owned();
                let mut parent = field("parent");
                let mut stands_at = offset;
                let input = field("in_reply_to");
                if let Some(input) =
                    self.inputs.iter_mut().find(|it| Some(&it.id) == input.as_ref())
                {
                    parent = input.by.clone();
                    stands_at = input.offset;
                    input.claims.push(run.clone());
                    input.fate = Fate::Claimed;
                }
                self.runs.push(Run {
                    id: run,
                    agent: text(event, "agent").to_owned(),
                    principal: fact.from.clone().unwrap_or_default(),
                    producer: fact.producer.clone(),
                    parent,
                    input,
                    stands_at,
                    lease_ms: event["lease_ms"].as_u64().unwrap_or(LEASE_MS),
                    ended: None,
                    fenced: None,
                    is_cut: false,
                });
            }
            "run.ended" => {
                let run = text(event, "run");
                let outcome = text(event, "outcome");
                for it in self.runs.iter_mut().filter(|it| it.id == run) {
                    it.ended = Some(outcome.to_owned());
                }
                for input in &mut self.inputs {
                    let is_its = input.claims.last().is_some_and(|claim| claim == run);
                    if is_its && outcome == "lost" && input.claims.len() < 3 {
                        input.fate = Fate::Waiting;
                        input.expires = fact.clock + DAY_MS;
                    }
                }
            }
            "stop.requested" => {
                if event["cascade"] != false {
                    let targets = self.targets(event, offset);
                    for run in self.runs.iter_mut().filter(|it| targets.contains(&it.id)) {
                        run.is_cut = true;
                    }
                }
                for run in self.runs.iter_mut().filter(|it| fact.runs.contains(&it.id)) {
                    run.fenced = run.fenced.or(Some(fact.clock));
                }
            }
            "steer" => self.steers.push(Steer {
                id: text(event, "id").to_owned(),
                run: text(event, "run").to_owned(),
                fate: Fate::Waiting,
            }),
            "input.state" => {
                let id = text(event, "id");
                let fate = match text(event, "state") {
                    "used" => Fate::Used,
                    "stopped" => Fate::Stopped,
                    _ => Fate::Expired,
                };
                for steer in self.steers.iter_mut().filter(|it| it.id == id) {
                    steer.fate = fate.clone();
                }
                // `used` is a remark about a message.
                for input in self.inputs.iter_mut().filter(|it| it.id == id) {
                    if fate != Fate::Used {
                        input.fate = fate.clone();
                    }
                }
            }
            "run.suspended" => self.asks.push(Ask {
                id: text(event, "ask").to_owned(),
                run: text(event, "run").to_owned(),
                is_answered: false,
                expires: fact.clock + event["expires_ms"].as_u64().unwrap_or(DAY_MS),
            }),
            "run.resumed" => {
                for ask in self.asks.iter_mut().filter(|it| it.id == text(event, "ask")) {
                    ask.is_answered = true;
                }
            }
            "session.updated" => {
                self.title = field("title").or_else(|| self.title.take());
            }
            other => panic!("the model does not know {other:?}"),
        }
    }

    fn message(&mut self, id: &str, run: Option<&str>, offset: u64) {
        if self.known.insert(id.to_owned()) {
            self.messages.push((id.to_owned(), run.map(str::to_owned), offset));
        }
    }

    /// The runs a stop is aimed at; its offset is `offset`.
    pub(crate) fn targets(&self, stop: &Value, offset: u64) -> Vec<String> {
        if let Some(run) = stop["run"].as_str() {
            return vec![run.to_owned()];
        }
        if let Some(message) = stop["message"].as_str() {
            let run = match self.input(message) {
                Some(input) if input.fate == Fate::Claimed => input.claims.last().cloned(),
                Some(_) => None,
                None => self.writer_of(message).flatten(),
            };
            return run.into_iter().collect();
        }
        let seen = stop["seen"].as_u64().unwrap_or(offset - 1);
        let reached = self.runs.iter().filter(|run| run.stands_at <= seen);
        reached.map(|run| run.id.clone()).collect()
    }

    pub(crate) fn run(&self, id: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id)
    }

    pub(crate) fn input(&self, id: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.id == id)
    }

    pub(crate) fn steer(&self, id: &str) -> Option<&Steer> {
        self.steers.iter().find(|steer| steer.id == id)
    }

    pub(crate) fn ask(&self, id: &str) -> Option<&Ask> {
        self.asks.iter().find(|ask| ask.id == id)
    }

    /// `None`: there is no such message; `Some(None)`: a user wrote it.
    pub(crate) fn writer_of(&self, message: &str) -> Option<Option<String>> {
        if !self.known.contains(message) {
            return None;
        }
        self.messages.iter().find(|(id, ..)| id == message).map(|(_, run, _)| run.clone())
    }

    /// DS-3.3: whether a message that stands at an offset is hidden.
    pub(crate) fn is_hidden(&self, offset: u64) -> bool {
        self.hidden.iter().any(|(from, at)| (*from..*at).contains(&offset))
    }

    /// DS-3.3: what waits and is hidden by a message that replaces this one.
    pub(crate) fn replaced(&self, message: &str) -> impl Iterator<Item = &Input> {
        let found = self.messages.iter().find(|(id, ..)| id == message);
        let begun = found.map_or(u64::MAX, |(.., offset)| *offset);
        self.waiting().filter(move |input| input.offset >= begun)
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.ended.is_none())
    }

    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(|input| input.fate == Fate::Waiting)
    }

    pub(crate) fn pending_steers(&self, run: &str) -> impl Iterator<Item = &Steer> {
        self.steers.iter().filter(move |it| it.run == run && it.fate == Fate::Waiting)
    }

    pub(crate) fn open_asks(&self, run: &str) -> impl Iterator<Item = &Ask> {
        let is_open = self.run(run).is_some_and(|run| run.ended.is_none());
        self.asks.iter().filter(move |ask| is_open && ask.run == run && !ask.is_answered)
    }

    /// The run itself and all runs it works for.
    pub(crate) fn lineage(&self, run: &str) -> Vec<String> {
        let mut lineage = vec![run.to_owned()];
        while let Some(parent) =
            self.run(&lineage[lineage.len() - 1]).and_then(|it| it.parent.clone())
        {
            lineage.push(parent);
        }
        lineage
    }

    /// Whether a cascading stop reaches whatever would start below this run.
    pub(crate) fn is_cut(&self, run: &str) -> bool {
        self.lineage(run).iter().any(|id| self.run(id).is_some_and(|run| run.is_cut))
    }

    pub(crate) fn open_roots<'a>(&'a self, agent: &'a str) -> impl Iterator<Item = &'a Run> {
        self.open().filter(move |run| run.agent == agent && run.parent.is_none())
    }
}
