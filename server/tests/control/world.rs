//! The state and the model side by side: one call to both, then everything they tell is compared.

mod compare;

use std::collections::BTreeMap;

use bytes::Bytes;
use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::id::LogId;
use durable_sessions_server::hub::state::{Connection, State};
use durable_sessions_server::log::Entry;
use serde_json::Value;

use self::compare::{agree, same, told};
use crate::call::{Call, Publishing, Who, claim, id};
use crate::model::{Grant, Model};

pub(crate) struct World {
    state: State,
    pub(crate) model: Model,
    pub(crate) now: u64,
    was_set_back: bool,
    /// Counts the connections of this life of the server.
    pub(crate) connections: u64,
    /// Counts how often the state was loaded.
    lives: u64,
    /// On disk.
    disk: Disk,
    /// What the disk will have with the next sync.
    next_disk: Disk,
    durable: Model,
    /// The code that each used sequence number was refused with.
    refused: BTreeMap<(String, String, u64, u64), ErrorCode>,
    /// The calls so far and what became of them.
    pub(crate) trace: Vec<String>,
    /// How often each answer was given.
    pub(crate) answers: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Clone, Default)]
struct Disk {
    entries: Vec<Entry>,
    /// The newest checkpoint, and how many entries stand before it.
    checkpoint: Option<(usize, Bytes)>,
    is_due: bool,
    is_pending: bool,
}

type Outcome = Result<(), String>;

