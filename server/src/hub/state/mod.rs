//! The rules of a session: what may enter its log, and what follows from it. Pure: time is an
//! argument, ids come from the clients, and nothing waits.
//!
//! A step ([`State::publish`], [`State::claim`], [`State::tick`], ...) decides against everything
//! admitted so far and leaves the new events and notes in a batch that the actor makes durable.
//! What was decided may be answered only then. A state is rebuilt by replaying the log through the
//! same code that live events take ([`evolve`]).

mod acts;
mod asks;
mod checkpoint;
mod clocks;
mod evolve;
mod inputs;
mod note;
mod part;
mod past;
mod pending;
mod places;
mod producers;
mod publish;
mod replay;
mod room;
mod rules;
mod runs;
mod steers;
mod stops;
#[cfg(test)]
mod tests;
mod tree;
mod trial;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::event::{Draft, Principal};
use durable_sessions_protocol::frame::{ProducerSeq, StopReceipt};
use durable_sessions_protocol::id::{Id, LogId};
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use self::acts::Acts;
pub use self::inputs::{Claim, Offer, Orphan};
use self::inputs::{Input, MessageInfo};
pub use self::part::Part;
use self::past::Past;
use self::pending::Pending;
use self::places::Places;
use self::producers::Producers;
use self::runs::Run;
use self::steers::Steer;
use self::stops::StopInfo;
use crate::log::Batch;

/// A WebSocket connection, as the rules see it. Later connections compare greater.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Counts the server's connections.
    pub number: u64,
    /// `hello.client`: the same for all connections of one client instance.
    pub client: Option<Id>,
}

/// Who publishes, and over which connection; `None` over HTTP.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Authenticated by the transport.
    pub principal: Principal,
    /// A WebSocket keeps the leases of the runs it has named.
    pub connection: Option<Connection>,
}

/// One publish: admitted or refused whole.
#[derive(Debug)]
pub struct Publish {
    /// Who publishes.
    pub writer: Writer,
    /// The log the writer knows.
    pub log: Option<LogId>,
    /// The place in a producer's stream.
    pub producer: Option<ProducerSeq>,
    /// Whether the writer declares its epoch (HTTP) or must have been granted it (WebSocket).
    pub declare_epoch: bool,
    /// The events, or why they are none: a malformed event uses up its producer's sequence number
    /// like any other refusal.
    pub drafts: Result<Vec<Draft>, Refusal>,
}

/// An admitted publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The first event's offset.
    pub first: Offset,
    /// The last event's offset.
    pub last: Offset,
    /// Whether it had been admitted before.
    pub duplicate: bool,
    /// Of a stop.
    pub receipt: Option<StopReceipt>,
    /// Of a producer: the highest `seq` of its epoch that was accepted or refused so far, which is a
    /// later one than that of a duplicate if others came between. The next one is free.
    pub decided_seq: Option<u64>,
}

impl Published {
    /// A single event, without a producer.
    const fn one(offset: Offset, duplicate: bool, receipt: Option<StopReceipt>) -> Self {
        Self { first: offset, last: offset, duplicate, receipt, decided_seq: None }
    }
}

/// A refused publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub problem: Problem,
    /// Which event.
    pub index: Option<usize>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, index: None }
    }
}

/// What `GET /v1/sessions/{id}` tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// The session's log.
    pub log: LogId,
    /// The last offset.
    pub tail: Offset,
    /// The title, if one was set.
    pub title: Option<String>,
    /// The open runs.
    pub runs: Vec<OpenRun>,
}

/// An open run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenRun {
    /// Its id.
    pub id: Id,
    /// The agent's name.
    pub agent: Id,
    /// `running`, `suspended` or `stopping`.
    pub state: &'static str,
    /// The input it claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<Id>,
    /// The run it works for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
}

/// Everything the rules of one session rest on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    log: LogId,
    default_agent: Id,
    tail: Offset,
    last_at: u64,
    title: Option<String>,
    acts: Acts,
    messages: HashMap<Id, MessageInfo>,
    places: Places,
    inputs: HashMap<Id, Input>,
    pending: Pending,
    runs: HashMap<Id, Run>,
    /// Runs without an end.
    open: BTreeSet<Id>,
    /// Those with one. Not in checkpoints: the runs tell.
    #[serde(skip)]
    past: Past,
    /// Runs that stand at or before it were stopped with all that is below them.
    cut_before: Offset,
    /// Stops by where they stand.
    stops: BTreeMap<Offset, StopInfo>,
    steers: HashMap<Id, Steer>,
    /// The run of each ask, open or answered.
    asks: HashMap<Id, Id>,
    producers: Producers,
    /// What the next append commits.
    #[serde(skip)]
    batch: Batch,
    /// Whether the session stands in the store's `due` and `pending` indexes.
    #[serde(skip)]
    indexed: (bool, bool),
    /// Whether more than output was admitted, or a lease changed hands, since that was asked last.
    #[serde(skip)]
    is_moved: bool,
}

impl State {
    /// The state of a new log.
    #[must_use]
    pub fn new(log: LogId, default_agent: Id) -> Self {
        Self {
            log,
            default_agent,
            tail: Offset::ZERO,
            last_at: 0,
            title: None,
            acts: Acts::default(),
            messages: HashMap::new(),
            places: Places::default(),
            inputs: HashMap::new(),
            pending: Pending::default(),
            runs: HashMap::new(),
            open: BTreeSet::new(),
            past: Past::default(),
            cut_before: Offset::ZERO,
            stops: BTreeMap::new(),
            steers: HashMap::new(),
            asks: HashMap::new(),
            producers: Producers::default(),
            batch: Batch::default(),
            indexed: (false, false),
            is_moved: false,
        }
    }

    /// The log's id.
    #[must_use]
    pub fn log(&self) -> &LogId {
        &self.log
    }

    /// The last admitted offset; it may not be durable yet.
    #[must_use]
    pub fn tail(&self) -> Offset {
        self.tail
    }

    /// Bytes waiting to be made durable.
    #[must_use]
    pub fn batch_bytes(&self) -> usize {
        self.batch.text_bytes()
    }

    /// Takes what is to be made durable; `None` when nothing changed.
    pub fn take_batch(&mut self) -> Option<Batch> {
        let indexed = (!self.open.is_empty() || !self.pending.is_empty(), !self.pending.is_empty());
        if self.batch.events.is_empty() && self.batch.notes.is_empty() && indexed == self.indexed {
            return None;
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.due = (indexed.0 != self.indexed.0).then_some(indexed.0);
        batch.pending = (indexed.1 != self.indexed.1).then_some(indexed.1);
        self.indexed = indexed;
        Some(batch)
    }

    /// Whether offers, claims and orphans may be others, or the deadline an earlier one, than when
    /// this was asked last. Most events are output and change none of them; looking through all that
    /// waits after each would add up.
    pub fn take_move(&mut self) -> bool {
        std::mem::take(&mut self.is_moved)
    }

    /// What the session looks like.
    #[must_use]
    pub fn describe(&self) -> Description {
        let runs = self.open.iter().filter_map(|id| {
            let run = self.runs.get(id)?;
            Some(OpenRun {
                id: id.clone(),
                agent: run.agent.clone(),
                state: run.word(),
                in_reply_to: run.input.clone(),
                parent: run.parent.clone(),
            })
        });
        Description {
            log: self.log.clone(),
            tail: self.tail,
            title: self.title.clone(),
            runs: runs.collect(),
        }
    }
}
