//! A session's rules and its disk.

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::event::Draft;
use durable_sessions_protocol::frame::{
    Attach, ProducerClaim, ProducerGrant, Publish as PublishFrame, RequestId,
};
use durable_sessions_protocol::id::{Id, LogId};
use durable_sessions_protocol::offset::Offset;
use durable_sessions_server::hub::state::{Claim, Offer, OpenRun, Orphan};
use durable_sessions_server::hub::{Connection, Publish, Published, Refusal, State, Writer};
use durable_sessions_server::log::{Batch, Entry};

/// How long a batch takes to become durable. Frames are on their way meanwhile.
const SYNC_MS: u64 = 3;

/// The writer of a session, in the steps of the server's own.
#[derive(Debug)]
pub(crate) struct Log {
    state: State,
    /// The durable events, as stored.
    pub(crate) events: Vec<String>,
    /// Everything durable, as a restart reads it.
    entries: Vec<Entry>,
    /// Decided, and not yet on the way to the disk.
    waiting: Vec<Answer>,
    flight: Option<Flight>,
    /// How the session stood with the last durable batch.
    pub(super) offers: Vec<Offer>,
    pub(super) claims: Vec<Claim>,
    pub(super) orphans: Vec<Orphan>,
}

/// One append under way, and what is answered after it.
#[derive(Debug)]
struct Flight {
    lands_at: u64,
    batch: Batch,
    answers: Vec<Answer>,
    offers: Vec<Offer>,
    claims: Vec<Claim>,
    orphans: Vec<Orphan>,
}

/// What a connection is told once it is durable.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) connection: u32,
    pub(super) asked: Asked,
}

#[derive(Debug)]
pub(super) enum Asked {
    Publish(Option<RequestId>, Result<Published, Refusal>),
    Attach(Attach, Result<ProducerGrant, Problem>),
}

fn new_state(log: LogId) -> State {
    State::new(log, Id::parse("assistant").unwrap())
}

impl Log {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            state: new_state(LogId::parse(id).unwrap()),
            events: Vec::new(),
            entries: Vec::new(),
            waiting: Vec::new(),
            flight: None,
            offers: Vec::new(),
            claims: Vec::new(),
            orphans: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> &LogId {
        self.state.log()
    }

    /// The last durable offset.
    pub(crate) fn tail(&self) -> Offset {
        Offset::new(self.events.len() as u64).unwrap()
    }

    /// The runs that have not ended.
    pub(crate) fn open_runs(&self) -> Vec<OpenRun> {
        self.state.describe().runs
    }

    /// The oldest message that waits for an agent.
    pub(crate) fn input(&self) -> Option<Id> {
        self.state.offers().into_iter().next().map(|offer| offer.input)
    }

    /// Whether all is said and done: nothing to sync, no open run, no input that waits.
    pub(crate) fn is_quiet(&self) -> bool {
        self.flight.is_none() && self.state.describe().runs.is_empty() && self.offers.is_empty()
    }

    pub(super) fn is_stored(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Reads the state back from what is durable.
    pub(super) fn restart(&mut self, now: u64) {
        let mut state = new_state(self.id().clone());
        for entry in &self.entries {
            state.replay(entry).unwrap();
        }
        state.finish_replay(now);
        self.waiting.clear();
        self.flight = None;
        (self.offers, self.claims) = (state.offers(), state.claims());
        self.orphans = state.orphans();
        self.state = state;
    }

    pub(super) fn claim(
        &mut self,
        now: u64,
        writer: &Writer,
        connection: u32,
        attach: Attach,
        claim: &ProducerClaim,
    ) {
        let grant = self.state.claim(writer, claim, now);
        self.waiting.push(Answer { connection, asked: Asked::Attach(attach, grant) });
    }

    pub(super) fn publish(
        &mut self,
        now: u64,
        writer: Writer,
        connection: u32,
        frame: PublishFrame<'_>,
    ) {
        let request = frame.request;
        let result = self.admit(now, writer, frame);
        self.waiting.push(Answer { connection, asked: Asked::Publish(request, result) });
    }

    /// Takes a publish of somebody who waits for no answer.
    pub(super) fn write(&mut self, now: u64, writer: Writer, frame: PublishFrame<'_>) {
        if let Err(refusal) = self.admit(now, writer, frame) {
            panic!("{}", refusal.problem);
        }
    }

    fn admit(
        &mut self,
        now: u64,
        writer: Writer,
        frame: PublishFrame<'_>,
    ) -> Result<Published, Refusal> {
        let PublishFrame { log, producer, events, .. } = frame;
        let draft = |(index, event): (usize, &&serde_json::value::RawValue)| {
            Draft::parse(event.get()).map_err(|problem| Refusal { problem, index: Some(index) })
        };
        let drafts = events.iter().enumerate().map(draft).collect();
        let publish = Publish { writer, log, producer, declare_epoch: false, drafts };
        self.state.publish(publish, now)
    }

    pub(super) fn renew(&mut self, writer: &Writer, runs: &[Id]) {
        self.state.renew(writer, runs);
    }

    pub(super) fn leave(&mut self, connection: &Connection, now: u64) {
        self.state.leave(connection, now);
    }

    /// Lands what is durable, ends what has run out of time, takes off with what was decided.
    /// Returns the answers that may leave.
    pub(super) fn advance(&mut self, now: u64) -> Vec<Answer> {
        let mut answers = Vec::new();
        if let Some(flight) = self.flight.take_if(|flight| flight.lands_at <= now) {
            answers = self.land(flight);
        }
        if self.state.deadline().is_some_and(|deadline| deadline <= now) {
            self.state.tick(now);
        }
        if self.flight.is_some() {
            return answers;
        }
        let (offers, claims) = (self.state.offers(), self.state.claims());
        let orphans = self.state.orphans();
        let Some(batch) = self.state.take_batch() else {
            (self.offers, self.claims, self.orphans) = (offers, claims, orphans);
            answers.append(&mut self.waiting);
            return answers;
        };
        let waiting = std::mem::take(&mut self.waiting);
        let lands_at = now + SYNC_MS;
        self.flight = Some(Flight { lands_at, batch, answers: waiting, offers, claims, orphans });
        answers
    }

    /// When [`Log::advance`] has something to do next.
    pub(super) fn deadline(&self) -> Option<u64> {
        let landing = self.flight.as_ref().map(|flight| flight.lands_at);
        landing.into_iter().chain(self.state.deadline()).min()
    }

    fn land(&mut self, flight: Flight) -> Vec<Answer> {
        for record in flight.batch.events {
            self.events.push(String::from_utf8(record.json.to_vec()).unwrap());
            self.entries.push(Entry::Event { offset: self.tail(), record });
        }
        self.entries.extend(flight.batch.notes.into_iter().map(Entry::Note));
        (self.offers, self.claims) = (flight.offers, flight.claims);
        self.orphans = flight.orphans;
        flight.answers
    }
}
