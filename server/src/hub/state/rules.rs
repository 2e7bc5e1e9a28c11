//! The rules of each kind of event, against the state before it.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{
    Data, Delta, Event, IfRunning, InputFate, InputState, Message, Outcome, PrincipalKind, Role,
    RunEnded, RunStarted,
};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::{LEASE_MAX_MS, LEASE_MIN_MS};

use super::inputs::{Fate, Input};
use super::publish::{Stream, invalid};
use super::runs::{OPEN_MAX_RUNS, Owner, Run};
use super::tree::RUN_MAX_LEVELS;
use super::{State, Writer};

impl State {
    /// Whether the event may enter the log now.
    pub(super) fn check(
        &self,
        writer: &Writer,
        stream: Stream,
        event: &Event,
    ) -> Result<(), Problem> {
        let is_agent = writer.principal.kind == PrincipalKind::Agent;
        match event {
            Event::Message(message) if is_agent => self.check_answer(writer, stream, message),
            Event::Message(message) => self.check_user_message(message),
            Event::StopRequested(_) | Event::SessionUpdated(_) => Ok(()),
            Event::Data(data) if data.run.is_none() && data.message.is_none() => Ok(()),
            Event::RunResumed(resumed) => self.check_answer_to_ask(resumed),
            Event::Steer(steer) => self.check_steer(steer),
            _ if !is_agent => Err(Problem::new(
                ErrorCode::Forbidden,
                format!("a user may not write a `{}`: only an agent does", event.kind()),
            )),
            Event::RunStarted(started) => self.check_start(started),
            Event::Delta(delta) => self.check_delta(writer, stream, delta),
            Event::Data(data) => self.check_data(writer, stream, data),
            Event::RunEnded(ended) => self.check_end(writer, stream, ended),
            Event::InputState(fate) => self.check_fate(writer, stream, fate),
            Event::RunSuspended(suspended) => {
                self.check_open(writer, stream, &suspended.run)?;
                self.check_ask(suspended)
            }
        }
    }

    fn check_user_message(&self, message: &Message) -> Result<(), Problem> {
        if message.role != Role::User {
            return Err(Problem::new(
                ErrorCode::Forbidden,
                "a user writes messages of role `user`",
            ));
        }
        if message.run.is_some() {
            return Err(Problem::new(
                ErrorCode::Forbidden,
                "a user's message belongs to no run: leave `run` out",
            ));
        }
        self.check_new_message(message)?;
        match (message.if_running, self.addressee(message)) {
            (Some(IfRunning::Reject), Some(agent)) if self.is_at_work(agent) => Err(Problem::new(
                ErrorCode::Busy,
                format!("the agent {agent:?} has an open run, and `if_running` is `reject`"),
            )),
            _ => Ok(()),
        }
    }

    fn check_answer(
        &self,
        writer: &Writer,
        stream: Stream,
        message: &Message,
    ) -> Result<(), Problem> {
        if message.role != Role::Assistant {
            return Err(Problem::new(
                ErrorCode::Forbidden,
                "an agent writes messages of role `assistant`",
            ));
        }
        let Some(run) = &message.run else {
            return Err(invalid("an agent's message names its open `run`"));
        };
        if message.if_running.is_some() {
            return Err(invalid(
                "`if_running` is for users' messages: what a run delegates waits for nothing",
            ));
        }
        self.check_open(writer, stream, run)?;
        self.check_new_message(message)?;
        if self.addressee(message).is_some() {
            self.check_depth(run)?;
            self.check_room_to_delegate()?;
        }
        Ok(())
    }

    fn check_new_message(&self, message: &Message) -> Result<(), Problem> {
        if self.messages.contains_key(&message.id) || self.steers.contains_key(&message.id) {
            return Err(taken(&message.id));
        }
        match &message.replaces {
            Some(replaced) if !self.messages.contains_key(replaced) => {
                Err(not_found("message", replaced))
            }
            _ => Ok(()),
        }
    }

