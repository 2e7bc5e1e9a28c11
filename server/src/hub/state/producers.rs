//! Producers: agents' streams of publishes, each applied once.
//!
//! A producer is `(principal, id)`. Its epoch grows with each process that writes as it; within an
//! epoch `seq` counts publishes from 0. What became of each sequence number is kept for as long as
//! the epoch lasts.

use std::collections::{BTreeMap, HashMap, HashSet};

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::Principal;
use durable_sessions_protocol::frame::{ProducerClaim, ProducerGrant, ProducerSeq};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use super::note::Note;
use super::{Connection, Refusal, State, Writer};

pub(super) type Key = (Principal, Id);

/// All producers of a session.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Producers {
    current: HashMap<Key, Producer>,
    /// Grant number - 1 to whom it was granted.
    grants: Vec<Key>,
    /// What was published under each grant, by grant number.
    outcomes: HashMap<u32, Outcomes>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Producer {
    grant: u32,
    epoch: u64,
    /// The newest connection that has claimed it, open or not: what an older one still asks for
    /// comes too late either way.
    #[serde(skip)]
    holder: Option<Connection>,
}

/// What became of the publishes under one grant.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcomes {
    next_seq: u64,
    accepted: Vec<Span>,
    #[serde(with = "super::checkpoint::refusals")]
    refused: BTreeMap<u64, Refusal>,
}

/// Consecutive publishes of equally many events at consecutive offsets.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Span {
    seq: u64,
    publishes: u64,
    first: Offset,
    events: u64,
}

/// What a sequence number stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    Accepted { first: Offset, last: Offset },
    Refused(Refusal),
}

impl Outcomes {
    pub(super) fn accept(&mut self, seq: u64, first: Offset, last: Offset) {
        self.next_seq = self.next_seq.max(seq + 1);
        let events = last.since(first.prev());
        if let Some(span) = self.accepted.last_mut()
            && span.seq + span.publishes == seq
            && span.events == events
            && span.first.plus(span.publishes * span.events) == first
        {
            span.publishes += 1;
            return;
        }
        self.accepted.push(Span { seq, publishes: 1, first, events });
    }

    /// An event read back from the log belongs to the publish before it or begins the next. What
    /// the server wrote between two events of a publish counts with them.
    pub(super) fn replay(&mut self, seq: u64, offset: Offset) {
        if let Some(span) = self.accepted.last_mut()
            && span.seq + span.publishes == seq + 1
        {
            // One more event of the span's last publish: give that one a span of its own.
            let first = span.first.plus((span.publishes - 1) * span.events);
            span.publishes -= 1;
            if span.publishes == 0 {
                self.accepted.pop();
            }
            self.accept(seq, first, offset);
        } else {
            self.accept(seq, offset, offset);
        }
    }

    fn refuse(&mut self, seq: u64, refusal: Refusal) {
        self.next_seq = self.next_seq.max(seq + 1);
        self.refused.insert(seq, refusal);
    }

    fn recorded(&self, seq: u64) -> Option<Recorded> {
        if let Some(refusal) = self.refused.get(&seq) {
            return Some(Recorded::Refused(refusal.clone()));
        }
        let index = self.accepted.partition_point(|span| span.seq + span.publishes <= seq);
        let span = self.accepted.get(index).filter(|span| span.seq <= seq)?;
        let first = span.first.plus((seq - span.seq) * span.events);
        Some(Recorded::Accepted { first, last: first.plus(span.events - 1) })
    }
}

impl Producers {
    /// Whose grant it is.
    pub(super) fn principal(&self, grant: u32) -> Option<&Principal> {
        self.key(grant).map(|key| &key.0)
    }

    /// The number of the newest connection that has claimed the producer of a grant.
    pub(super) fn holder(&self, grant: u32) -> Option<u64> {
        let producer = self.current.get(self.key(grant)?)?;
        Some(producer.holder.as_ref()?.number)
    }

    /// Whether two grants are of the same producer.
    pub(super) fn is_same(&self, one: u32, two: u32) -> bool {
        one == two || (self.key(one).is_some() && self.key(one) == self.key(two))
    }

    pub(super) fn replay_grant(&mut self, key: Key, epoch: u64) {
        self.grants.push(key.clone());
        let grant = u32::try_from(self.grants.len()).unwrap_or(u32::MAX);
        self.outcomes.entry(grant).or_default();
        if let Some(old) = self.current.insert(key, Producer { grant, epoch, holder: None }) {
            // Nobody may ask for a fenced epoch's outcomes any more.
            self.outcomes.remove(&old.grant);
        }
    }