impl World {
    pub(crate) fn new() -> Self {
        Self {
            state: fresh(),
            model: Model::default(),
            now: 1_000_000_000,
            was_set_back: false,
            connections: 0,
            lives: 0,
            disk: Disk::default(),
            next_disk: Disk::default(),
            durable: Model::default(),
            refused: BTreeMap::new(),
            trace: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    pub(crate) fn apply(&mut self, call: Call) -> Outcome {
        self.trace.push(format!("{:>4} {call:?}", self.trace.len() + 1));
        let is_any_order = matches!(call, Call::Claim { .. } | Call::Pass { .. });
        let before = self.model.tail();
        match call {
            Call::Publish(publishing) => self.publish(&publishing)?,
            Call::Claim { who, producer, epoch, runs } => {
                self.heard(&who);
                let mine = self.model.claim(&who, &producer, epoch, &runs, self.now);
                let theirs =
                    self.state.claim(&who.writer(), &claim(&producer, epoch, &runs), self.now);
                let theirs = theirs
                    .map(|grant| Grant { epoch: grant.epoch, seq: grant.seq })
                    .map_err(|problem| problem.code);
                self.note(format!("{theirs:?}"));
                same("attach", &mine, &theirs)?;
            }
            Call::Renew { who, runs } => {
                self.heard(&who);
                self.model.renew(&who, &runs, self.now);
                let runs: Vec<_> = runs.iter().map(|run| id(run)).collect();
                self.state.renew(&who.writer(), &runs);
            }
            Call::Leave { connection, client } => {
                self.model.leave(connection, self.now);
                let gone = Connection { number: connection, client: Some(id(&client)) };
                self.state.leave(&gone, self.now);
            }
            Call::Pass { ms } => {
                self.now += ms;
                self.model.tick(self.now);
                self.state.tick(self.now);
            }
            Call::Drift { ms } => self.now += ms,
            Call::Sync => self.sync(),
            // How much of a clock is left when time itself was set back: a checkpoint still knows,
            // the log does not. One or the other.
            Call::Checkpoint if self.was_set_back => {}
            Call::Checkpoint => {
                self.next_disk.checkpoint =
                    Some((self.next_disk.entries.len(), self.state.checkpoint()));
                self.sync();
            }
            Call::Unload { ms } => return self.unload(ms),
            Call::Kill { ms, back } => {
                let back = back && self.disk.checkpoint.is_none();
                self.was_set_back |= back;
                self.now = if back { self.now - ms } else { self.now + ms };
                self.kill();
                return self.compare_tellings();
            }
        }
        self.compare_written(before, is_any_order)?;
        self.compare_tellings()
    }

    /// All connections are gone and all clocks run out.
    pub(crate) fn settle(&mut self) -> Outcome {
        for connection in 1..=self.connections {
            self.apply(Call::Leave { connection, client: "gone".to_owned() })?;
        }
        for _ in 0..10_000 {
            let Some(deadline) = self.model.deadline() else {
                self.apply(Call::Sync)?;
                self.apply(Call::Kill { ms: 1, back: false })?;
                return Ok(());
            };
            self.apply(Call::Pass { ms: deadline.saturating_sub(self.now) })?;
        }
        Err("the clocks never run out".to_owned())
    }

    /// The stored events, synced or not.
    pub(crate) fn log(&self) -> Vec<Value> {
        let events = self.next_disk.entries.iter().filter_map(|entry| match entry {
            Entry::Event { record, .. } => Some(serde_json::from_slice(&record.json).unwrap()),
            Entry::Note(_) | Entry::Checkpoint(_) => None,
        });
        events.collect()
    }

    fn publish(&mut self, publishing: &Publishing) -> Outcome {
        let who = &publishing.who;
        self.heard(who);
        let mine = self.model.publish(publishing, self.now);
        let theirs = self.state.publish(publishing.publish(), self.now);
        self.note(told(&theirs));
        let name = match &theirs {
            Ok(published) if published.duplicate => "duplicate",
            Ok(_) => "ok",
            Err(refusal) => refusal.problem.code.as_str(),
        };
        *self.answers.entry(name).or_default() += 1;
        agree(&mine, &theirs)?;
        // The same sequence number is refused for the same reason again.
        if let (Some(place), Err(refusal)) = (&publishing.place, &theirs) {
            let code = refusal.problem.code;
            let is_recorded = !matches!(
                code,
                ErrorCode::LogChanged
                    | ErrorCode::RateLimited
                    | ErrorCode::Fenced
                    | ErrorCode::SequenceGap
            );
            let known = self.model.place(&who.principal, &place.producer);
            if is_recorded && known.is_some_and(|it| it.epoch == place.epoch && it.seq > place.seq)
            {
                let key = (who.principal.clone(), place.producer.clone(), place.epoch, place.seq);
                let first = *self.refused.entry(key).or_insert(code);
                same("the refusal of a used seq", &first, &code)?;
            }
        }
        Ok(())
    }

    fn heard(&mut self, who: &Who) {
        let number = who.connection.as_ref().map_or(0, |(number, _)| *number);
        self.connections = self.connections.max(number);
    }

    fn sync(&mut self) {
        self.disk = self.next_disk.clone();
        self.durable = self.model.clone();
    }

    fn kill(&mut self) {
        self.connections = 0;
        self.next_disk = self.disk.clone();
        self.model = self.durable.clone();
        self.lives += 1;
        self.state = self.load();
        self.state.finish_replay(self.now);
        self.model.restart(self.now);
        self.durable = self.model.clone();
        // What was decided and never on disk may be decided otherwise.
        let model = &self.model;
        self.refused.retain(|(principal, producer, epoch, seq), _| {
            model.place(principal, producer).is_some_and(|it| it.epoch == *epoch && it.seq > *seq)
        });
    }

    /// The session leaves memory, unless a connection keeps a run of it.
    fn unload(&mut self, ms: u64) -> Outcome {
        same("whether it is held", &self.model.is_held(), &self.state.leases().is_none())?;
        if let Some(leases) = self.state.leases() {
            self.sync();
            self.now += ms;
            self.lives += 1;
            self.state = self.load();
            self.state.finish_replay(self.now);
            self.state.resume_leases(&leases);
            self.model.reload(self.now);
            self.durable = self.model.clone();
        }
        self.compare_tellings()
    }

    /// From the newest checkpoint, or, each other time, from the whole log, which says the same.
    fn load(&self) -> State {
        let (from, mut state) = match &self.disk.checkpoint {
            Some((from, bytes)) if self.lives % 2 == 1 => {
                let log = LogId::parse("log").unwrap();
                (*from, State::restore(bytes, &log, &id("assistant")).unwrap())
            }
            _ => (0, fresh()),
        };
        for entry in &self.disk.entries[from..] {
            state.replay(entry).unwrap();
        }
        state
    }

    fn note(&mut self, what: String) {
        if let Some(last) = self.trace.last_mut() {
            last.push_str("\n       ");
            last.push_str(&what);
        }
    }
}

fn fresh() -> State {
    State::new(LogId::parse("log").unwrap(), id("assistant"))
}
