//! Admitting a publish. Checks in order: log id, epoch, what was decided before, room, seq, id, rules.

use std::slice;

use bytes::Bytes;
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{
    Draft, Event, IfRunning, Message, Principal, StopRequested, StopTarget, stamp,
};
use durable_sessions_protocol::frame::StopReceipt;
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;

use super::acts::{self, Class, Known};
use super::evolve::{Meta, run_of};
use super::producers::{Place, Recorded};
use super::rules::taken;
use super::trial::Trial;
use super::{Publish, Published, Refusal, State, Writer};
use crate::log::Record;

/// So much of a message's id begins the ids of the stops it asks for: with a number behind it, it is
/// an id still.
const INTERRUPT_STEM_BYTES: usize = 100;

/// Under which producer's grant an event is written; without one the default.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stream {
    pub(super) grant: u32,
    pub(super) seq: u64,
}

impl State {
    /// Admits a publish whole or refuses it whole.
    pub fn publish(&mut self, publish: Publish, now: u64) -> Result<Published, Refusal> {
        if publish.log.as_ref().is_some_and(|log| *log != self.log) {
            return Err(log_changed().into());
        }
        let Some(producer) = &publish.producer else {
            return self.publish_act(&publish.writer, publish.drafts?, now);
        };
        // Room comes before the sequence number, and uses none up. Who may not write, and what was
        // decided, is answered whatever the room.
        if let Ok(drafts) = &publish.drafts
            && let Err(full) = self.check_room(&publish.writer, drafts)
            && self.is_new(&publish.writer, producer, publish.declare_epoch)
        {
            return Err(full.into());
        }
        let stream = match self.place(&publish.writer, producer, publish.declare_epoch)? {
            Place::Next { grant } => Stream { grant, seq: producer.seq },
            Place::Recorded(Recorded::Refused(refusal)) => return Err(refusal),
            Place::Recorded(Recorded::Accepted { first, last }) => {
                let receipt = self.receipt_at(first);
                let decided_seq = self.decided_seq(&publish.writer, producer);
                return Ok(Published { first, last, duplicate: true, receipt, decided_seq });
            }
        };
        let admitted = publish
            .drafts
            .and_then(|drafts| self.publish_all(&publish.writer, stream, drafts, now));
        match admitted {
            Ok(mut published) => {
                published.decided_seq = Some(stream.seq);
                let outcomes = self.producers.outcomes(stream.grant);
                outcomes.accept(stream.seq, published.first, published.last);
                self.renew_over_http(&publish.writer, stream.grant, now);
                Ok(published)
            }
            Err(refusal) => {
                self.record_refusal(stream.grant, stream.seq, &refusal);
                Err(refusal)
            }
        }
    }

    /// Without a producer: one event, made safe to send again by its id.
    fn publish_act(
        &mut self,
        writer: &Writer,
        drafts: Vec<Draft>,
        now: u64,
    ) -> Result<Published, Refusal> {
        let [draft] = <[Draft; 1]>::try_from(drafts).map_err(|drafts| {
            invalid(format!(
                "{} events in one publish without a producer: send one, or name a producer",
                drafts.len()
            ))
        })?;
        let Some(key) = acts::key(&draft.event) else {
            if matches!(draft.event, Event::Data(_) | Event::SessionUpdated(_)) {
                return self.publish_alone(writer, draft, now);
            }
            return Err(invalid(format!(
                "a `{}` without a producer needs an `id`, so that sending it again is harmless",
                draft.event.kind()
            ))
            .into());
        };
        match self.acts.known(&key, &writer.principal, &draft.json) {
            Known::Same(offset) => {
                let receipt = self.receipt_at(offset);
                Ok(Published::one(offset, true, receipt))
            }
            Known::Other => {
                if let Event::RunResumed(resumed) = &draft.event {
                    self.check_answer_to_ask(resumed)?;
                }
                Err(taken(&key.1).into())
            }
            Known::No => {
                self.check_room(writer, slice::from_ref(&draft))?;
                self.publish_alone(writer, draft, now)
            }
        }
    }

    /// All events of a producer's publish, or none.
    fn publish_all(
        &mut self,
        writer: &Writer,
        stream: Stream,
        drafts: Vec<Draft>,
        now: u64,
    ) -> Result<Published, Refusal> {
        if drafts.is_empty() {
            return Err(invalid("a publish without events").into());
        }
        let several = drafts.len() > 1;
        let trial = several.then(|| Trial::begin(self, &drafts));
        let mut published: Option<Published> = None;
        for (index, draft) in drafts.into_iter().enumerate() {
            let admitted = if several && is_stop(&draft.event) {
                Err(invalid("a `stop.requested`, or a message that interrupts, travels alone")
                    .into())
            } else {
                self.check_taken(writer, &draft)
                    .map_err(Refusal::from)
                    .and_then(|()| self.publish_one(writer, stream, draft, now))
            };
            match admitted {
                Ok(one) => match &mut published {
                    Some(all) => all.last = one.last,
                    None => published = Some(one),
                },
                Err(refusal) => {
                    if let Some(trial) = trial {
                        trial.undo(self);
                    }
                    return Err(Refusal { index: Some(index), ..refusal });
                }
            }
        }
        published.ok_or_else(|| invalid("a publish without events").into())
    }