    pub(super) fn outcomes(&mut self, grant: u32) -> &mut Outcomes {
        self.outcomes.entry(grant).or_default()
    }

    pub(super) fn replay_refusal(&mut self, grant: u32, seq: u64, refusal: Refusal) {
        self.outcomes(grant).refuse(seq, refusal);
    }

    /// Lets go of what was kept under fenced epochs while the log was replayed.
    pub(super) fn finish_replay(&mut self) {
        let grants: HashSet<u32> = self.current.values().map(|producer| producer.grant).collect();
        self.outcomes.retain(|grant, _| grants.contains(grant));
    }

    /// Whose grant it is, and of which producer.
    pub(super) fn key(&self, grant: u32) -> Option<&Key> {
        self.grants.get(usize::try_from(grant).ok()?.checked_sub(1)?)
    }
}

/// Where a producer's publish goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the next one.
    Next { grant: u32 },
    /// It was decided before.
    Recorded(Recorded),
}

impl State {
    /// A writer attaches as a producer. Without an epoch it is a new process and gets the next
    /// one; with the current epoch it is the same process back. Open runs of the producer that it
    /// does not name end `lost`.
    pub fn claim(
        &mut self,
        writer: &Writer,
        claim: &ProducerClaim,
        now: u64,
    ) -> Result<ProducerGrant, Problem> {
        let key = (writer.principal.clone(), claim.id.clone());
        let current = self.producers.current.get(&key);
        if let (Some(holder), Some(connection)) =
            (current.and_then(|producer| producer.holder.as_ref()), &writer.connection)
            && connection.number < holder.number
            && connection.client.is_some()
            && connection.client == holder.client
        {
            // A request of a dead socket, overtaken by its client's next one: granting it would
            // let a writer fence itself.
            return Err(fenced(current.map_or(0, |producer| producer.epoch), "connection"));
        }
        let epoch = match (claim.epoch, current.map(|producer| producer.epoch)) {
            (None, last) => {
                let epoch = last.map_or(1, |last| last + 1);
                self.grant(key.clone(), epoch);
                epoch
            }
            (Some(epoch), Some(current)) if epoch == current => epoch,
            (Some(epoch), Some(current)) if epoch < current => {
                return Err(fenced(current, "process"));
            }
            (Some(epoch), _) => {
                return Err(Problem::new(
                    ErrorCode::Invalid,
                    format!("epoch {epoch} was never granted in this log: attach without an epoch"),
                ));
            }
        };
        let Some(producer) = self.producers.current.get_mut(&key) else {
            return Err(Problem::new(ErrorCode::Unavailable, "the producer is not known"));
        };
        producer.holder.clone_from(&writer.connection);
        let grant = producer.grant;
        let seq = self.producers.outcomes(grant).next_seq;
        self.lapse_unnamed(grant, writer, &claim.runs, now);
        Ok(ProducerGrant { epoch, seq })
    }

    /// Where a publish stands in its producer's stream, or why it has no place there.
    pub(super) fn place(
        &mut self,
        writer: &Writer,
        producer: &ProducerSeq,
        declare_epoch: bool,
    ) -> Result<Place, Problem> {
        let key = (writer.principal.clone(), producer.id.clone());
        let current = self.producers.current.get(&key).map(|found| (found.grant, found.epoch));
        match current {
            Some((grant, epoch)) if epoch == producer.epoch => self.place_in(grant, producer),
            Some((_, epoch)) if producer.epoch < epoch => Err(fenced(epoch, "process")),
            _ if !declare_epoch => Err(Problem::new(
                ErrorCode::Invalid,
                "this epoch was not granted: attach with `producer` first",
            )),
            _ if producer.seq != 0 => Err(gap(producer, 0)),
            _ => {
                let grant = self.grant(key, producer.epoch);
                Ok(Place::Next { grant })
            }
        }
    }

    /// Whether a publish comes from a process that may write, and nothing was decided of it yet.
    pub(super) fn is_new(
        &self,
        writer: &Writer,
        producer: &ProducerSeq,
        declare_epoch: bool,
    ) -> bool {
        let key = (writer.principal.clone(), producer.id.clone());
        match self.producers.current.get(&key) {
            Some(current) if producer.epoch < current.epoch => false,
            Some(current) if producer.epoch == current.epoch => {
                producer.seq >= self.next_seq(current.grant)
            }
            _ => declare_epoch,
        }
    }

