//! What the facade of agents asks for and is told, beside what every client is.
//!
//! The commands, on top of those of [`super::connect`], are:
//!
//! - `{type: "serve", agent, sessions, slots, producer?}`: offers to work on an agent's input, in the
//!   sessions of an array of names or `prefix*`, empty for all; 0 slots withdraw the offer. With the
//!   producer's name the runs that an earlier process of it left open are offered too.
//! - `{type: "wake_done", agent, session, input}`: frees the slot of a wake.
//! - `{type: "produce", session, producer}`: follows a session with its events, and writes runs to it as
//!   this producer.
//! - `{type: "start_run", session, run, agent, inReplyTo?, parent?, leaseMs?}`: starts a run.
//! - `{type: "take_over", session, producer, run}`: goes on with one that an earlier process left.
//! - `{type: "append", session, run, message, part, partType, text}`: adds text to a part.
//! - `{type: "write", session, run, event}`: adds an event, its JSON, to an open run.
//! - `{type: "end_run", session, run, outcome, json?}`: ends a run `completed` with a result, `failed`
//!   with an error, or `stopped`.

mod ledger;

use durable_sessions_protocol::fold::Node;

use super::flat::Flat;
use super::node::JsNode;
use super::told::problem;
use crate::core::read::Read;
use crate::core::{Follow, Input, Output, PartName, RunEnd, Started};

/// The number each begins with. `AgentTold` in `npm/src/agent/border.ts` has the same.
mod op {
    pub(super) const WAKE: u64 = 32;
    pub(super) const RUN_STARTED: u64 = 33;
    pub(super) const RUN_REFUSED: u64 = 34;
    pub(super) const RUN_STOPPED: u64 = 35;
    pub(super) const WRITE_REFUSED: u64 = 36;
    pub(super) const RUN_ENDED: u64 = 37;
    pub(super) const WRITER_FULL: u64 = 38;
    pub(super) const WRITER_READY: u64 = 39;
    pub(super) const PRODUCER_FENCED: u64 = 40;
    pub(super) const SERVE_REFUSED: u64 = 41;
}

/// What a command of this type says.
pub(super) fn read(command_type: &str, command: &JsNode) -> Option<Input<JsNode>> {
    let agent = || command.id("agent");
    // Absent, or an id.
    let optional = |name| match command.field(name) {
        Some(_) => command.id(name).map(Some),
        None => Some(None),
    };
    if command_type == "serve" {
        let mut sessions = Vec::new();
        for session in command.list("sessions") {
            sessions.push(session.as_text()?);
        }
        let (slots, producer) = (command.small("slots")?, optional("producer")?);
        return Some(Input::Serve { agent: agent()?, sessions, slots, producer });
    }
    let session = command.session_id("session")?;
    let run = || command.id("run");
    Some(match command_type {
        "wake_done" => Input::WakeDone { agent: agent()?, session, input: command.id("input")? },
        "produce" => Input::Produce {
            session,
            producer: command.id("producer")?,
            follow: Follow { events: true, ..Follow::PATCHES },
        },
        "start_run" => Input::StartRun {
            session,
            started: Started {
                run: run()?,
                agent: agent()?,
                in_reply_to: optional("inReplyTo")?,
                parent: optional("parent")?,
                lease_ms: command.small("leaseMs").map(u64::from),
            },
        },
        "take_over" => Input::TakeOver { session, producer: command.id("producer")?, run: run()? },
        "append" => Input::Append {
            session,
            run: run()?,
            to: PartName {
                message: command.id("message")?,
                part: command.small("part")?,
                part_type: command.text("partType")?,
            },
            text: command.text("text")?,
        },
        "write" => Input::Write { session, run: run()?, event: command.text("event")? },
        "end_run" => {
            let json = command.text("json");
            let end = match command.text("outcome")?.as_str() {
                "completed" => RunEnd::Completed { data: json },
                "failed" => RunEnd::Failed { error: json },
                _ => RunEnd::Stopped,
            };
            Input::EndRun { session, run: run()?, end }
        }
        _ => return None,
    })
}

/// Adds an output: its number, the session or the agent, and then what it is about.
#[expect(clippy::wildcard_enum_match_arm, reason = "the encoder sorts the outputs")]
pub(super) fn write(flat: &Flat, output: &Output<JsNode>) {
    match output {
        Output::Wake { agent, session, input, attempt, run } => {
            flat.number(op::WAKE).text(session.as_str()).text(agent.as_str());
            flat.text(input.as_str()).number(u64::from(*attempt));
            if let Some(run) = run {
                flat.text(run.as_str());
            }
        }
        Output::ServeRefused { agent, problem: reason } => {
            flat.number(op::SERVE_REFUSED).text(agent.as_str());
            problem(flat, Some(reason));
        }
        Output::RunStarted { session, run, offset } => {
            flat.number(op::RUN_STARTED).text(session.as_str()).text(run.as_str());
            flat.number(offset.as_u64());
        }
        Output::RunRefused { session, run, problem: reason } => {
            flat.number(op::RUN_REFUSED).text(session.as_str()).text(run.as_str());
            problem(flat, Some(reason));
        }
        Output::RunStopped { session, run } => {
            flat.number(op::RUN_STOPPED).text(session.as_str()).text(run.as_str());
        }
        Output::WriteRefused { session, run, problem: reason } => {
            flat.number(op::WRITE_REFUSED).text(session.as_str()).text(run.as_str());
            problem(flat, Some(reason));
        }
        Output::RunEnded { session, run } => {
            flat.number(op::RUN_ENDED).text(session.as_str()).text(run.as_str());
        }
        Output::WriterFull { session } => {
            flat.number(op::WRITER_FULL).text(session.as_str());
        }
        Output::WriterReady { session } => {
            flat.number(op::WRITER_READY).text(session.as_str());
        }
        Output::ProducerFenced { session } => {
            flat.number(op::PRODUCER_FENCED).text(session.as_str());
        }
        _ => {}
    }
}
