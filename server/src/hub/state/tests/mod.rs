//! Behaviour of the rules, one file per noun.

mod asks;
mod checkpoints;
mod double_texting;
mod exactly_once;
mod inputs;
mod leases;
mod parts;
mod publishes;
mod room;
mod steers;
mod steps;
mod stops;
mod tree;

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::event::{Draft, Principal, Stored};
use durable_sessions_protocol::frame::{ProducerClaim, ProducerGrant, ProducerSeq};
use durable_sessions_protocol::id::{Id, LogId};

use super::{Connection, Publish, Published, Refusal, State, Writer};
use crate::log::Entry;

pub(super) fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

pub(super) fn writer(principal: &str, connection: Option<u64>) -> Writer {
    let connection = connection.map(|number| Connection { number, client: Some(id("client")) });
    Writer { principal: Principal::parse(principal).unwrap(), connection }
}

/// A state with a log that keeps every batch, and a clock the test moves.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) state: State,
    pub(super) entries: Vec<Entry>,
    pub(super) now: u64,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            state: State::new(LogId::parse("log").unwrap(), id("assistant")),
            entries: Vec::new(),
            now: 1_000_000,
        }
    }

    /// Makes what was admitted durable.
    pub(super) fn sync(&mut self) {
        let Some(batch) = self.state.take_batch() else { return };
        for record in batch.events {
            let offset = Stored::parse(std::str::from_utf8(&record.json).unwrap()).unwrap().offset;
            self.entries.push(Entry::Event { offset, record });
        }
        self.entries.extend(batch.notes.into_iter().map(Entry::Note));
    }

    /// The server dies; what was not synced is gone.
    pub(super) fn kill(&mut self) {
        self.state = State::new(LogId::parse("log").unwrap(), id("assistant"));
        for entry in &self.entries {
            self.state.replay(entry).unwrap();
        }
        self.state.finish_replay(self.now);
    }

    pub(super) fn publish(
        &mut self,
        writer: &Writer,
        producer: Option<(&str, u64, u64)>,
        events: &[&str],
    ) -> Result<Published, Refusal> {
        let drafts = events
            .iter()
            .enumerate()
            .map(|(index, text)| {
                Draft::parse(text).map_err(|problem| Refusal { problem, index: Some(index) })
            })
            .collect();
        let publish = Publish {
            writer: writer.clone(),
            log: None,
            producer: producer.map(|(name, epoch, seq)| ProducerSeq { id: id(name), epoch, seq }),
            declare_epoch: writer.connection.is_none(),
            drafts,
        };
        let result = self.state.publish(publish, self.now);
        self.sync();
        result
    }

    /// One event by a user or by an agent without a producer.
    pub(super) fn act(&mut self, principal: &str, event: &str) -> Result<Published, Refusal> {
        self.publish(&writer(principal, None), None, &[event])
    }

    pub(super) fn claim(
        &mut self,
        writer: &Writer,
        epoch: Option<u64>,
        runs: &[&str],
    ) -> Result<ProducerGrant, ErrorCode> {
        let claim =
            ProducerClaim { id: id("p"), epoch, runs: runs.iter().map(|run| id(run)).collect() };
        let result = self.state.claim(writer, &claim, self.now).map_err(|problem| problem.code);
        self.sync();
        result
    }

    /// A user's message.
    pub(super) fn asked(&mut self, id: &str, more: &str) -> Result<Published, Refusal> {
        let event = format!(r#"{{"kind":"message","id":"{id}","role":"user","text":"hi"{more}}}"#);
        self.act("user/ann", &event)
    }

    /// A run of the agent's own name, over HTTP.
    pub(super) fn started(
        &mut self,
        agent: &str,
        run: &str,
        more: &str,
    ) -> Result<Published, Refusal> {
        let event = format!(r#"{{"kind":"run.started","run":"{run}","agent":"{agent}"{more}}}"#);
        self.act(&format!("agent/{agent}"), &event)
    }

    /// An agent gives work to another.
    pub(super) fn delegated(
        &mut self,
        agent: &str,
        run: &str,
        id: &str,
        to: &str,
    ) -> Result<Published, Refusal> {
        let event = format!(
            r#"{{"kind":"message","id":"{id}","role":"assistant","run":"{run}","to":"{to}","text":"do"}}"#
        );
        self.act(&format!("agent/{agent}"), &event)
    }

    pub(super) fn said(&mut self, agent: &str, run: &str, id: &str) -> Result<Published, Refusal> {
        let event = format!(
            r#"{{"kind":"delta","id":"{id}","run":"{run}","message":"{run}-m","text":"x"}}"#
        );
        self.act(&format!("agent/{agent}"), &event)
    }

    pub(super) fn ended(&mut self, agent: &str, run: &str) -> Result<Published, Refusal> {
        let event = format!(r#"{{"kind":"run.ended","run":"{run}","outcome":"completed"}}"#);
        self.act(&format!("agent/{agent}"), &event)
    }

    pub(super) fn stopped(&mut self, id: &str, what: &str) -> Result<Vec<String>, ErrorCode> {
        let event = format!(r#"{{"kind":"stop.requested","id":"{id}",{what}}}"#);
        let stopped = self.act("user/ann", &event).map_err(|refusal| refusal.problem.code)?;
        let runs = stopped.receipt.unwrap().runs;
        Ok(runs.iter().map(|run| run.as_str().to_owned()).collect())
    }

    /// The inputs on offer, and to whom.
    pub(super) fn offered(&self) -> Vec<String> {
        let offers = self.state.offers();
        offers.iter().map(|offer| format!("{} to {}", offer.input, offer.agent)).collect()
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.state.tick(self.now);
        self.sync();
    }

    /// The log, an event a line, without the stamps.
    pub(super) fn log(&self) -> Vec<String> {
        self.events().iter().map(|stored| stored.event.to_json()).collect()
    }

    pub(super) fn events(&self) -> Vec<Stored> {
        self.entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Event { record, .. } => {
                    Some(Stored::parse(std::str::from_utf8(&record.json).unwrap()).unwrap())
                }
                Entry::Note(_) | Entry::Checkpoint(_) => None,
            })
            .collect()
    }

    pub(super) fn last_event(&self) -> String {
        self.log().pop().unwrap_or_default()
    }
}

pub(super) fn code(result: Result<Published, Refusal>) -> ErrorCode {
    result.unwrap_err().problem.code
}
