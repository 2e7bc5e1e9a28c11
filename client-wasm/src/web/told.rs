//! What the core tells the app, as the facade takes it.

use durable_sessions_protocol::error::{Problem, SideEffects};
use js_sys::Array;

use super::flat::Flat;
use super::node::JsNode;
use super::patch;
use crate::core::Output;

/// The number each begins with. `Told` in `npm/src/border.ts` has the same.
mod op {
    pub(super) const TOKEN: u64 = 0;
    pub(super) const STATUS: u64 = 1;
    pub(super) const SESSION: u64 = 2;
    pub(super) const RESET: u64 = 3;
    pub(super) const PATCHES: u64 = 4;
    pub(super) const EVENTS: u64 = 5;
    pub(super) const SENT: u64 = 6;
    pub(super) const REFUSED: u64 = 7;
    pub(super) const GROUP: u64 = 8;
    pub(super) const LOCK: u64 = 9;
    pub(super) const UNLOCK: u64 = 10;
    pub(super) const ROLE: u64 = 11;
    pub(super) const PRESENCE: u64 = 12;
    pub(super) const STORE: u64 = 13;
    pub(super) const FORGET: u64 = 14;
    pub(super) const RECOVER: u64 = 15;
    pub(super) const BATCH: u64 = 16;
}

/// One flat array: the number and then the fields, those of which there are many at the end.
#[must_use]
pub fn encode(output: &Output<JsNode>) -> Array {
    let flat = Flat::new();
    match output {
        Output::NeedToken { socket } => {
            flat.number(op::TOKEN).number(u64::from(*socket));
        }
        Output::Status { status, retry_at, error } => {
            flat.number(op::STATUS).name(status.as_str()).maybe_number(*retry_at);
            problem(&flat, error.as_ref());
        }
        Output::Session { session, status, error } => {
            flat.number(op::SESSION).text(session.as_str()).name(status.as_str());
            problem(&flat, error.as_ref());
        }
        Output::Reset { session, log } => {
            flat.number(op::RESET).text(session.as_str()).text(log.as_str());
        }
        Output::Patches { session, log, offset, patches } => {
            flat.number(op::PATCHES).text(session.as_str()).text(log.as_str());
            flat.number(offset.as_u64());
            for one in patches {
                patch::write(&flat, one);
            }
        }
        Output::Events { session, first, last, events, .. } => {
            flat.number(op::EVENTS).text(session.as_str());
            flat.number(first.as_u64()).number(last.as_u64());
            for event in events {
                flat.node(event);
            }
        }
        Output::Sent { session, id, offset, runs } => {
            flat.number(op::SENT).text(session.as_str()).text(id.as_str());
            flat.number(offset.as_u64());
            for run in runs {
                flat.text(run.as_str());
            }
        }
        Output::Refused { session, id, problem: reason } => {
            flat.number(op::REFUSED).text(session.as_str()).text(id.as_str());
            problem(&flat, Some(reason));
        }
        Output::NeedGroup => {
            flat.number(op::GROUP);
        }
        Output::Lock => {
            flat.number(op::LOCK);
        }
        // To leave a group is to let go of its lock. The channel is the driver's.
        Output::Unlock | Output::Leave => {
            flat.number(op::UNLOCK);
        }
        Output::Role { role, tabs } => {
            flat.number(op::ROLE).name(role.as_str()).number(u64::from(*tabs));
        }
        Output::Presence { session, members } => {
            flat.number(op::PRESENCE).text(session.as_str()).node(members);
        }
        Output::Store { session, id, log, event, is_stored } => {
            flat.number(op::STORE).text(session.as_str()).text(id.as_str());
            match log {
                Some(log) => flat.text(log.as_str()),
                None => flat.maybe(None),
            };
            flat.text(event);
            if *is_stored {
                flat.number(1);
            }
        }
        Output::Forget { session, id } => {
            flat.number(op::FORGET).text(session.as_str()).text(id.as_str());
        }
        Output::Recover => {
            flat.number(op::RECOVER);
        }
        Output::Batch { session, reader, first, last, events } => {
            flat.number(op::BATCH).text(session.as_str()).number(u64::from(*reader));
            flat.number(first.as_u64()).number(last.as_u64());
            for event in events {
                flat.node(event);
            }
        }
        // The driver does these.
        Output::Open { .. }
        | Output::Transmit { .. }
        | Output::Disconnect { .. }
        | Output::Join { .. }
        | Output::Post { .. } => {}
        #[cfg(feature = "agent")]
        Output::Wake { .. }
        | Output::ServeRefused { .. }
        | Output::RunStarted { .. }
        | Output::RunRefused { .. }
        | Output::RunStopped { .. }
        | Output::WriteRefused { .. }
        | Output::RunEnded { .. }
        | Output::WriterFull { .. }
        | Output::RunLeft { .. }
        | Output::WriterReady { .. }
        | Output::ProducerFenced { .. } => super::agent::write(&flat, output),
    }
    flat.into_array()
}

/// Code, detail, whether it may be tried again, whether it may have taken effect, and how long to
/// wait in ms; nothing for none.
pub(super) fn problem(flat: &Flat, problem: Option<&Problem>) {
    let Some(problem) = problem else { return };
    flat.name(problem.code.as_str())
        .text(&problem.detail)
        .push(&problem.code.retryable().into())
        .push(&(problem.side_effects == SideEffects::Unknown).into())
        .maybe_number(problem.retry_after_ms);
}
