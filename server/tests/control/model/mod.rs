//! The rules once more, from `docs/PROTOCOL.md` and the design alone: a list of events, what is
//! known of producers and leases, and everything else looked up anew at each question.

mod clocks;
mod publish;
mod rules;
mod stops;
pub(crate) mod view;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use durable_sessions_protocol::error::ErrorCode;
use serde_json::Value;

pub(crate) use self::clocks::Lease;
pub(crate) use self::publish::{Accepted, Answer, Receipt};
use self::view::{Fact, View};

/// A text field that the caller knows to be there.
pub(crate) fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

/// A producer's newest epoch.
#[derive(Debug, Clone)]
struct Producer {
    epoch: u64,
    /// What became of each sequence number.
    outcomes: Vec<Answer>,
    /// The newest connection that claimed it.
    holder: Option<(u64, String)>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) facts: Vec<Fact>,
    /// By principal and producer id.
    producers: BTreeMap<(String, String), Producer>,
    /// Of open runs.
    leases: BTreeMap<String, Lease>,
    /// By run: the epoch of its producer that last wrote it.
    written_in: BTreeMap<String, u64>,
    /// The view of these facts, once somebody asked.
    view: RefCell<Option<Rc<View>>>,
}

/// Inputs of one agent that are on offer at a time.
const OFFERS_MAX_OF_AGENT: usize = 64;

/// `attached.producer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

/// An input on offer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offered {
    pub(crate) input: String,
    pub(crate) agent: String,
    pub(crate) attempt: usize,
}

impl Model {
    pub(crate) fn view(&self) -> Rc<View> {
        let mut known = self.view.borrow_mut();
        Rc::clone(known.get_or_insert_with(|| Rc::new(View::of(&self.facts))))
    }

    /// The facts, to be changed.
    pub(crate) fn facts_mut(&mut self) -> &mut Vec<Fact> {
        self.view.take();
        &mut self.facts
    }

    /// One more fact; a view that is known sees it.
    fn push(&mut self, fact: Fact) {
        if let Some(view) = self.view.get_mut() {
            Rc::make_mut(view).take(&fact, self.facts.len() as u64 + 1);
        }
        self.facts.push(fact);
    }

    pub(crate) fn tail(&self) -> u64 {
        self.facts.len() as u64
    }

    /// The epoch and the next sequence number of a producer that was ever granted.
    pub(crate) fn place(&self, principal: &str, producer: &str) -> Option<Grant> {
        let known = self.producers.get(&(principal.to_owned(), producer.to_owned()))?;
        Some(Grant { epoch: known.epoch, seq: known.outcomes.len() as u64 })
    }

    /// R3
    pub(crate) fn offers(&self) -> Vec<Offered> {
        let view = self.view();
        let mut asked = Vec::new();
        let mut offers = Vec::new();
        for input in view.waiting() {
            let is_free = input.by.is_some() || input.is_parallel;
            let is_oldest = !asked.contains(&&input.agent);
            if !is_free {
                asked.push(&input.agent);
            }
            let is_next = is_free || is_oldest && view.open_roots(&input.agent).next().is_none();
            let offered = offers.iter().filter(|offer: &&Offered| offer.agent == input.agent);
            if is_next && offered.count() < OFFERS_MAX_OF_AGENT {
                offers.push(Offered {
                    input: input.id.clone(),
                    agent: input.agent.clone(),
                    attempt: input.claims.len() + 1,
                });
            }
        }
        offers.sort();
        offers
    }

    /// R13: id, agent, state, input, parent of each open run, by id.
    pub(crate) fn open_runs(&self) -> Vec<[Option<String>; 5]> {
        let view = self.view();
        let mut runs: Vec<_> = view
            .open()
            .map(|run| {
                let state = if run.fenced.is_some() {
                    "stopping"
                } else if view.open_asks(&run.id).next().is_some() {
                    "suspended"
                } else {
                    "running"
                };
                [
                    Some(run.id.clone()),
                    Some(run.agent.clone()),
                    Some(state.to_owned()),
                    run.input.clone(),
                    run.parent.clone(),
                ]
            })
            .collect();
        runs.sort();
        runs
    }

    /// R14: run, principal, producer, agent, input, attempt of each run that a restarted worker may
    /// go on with. A stopped one has nothing to go on with.
    pub(crate) fn orphans(&self) -> Vec<[String; 6]> {
        let view = self.view();
        let mut orphans = Vec::new();
        for run in view.open().filter(|run| run.fenced.is_none() && self.is_left(&run.id)) {
            let (Some(producer), Some(input)) = (&run.producer, &run.input) else { continue };
            let attempt = view.input(input).map_or(0, |input| input.claims.len());
            orphans.push([
                run.id.clone(),
                run.principal.clone(),
                producer.clone(),
                run.agent.clone(),
                input.clone(),
                attempt.to_string(),
            ]);
        }
        orphans.sort();
        orphans
    }

    /// DS-4.8, DS-4.9, DS-5.2. The ends it wrote stand at the end of the log, in any order.
    pub(crate) fn claim(
        &mut self,
        who: &crate::call::Who,
        producer: &str,
        epoch: Option<u64>,
        runs: &[String],
        now: u64,
    ) -> Result<Grant, ErrorCode> {
        let key = (who.principal.clone(), producer.to_owned());
        let known = self.producers.get(&key);
        let holder = known.and_then(|known| known.holder.clone());
        if let (Some((newest, of)), Some((number, client))) = (holder, &who.connection)
            && *number < newest
            && *client == of
        {
            return Err(ErrorCode::Fenced);
        }
        match (epoch, known.map(|known| known.epoch)) {
            (None, last) => {
                let fresh =
                    Producer { epoch: last.unwrap_or(0) + 1, outcomes: Vec::new(), holder: None };
                self.producers.insert(key.clone(), fresh);
            }
            (Some(epoch), Some(current)) if epoch < current => return Err(ErrorCode::Fenced),
            (Some(epoch), Some(current)) if epoch == current => {}
            (Some(_), _) => return Err(ErrorCode::Invalid),
        }
        let known = self.producers.get_mut(&key).unwrap();
        known.holder.clone_from(&who.connection);
        let grant = Grant { epoch: known.epoch, seq: known.outcomes.len() as u64 };
        let view = self.view();
        let own = view.open().filter(|run| {
            run.principal == who.principal && run.producer.as_deref() == Some(producer)
        });
        for run in own {
            if runs.contains(&run.id) {
                self.hold(&run.id, who, now);
            } else {
                self.end_by_server(&run.id, now);
            }
        }
        Ok(grant)
    }

    /// The server is back, with what was durable.
    pub(crate) fn restart(&mut self, now: u64) {
        self.reload(now);
        let view = self.view();
        self.leases =
            view.open().map(|run| (run.id.clone(), Lease::Until(now + run.lease_ms))).collect();
    }

    /// The session is back in memory, and its leases have gone on.
    pub(crate) fn reload(&mut self, now: u64) {
        for fact in self.facts_mut() {
            fact.clock = fact.at.min(now);
        }
        for producer in self.producers.values_mut() {
            producer.holder = None;
        }
    }

    /// Whether a connection keeps a run alive.
    pub(crate) fn is_held(&self) -> bool {
        self.view().open().any(|run| !self.is_left(&run.id))
    }
}