    fn check_taken(&self, writer: &Writer, draft: &Draft) -> Result<(), Problem> {
        // Ends, fates and answers are judged by the run's, the input's and the ask's state.
        if matches!(draft.event, Event::RunEnded(_) | Event::InputState(_) | Event::RunResumed(_)) {
            return Ok(());
        }
        let Some(key) = acts::key(&draft.event) else { return Ok(()) };
        match self.acts.known(&key, &writer.principal, &draft.json) {
            Known::No => Ok(()),
            Known::Same(offset) => Err(Problem::new(
                ErrorCode::IdConflict,
                format!("{:?} stands in the log already, at offset {offset}: go on", key.1),
            )),
            Known::Other => Err(taken(&key.1)),
        }
    }

    /// One event without a producer: whatever it is, its writer is alive.
    fn publish_alone(
        &mut self,
        writer: &Writer,
        draft: Draft,
        now: u64,
    ) -> Result<Published, Refusal> {
        let published = self.publish_one(writer, Stream::default(), draft, now)?;
        self.renew_over_http(writer, 0, now);
        Ok(published)
    }

    /// One event, checked against the rules, with what the server adds behind it.
    fn publish_one(
        &mut self,
        writer: &Writer,
        stream: Stream,
        draft: Draft,
        now: u64,
    ) -> Result<Published, Refusal> {
        self.check(writer, stream, &draft.event)?;
        if let Event::StopRequested(stop) = &draft.event {
            return self.publish_stop(&writer.principal, stream, stop, &draft, now);
        }
        if let Event::Message(message) = &draft.event {
            self.interrupt(&writer.principal, message, now)?;
        }
        if let Some(run) = run_of(&draft.event) {
            self.let_go(run, writer, stream);
        }
        let offset = self.push(Some(&writer.principal), stream, &draft, None, now);
        if let Some(run) = run_of(&draft.event) {
            self.hold(run, writer, now);
        }
        if let Event::RunEnded(ended) = &draft.event {
            self.expire_steers(&ended.run, now);
        }
        if let Event::Message(message) = &draft.event {
            self.cancel_replaced(message, now);
        }
        Ok(Published::one(offset, false, None))
    }

    fn publish_stop(
        &mut self,
        from: &Principal,
        stream: Stream,
        stop: &StopRequested,
        draft: &Draft,
        now: u64,
    ) -> Result<Published, Refusal> {
        let plan = self.plan_stop(stop)?;
        let offset = self.push(Some(from), stream, draft, Some(&plan.runs), now);
        self.finish_stop(&plan, now);
        let receipt = StopReceipt { id: stop.id.clone(), offset, runs: plan.runs };
        Ok(Published::one(offset, false, Some(receipt)))
    }

    /// A message that interrupts stops its agent's work before it enters the log.
    fn interrupt(&mut self, from: &Principal, message: &Message, now: u64) -> Result<(), Refusal> {
        let agent = match (message.if_running, self.addressee(message)) {
            (Some(IfRunning::Interrupt), Some(agent)) => agent.clone(),
            _ => return Ok(()),
        };
        let mut stops = 0;
        for run in self.open_roots(&agent) {
            let stop = StopRequested {
                id: self.stop_id(&message.id, &mut stops)?,
                target: StopTarget::Run(run),
                cascade: true,
                reason: None,
                runs: None,
            };
            let draft = Draft::from(Event::StopRequested(stop.clone()));
            self.publish_stop(from, Stream::default(), &stop, &draft, now)?;
        }
        Ok(())
    }

    /// A free id that anyone would find who replays the log.
    fn stop_id(&self, message: &Id, last: &mut u64) -> Result<Id, Problem> {
        let id = message.as_str();
        let stem = id.get(..id.floor_char_boundary(INTERRUPT_STEM_BYTES)).unwrap_or(id);
        let numbers = (*last + 1..).inspect(|n| *last = *n);
        let ids = numbers.filter_map(|n| Id::parse(&format!("{stem}.{n}")).ok());
        let mut free = ids.filter(|id| !self.acts.is_taken(&(Class::Act, id.clone())));
        free.next().ok_or_else(|| taken(message))
    }

    /// Puts an event into the log.
    fn push(
        &mut self,
        from: Option<&Principal>,
        stream: Stream,
        draft: &Draft,
        runs: Option<&[Id]>,
        now: u64,
    ) -> Offset {
        let offset = self.tail.next();
        self.last_at = self.last_at.max(now);
        let json = stamp(&draft.json, offset, self.last_at, from, runs);
        let json = Bytes::from(json);
        self.batch.events.push(Record { grant: stream.grant, seq: stream.seq, json });
        let meta = Meta { offset, from, grant: stream.grant, json: &draft.json, runs, now };
        self.evolve(&draft.event, &meta);
        offset
    }

    /// An event the server writes itself: the end of a run, the fate of an input.
    pub(super) fn server_event(&mut self, event: Event, now: u64) -> Offset {
        self.push(None, Stream::default(), &Draft::from(event), None, now)
    }
}

fn is_stop(event: &Event) -> bool {
    let interrupts = |message: &Message| message.if_running == Some(IfRunning::Interrupt);
    matches!(event, Event::StopRequested(_))
        || matches!(event, Event::Message(message) if interrupts(message))
}

fn log_changed() -> Problem {
    Problem::new(
        ErrorCode::LogChanged,
        "the session's log is another one than the writer knows: attach again without a position",
    )
}

pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Invalid, detail)
}
