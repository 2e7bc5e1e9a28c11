//! What programs do and pages do not: serving agents' input and writing runs.
//!
//! The browser build leaves it out without its feature `agent`, for it would be a third of the
//! module: there [`Writer`](super::writer::Writer) is a type without values, and all that asks one
//! goes with it.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, SessionId};

use super::frames::problem;
use super::limits::TAKE_OVER_GATHER_MS;
use super::serve::Wake;
use super::{Asked, Client, Follow, Input, Output, Pending, closed, writer};

impl<N: Node + Clone> Client<N> {
    pub(super) fn work(&mut self, now: u64, input: Input<N>) {
        match input {
            Input::Produce { session, producer, follow } => {
                self.produce(now, &session, &producer, Some(follow));
            }
            Input::TakeOver { session, producer, run } => {
                let at = self.produce(now, &session, &producer, None);
                self.serve.taken(&run);
                let found = self.sessions.iter_mut().find(|found| found.id == session);
                let is_written = found.is_some_and(|found| found.name_run(&producer, &run, at));
                if !is_written || !self.write(&session, |writer, out| writer.take_over(&run, out)) {
                    let problem = closed("the session is written to as another producer");
                    self.outputs.push_back(Output::RunRefused { session, run, problem });
                }
            }
            Input::StartRun { session, started } => {
                let run = started.run.clone();
                if !self.write(&session, |writer, reports| writer.start(&started, reports)) {
                    let problem = closed("the session is not written to");
                    self.outputs.push_back(Output::RunRefused { session, run, problem });
                }
            }
            Input::Write { session, run, event } => {
                self.write(&session, |writer, reports| writer.write(&run, event, reports));
            }
            Input::Append { session, run, to, text } => {
                self.write(&session, |writer, reports| {
                    writer.append(now, &run, &to, &text, reports);
                });
            }
            Input::LeaveRun { session, run } => {
                let is_written =
                    self.write(&session, |writer, reports| writer.leave(&run, reports));
                if !is_written {
                    self.outputs.push_back(Output::RunLeft { session, run });
                }
            }
            Input::EndRun { session, run, end } => {
                self.write(&session, |writer, _| writer.end(&run, end));
            }
            Input::Serve { agent, sessions, slots, producer } => {
                self.serve.offer(agent.clone(), sessions, slots, producer);
                self.offer(Some(&agent));
                if !self.has_ended {
                    self.start(now);
                }
            }
            Input::WakeDone { agent, session, input } => {
                if let Some(run) = self.serve.given_up(&session, &input)
                    && let Some(session) = super::find(&mut self.sessions, session.as_str())
                {
                    session.forget_run(&run);
                }
                let next = self.serve.done(&agent, &session, &input, now);
                self.woken(now, next);
            }
            Input::Attach { .. }
            | Input::Detach { .. }
            | Input::Send { .. }
            | Input::Reconnect
            | Input::Close
            | Input::Resend { .. }
            | Input::Resume { .. }
            | Input::Older { .. }
            | Input::Read { .. }
            | Input::ReadEnd { .. }
            | Input::Group { .. }
            | Input::Locked
            | Input::LockLost
            | Input::Message { .. }
            | Input::Hidden
            | Input::Token { .. }
            | Input::Opened { .. }
            | Input::Frame { .. }
            | Input::Malformed { .. }
            | Input::Closed { .. }
            | Input::Timeout
            | Input::Woke
            | Input::Restored
            | Input::Suspend
            | Input::Network { .. } => {}
        }
    }

    /// Tells the server what is offered for one agent, or on a new connection for all.
    pub(super) fn offer(&mut self, agent: Option<&Id>) {
        let Some(socket) = self.connection.live_socket() else { return };
        for (agent, request, text) in self.serve.frames(agent, &mut self.requests) {
            self.pending.push(Pending { request, asked: Asked::Offer(agent) });
            self.outputs.push_back(Output::Transmit { socket, text });
        }
    }

    /// The server has answered an offer.
    pub(super) fn offered(&mut self, agent: Id, request: u64, frame_type: &str, frame: &N) {
        if frame_type != "refused" || !self.serve.refused(&agent, request) {
            return;
        }
        // The one whose place it should take stands until it is withdrawn.
        self.offer(Some(&agent));
        let problem = problem(frame.field("error").as_ref());
        self.outputs.push_back(Output::ServeRefused { agent, problem });
    }

    pub(super) fn wake(&mut self, now: u64, frame: &N) {
        let id = |name| frame.text(name).and_then(|id| Id::parse(&id).ok());
        let session = frame.text("session").and_then(|id| SessionId::parse(&id).ok());
        let (Some(agent), Some(session), Some(input)) = (id("agent"), session, id("input")) else {
            return;
        };
        let attempt = frame.number("attempt").and_then(|attempt| u32::try_from(attempt).ok());
        let run = id("run");
        let wake = Wake { agent, session, input, attempt: attempt.unwrap_or(1), run };
        let wake = self.serve.wake(wake, now);
        self.woken(now, wake);
    }

    /// Tells the worker. A run that it will take over is named from now on: one that is not, when
    /// the session is attached as its producer, is lost.
    fn woken(&mut self, now: u64, wake: Option<Wake>) {
        let Some(wake) = wake else { return };
        if let Some((producer, run)) = self.serve.left_by(&wake)
            && let Some(session) = super::find(&mut self.sessions, wake.session.as_str())
        {
            session.name_run(&producer, &run, now.saturating_add(TAKE_OVER_GATHER_MS));
        }
        self.outputs.push_back(wake_output(wake));
    }

    /// Writes to a session as a producer. Answers when it attaches as that at the earliest: at once,
    /// or when the runs that an earlier process of it left have been offered.
    fn produce(&mut self, now: u64, id: &SessionId, producer: &Id, follow: Option<Follow>) -> u64 {
        let is_fixed = self.serve.is_fixed(producer);
        let at = if is_fixed { now.saturating_add(TAKE_OVER_GATHER_MS) } else { 0 };
        let left = self.serve.left(id, producer);
        if let Some((session, _)) = self.open(now, id) {
            if let Some(follow) = follow {
                session.follow(follow);
            }
            session.produce(producer.clone(), at);
            for run in left {
                session.name_run(producer, &run, at);
            }
        }
        at
    }

    /// Hands something to a session's writer. `false`: it has none.
    fn write(
        &mut self,
        id: &SessionId,
        act: impl FnOnce(&mut writer::Writer, &mut Vec<writer::Report>),
    ) -> bool {
        let session = self.sessions.iter_mut().find(|session| session.id == *id);
        let Some(session) = session else { return false };
        let Some(writer) = &mut session.writer else { return false };
        let mut reports = Vec::new();
        act(writer, &mut reports);
        session.report(reports, &mut self.outputs);
        true
    }
}

fn wake_output<N>(wake: Wake) -> Output<N> {
    let Wake { agent, session, input, attempt, run } = wake;
    Output::Wake { agent, session, input, attempt, run }
}