    fn check_start(&self, started: &RunStarted) -> Result<(), Problem> {
        if self.runs.contains_key(&started.run) {
            return Err(taken(&started.run));
        }
        if let Some(parent) = &started.parent
            && !self.runs.contains_key(parent)
        {
            return Err(not_found("run", parent));
        }
        let input = match &started.in_reply_to {
            Some(id) => Some(self.check_claim(started, id)?),
            None => None,
        };
        if let Some(ms) = started.lease_ms
            && !(LEASE_MIN_MS..=LEASE_MAX_MS).contains(&ms)
        {
            return Err(invalid(format!(
                "`lease_ms` is {ms}: it is between {LEASE_MIN_MS} and {LEASE_MAX_MS}"
            )));
        }
        let parent = input.map_or(started.parent.as_ref(), |input| input.parent.as_ref());
        if let Some(parent) = parent {
            self.check_parent(parent)?;
        }
        if let Some(input) = input
            && input.is_queued
            && self.is_at_work(&input.agent)
        {
            return Err(Problem::new(
                ErrorCode::Busy,
                format!("the agent {:?} has an open run: the input waits for its end", input.agent),
            ));
        }
        if self.open.len() >= OPEN_MAX_RUNS {
            return Err(invalid(format!(
                "at most {OPEN_MAX_RUNS} runs of a session may be open: start it when one has ended"
            )));
        }
        Ok(())
    }

    /// Whether there is room for a run below.
    fn check_depth(&self, run: &Id) -> Result<(), Problem> {
        if self.line(run).count() < RUN_MAX_LEVELS {
            return Ok(());
        }
        Err(invalid(format!("a run stands at most {RUN_MAX_LEVELS} levels deep")))
    }

    /// Nothing begins below a stop, and no line of runs grows for ever.
    fn check_parent(&self, parent: &Id) -> Result<(), Problem> {
        self.check_depth(parent)?;
        if self.is_cut(parent) {
            return Err(Problem::new(
                ErrorCode::RunStopped,
                format!("the run {parent:?} was stopped with all that works for it"),
            ));
        }
        Ok(())
    }

    /// The input that a run claims.
    fn check_claim(&self, started: &RunStarted, id: &Id) -> Result<&Input, Problem> {
        let input = self.inputs.get(id).ok_or_else(|| not_found("input", id))?;
        match &input.fate {
            Fate::Pending => {}
            Fate::Claimed(run) => {
                return Err(Problem::new(
                    ErrorCode::AlreadyClaimed,
                    format!("the run {run:?} has claimed the input {id:?}"),
                ));
            }
            Fate::Stopped => {
                return Err(Problem::new(
                    ErrorCode::RunStopped,
                    format!("the input {id:?} was stopped before a run took it"),
                ));
            }
            Fate::Expired => {
                return Err(Problem::new(
                    ErrorCode::RunEnded,
                    format!("the input {id:?} has expired"),
                ));
            }
        }
        if input.agent != started.agent {
            return Err(invalid(format!(
                "the input {id:?} is for the agent {:?}, not {:?}",
                input.agent, started.agent
            )));
        }
        if started.parent.is_some() && started.parent != input.parent {
            return Err(invalid(format!(
                "the input {id:?} names the run it is for: leave `parent` out"
            )));
        }
        Ok(input)
    }

    fn check_delta(&self, writer: &Writer, stream: Stream, delta: &Delta) -> Result<(), Problem> {
        self.check_open(writer, stream, &delta.run)?;
        self.check_message_of(&delta.message, &delta.run)
    }

    fn check_data(&self, writer: &Writer, stream: Stream, data: &Data) -> Result<(), Problem> {
        let Some(run) = &data.run else {
            return Err(invalid("a `data` that sets a part names the `run` of its message"));
        };
        self.check_open(writer, stream, run)?;
        match &data.message {
            Some(message) => self.check_message_of(message, run),
            None => Ok(()),
        }
    }

