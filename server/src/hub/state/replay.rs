//! Rebuilding a state from its log.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{Event, Stored};
use durable_sessions_protocol::limits::{INPUT_EXPIRY_MS, STOP_GRACE_MS};

use super::evolve::Meta;
use super::note::Note;
use super::runs::Lease;
use super::{Refusal, State};
use crate::log::Entry;

impl State {
    /// Takes the next entry of the log. A publish's events come before the note that grants their
    /// producer, so nothing here depends on the grant being known.
    pub fn replay(&mut self, entry: &Entry) -> Result<(), Problem> {
        match entry {
            // Whoever loads takes it by `State::restore`, before everything else.
            Entry::Checkpoint(_) => {}
            Entry::Note(bytes) => self.replay_note(Note::parse(bytes)?),
            Entry::Event { record, .. } => {
                let text = std::str::from_utf8(&record.json).map_err(unreadable)?;
                let stored = Stored::parse(text)?;
                let runs = if let Event::StopRequested(stop) = &stored.event {
                    stop.runs.as_deref()
                } else {
                    None
                };
                if record.grant != 0 {
                    self.producers.outcomes(record.grant).replay(record.seq, stored.offset);
                }
                self.last_at = stored.at;
                self.evolve(
                    &stored.event,
                    &Meta {
                        offset: stored.offset,
                        from: stored.from.as_ref(),
                        grant: record.grant,
                        json: text,
                        runs,
                        now: stored.at,
                    },
                );
            }
        }
        Ok(())
    }

    fn replay_note(&mut self, note: Note) {
        match note {
            Note::Grant { principal, producer, epoch } => {
                self.producers.replay_grant((principal, producer), epoch);
            }
            Note::Refused { grant, seq, problem, index } => {
                self.producers.replay_refusal(grant, seq, Refusal { problem, index });
            }
        }
    }

    /// The log is read: starts the clocks. Leases get a fresh term; a stopped run's grace, an
    /// ask's and an input's expiry go on from where they were, and never take longer than from the start.
    pub fn finish_replay(&mut self, now: u64) {
        let left = |until: u64, term: u64| now.saturating_add(until.saturating_sub(now).min(term));
        for id in &self.open {
            if let Some(run) = self.runs.get_mut(id) {
                run.lease = Lease::Until(now.saturating_add(run.lease_ms));
                run.fence_until = run.fence_until.map(|until| left(until, STOP_GRACE_MS));
                for ask in &mut run.asks {
                    ask.expires = left(ask.expires, ask.term_ms);
                }
            }
        }
        for id in self.pending.ids() {
            if let Some(input) = self.inputs.get_mut(id) {
                input.expires = left(input.expires, INPUT_EXPIRY_MS);
            }
        }
        self.producers.finish_replay();
        self.is_moved = true;
        self.indexed =
            (!self.open.is_empty() || !self.pending.is_empty(), !self.pending.is_empty());
    }
}

fn unreadable(error: std::str::Utf8Error) -> Problem {
    Problem::new(ErrorCode::Unavailable, format!("a stored event is not UTF-8: {error}"))
}
