//! What a step asks of a session, in a form that the state, the model and a reader of a trace
//! understand.

use durable_sessions_protocol::event::{Draft, Principal};
use durable_sessions_protocol::frame::{ProducerClaim, ProducerSeq};
use durable_sessions_protocol::id::{Id, LogId};
use durable_sessions_server::hub::state::{Connection, Publish, Refusal, Writer};

/// Who acts: `user/..` or `agent/..`, and over which connection; `None` over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) principal: String,
    /// The connection's number and its `hello.client`.
    pub(crate) connection: Option<(u64, String)>,
}

/// A place in a producer's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) producer: String,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Publishing {
    pub(crate) who: Who,
    pub(crate) log: Option<String>,
    pub(crate) place: Option<Place>,
    pub(crate) events: Vec<serde_json::Value>,
}

#[derive(Debug, Clone)]
pub(crate) enum Call {
    Publish(Publishing),
    /// `attach` with `producer`.
    Claim {
        who: Who,
        producer: String,
        epoch: Option<u64>,
        runs: Vec<String>,
    },
    /// `ping` with `runs`.
    Renew {
        who: Who,
        runs: Vec<String>,
    },
    /// The connection is gone, or detaches.
    Leave {
        connection: u64,
        client: String,
    },
    /// The clock moves, and the session is told.
    Pass {
        ms: u64,
    },
    /// The clock moves, and nobody has looked at it yet.
    Drift {
        ms: u64,
    },
    /// What was admitted is on disk.
    Sync,
    /// What was admitted is on disk, and with it the state that it amounts to.
    Checkpoint,
    /// Nobody uses the session for a while: it leaves memory, and comes back.
    Unload {
        ms: u64,
    },
    /// The server dies, with what was not synced, and comes back when the clock has moved; with
    /// `back` it moved the wrong way.
    Kill {
        ms: u64,
        back: bool,
    },
}

pub(crate) fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

impl Who {
    pub(crate) fn writer(&self) -> Writer {
        let connection = self
            .connection
            .as_ref()
            .map(|(number, client)| Connection { number: *number, client: Some(id(client)) });
        Writer { principal: Principal::parse(&self.principal).unwrap(), connection }
    }

    pub(crate) fn is_agent(&self) -> bool {
        self.principal.starts_with("agent/")
    }
}

impl Publishing {
    pub(crate) fn publish(&self) -> Publish {
        let drafts = self.events.iter().enumerate().map(|(index, event)| {
            Draft::parse(&event.to_string())
                .map_err(|problem| Refusal { problem, index: Some(index) })
        });
        Publish {
            writer: self.who.writer(),
            log: self.log.as_deref().map(|log| LogId::parse(log).unwrap()),
            producer: self.place.as_ref().map(|place| ProducerSeq {
                id: id(&place.producer),
                epoch: place.epoch,
                seq: place.seq,
            }),
            declare_epoch: self.who.connection.is_none(),
            drafts: drafts.collect(),
        }
    }
}

pub(crate) fn claim(producer: &str, epoch: Option<u64>, runs: &[String]) -> ProducerClaim {
    ProducerClaim { id: id(producer), epoch, runs: runs.iter().map(|run| id(run)).collect() }
}