    fn check_message_of(&self, message: &Id, run: &Id) -> Result<(), Problem> {
        match self.messages.get(message) {
            Some(info) if info.run.as_ref() != Some(run) => Err(taken(message)),
            None if self.steers.contains_key(message) => Err(taken(message)),
            _ => Ok(()),
        }
    }

    fn check_end(&self, writer: &Writer, stream: Stream, ended: &RunEnded) -> Result<(), Problem> {
        let run = self.owned(writer, stream, &ended.run)?;
        if run.ended.is_some() {
            return Err(run_ended(&ended.run));
        }
        if ended.outcome == Outcome::Lost {
            return Err(invalid("`lost` is the server's word: end the run as `failed`"));
        }
        let ends_stopped =
            matches!(ended.outcome, Outcome::Stopped | Outcome::Failed) && ended.data.is_none();
        if run.fence_until.is_some() && !ends_stopped {
            return Err(run_stopped(&ended.run));
        }
        Ok(())
    }

    fn check_fate(
        &self,
        writer: &Writer,
        stream: Stream,
        fate: &InputState,
    ) -> Result<(), Problem> {
        if fate.state != InputFate::Used {
            return Err(Problem::new(
                ErrorCode::Forbidden,
                "only the server says that an input is `expired` or `stopped`",
            ));
        }
        if let Some(steer) = self.steers.get(&fate.id) {
            return self.check_used(writer, stream, &fate.id, steer);
        }
        match self.inputs.get(&fate.id).map(|input| &input.fate) {
            None => Err(not_found("input", &fate.id)),
            Some(Fate::Stopped | Fate::Expired) => Err(Problem::new(
                ErrorCode::RunStopped,
                format!("the input {:?} was stopped or has expired", fate.id),
            )),
            Some(Fate::Pending | Fate::Claimed(_)) => Ok(()),
        }
    }

    /// The run must be the writer's, open, and not stopped.
    pub(super) fn check_open(
        &self,
        writer: &Writer,
        stream: Stream,
        id: &Id,
    ) -> Result<(), Problem> {
        let run = self.owned(writer, stream, id)?;
        if run.ended.is_some() {
            return Err(run_ended(id));
        }
        if run.fence_until.is_some() {
            return Err(run_stopped(id));
        }
        Ok(())
    }

    fn owned(&self, writer: &Writer, stream: Stream, id: &Id) -> Result<&Run, Problem> {
        let run = self.runs.get(id).ok_or_else(|| not_found("run", id))?;
        let is_owner = match &run.owner {
            Owner::Grant(grant) => {
                stream.grant != 0 && self.producers.is_same(*grant, stream.grant)
            }
            Owner::Principal(principal) => *principal == writer.principal,
        };
        if is_owner {
            return Ok(run);
        }
        Err(Problem::new(
            ErrorCode::NotOwner,
            format!("the run {id:?} belongs to the producer that started it"),
        ))
    }
}

/// An unknown run or message is a rule's refusal, not a missing resource.
pub(super) fn not_found(what: &str, id: &Id) -> Problem {
    Problem::new(ErrorCode::NotFound, format!("the session has no {what} {id:?}")).with_status(422)
}

pub(super) fn run_ended(id: &Id) -> Problem {
    Problem::new(ErrorCode::RunEnded, format!("the run {id:?} has ended"))
}

pub(super) fn run_stopped(id: &Id) -> Problem {
    Problem::new(
        ErrorCode::RunStopped,
        format!("the run {id:?} was stopped: end it as `stopped` or `failed`, without `data`"),
    )
}

pub(super) fn taken(id: &Id) -> Problem {
    Problem::new(
        ErrorCode::IdConflict,
        format!("the id {id:?} stands for something else already: use a new one"),
    )
}