    /// The highest sequence number of a producer's epoch that was accepted or refused.
    pub(super) fn decided_seq(&self, writer: &Writer, producer: &ProducerSeq) -> Option<u64> {
        let key = (writer.principal.clone(), producer.id.clone());
        let current = self.producers.current.get(&key).filter(|it| it.epoch == producer.epoch);
        self.next_seq(current?.grant).checked_sub(1)
    }

    fn next_seq(&self, grant: u32) -> u64 {
        self.producers.outcomes.get(&grant).map_or(0, |outcomes| outcomes.next_seq)
    }

    fn place_in(&mut self, grant: u32, producer: &ProducerSeq) -> Result<Place, Problem> {
        let outcomes = self.producers.outcomes(grant);
        if producer.seq == outcomes.next_seq {
            return Ok(Place::Next { grant });
        }
        if producer.seq > outcomes.next_seq {
            return Err(gap(producer, outcomes.next_seq));
        }
        outcomes.recorded(producer.seq).map(Place::Recorded).ok_or_else(|| {
            Problem::new(ErrorCode::Unavailable, "the outcome of this publish is not known")
        })
    }

    /// Keeps a refusal: it has used its sequence number up.
    pub(super) fn record_refusal(&mut self, grant: u32, seq: u64, refusal: &Refusal) {
        self.batch.notes.push(Note::refused(grant, seq, refusal).to_json().into());
        self.producers.replay_refusal(grant, seq, refusal.clone());
    }

    fn grant(&mut self, key: Key, epoch: u64) -> u32 {
        let note = Note::Grant { principal: key.0.clone(), producer: key.1.clone(), epoch };
        self.batch.notes.push(note.to_json().into());
        self.producers.replay_grant(key, epoch);
        u32::try_from(self.producers.grants.len()).unwrap_or(u32::MAX)
    }
}

fn fenced(epoch: u64, by: &str) -> Problem {
    let mut problem = Problem::new(
        ErrorCode::Fenced,
        format!("a newer {by} writes as this producer, in epoch {epoch}: stop writing"),
    );
    problem.expected_epoch = Some(epoch);
    problem
}

fn gap(producer: &ProducerSeq, expected: u64) -> Problem {
    let mut problem = Problem::new(
        ErrorCode::SequenceGap,
        format!(
            "the next publish is seq {expected}, this one has {}: send those between first",
            producer.seq
        ),
    );
    problem.expected_epoch = Some(producer.epoch);
    problem.expected_seq = Some(expected);
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_the_same_live_and_replayed() {
        let mut live = Outcomes::default();
        let mut replayed = Outcomes::default();
        let mut offset = 0;
        let mut wanted = Vec::new();
        for (seq, (gap, events)) in
            [(0, 1), (0, 1), (2, 1), (0, 3), (0, 3), (1, 2), (0, 1), (0, 1)].into_iter().enumerate()
        {
            offset += gap;
            let first = Offset::new(offset + 1).unwrap();
            let last = Offset::new(offset + events).unwrap();
            live.accept(seq as u64, first, last);
            for n in 1..=events {
                replayed.replay(seq as u64, Offset::new(offset + n).unwrap());
            }
            wanted.push((first, last));
            offset += events;
        }
        for (seq, (first, last)) in wanted.into_iter().enumerate() {
            let wanted = Some(Recorded::Accepted { first, last });
            assert_eq!(live.recorded(seq as u64), wanted, "seq {seq}");
            assert_eq!(replayed.recorded(seq as u64), wanted, "seq {seq} replayed");
        }
        assert_eq!(live.recorded(8), None);
        assert_eq!((live.next_seq, replayed.next_seq), (8, 8));
    }

    #[test]
    fn a_publish_with_the_servers_words_inside_is_replayed_as_one() {
        let offset = |value| Offset::new(value).unwrap();
        let mut replayed = Outcomes::default();
        for (seq, at) in [(0, 1), (1, 2), (1, 4), (1, 5), (2, 6)] {
            replayed.replay(seq, offset(at));
        }
        for (seq, first, last) in [(0, 1, 1), (1, 2, 5), (2, 6, 6)] {
            let wanted = Recorded::Accepted { first: offset(first), last: offset(last) };
            assert_eq!(replayed.recorded(seq), Some(wanted), "seq {seq}");
        }
    }
}
