//! A user and an agent: one answer that completes, one that is stopped.

use durable_sessions_client::core::{Act, Follow, Input, Output, RunEnd, Started, StopTarget};
use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::fold::{RunState, Transcript};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use serde_json::{Value, json};

use super::{Fault, World};

pub(crate) const USER: usize = 0;
pub(crate) const AGENT: usize = 1;
/// Virtual time within which a conversation with one fault must end.
const LIMIT_MS: u64 = 10 * 60 * 1000;
pub(super) const FIRST_DELTAS: usize = 5;
pub(super) const SECOND_DELTAS: usize = 3;

pub(crate) struct Conversation {
    pub(crate) world: World,
    pub(crate) user: User,
    agent: Agent,
    /// The steps before which the server dies.
    pub(crate) crashes: Vec<usize>,
    /// The step before which the agent's network goes, and for how long.
    pub(crate) outage: Option<(usize, u64)>,
}

pub(crate) struct User {
    pub(crate) transcript: Transcript,
    pub(crate) patches: usize,
    /// Acknowledged acts, in order.
    pub(crate) sent: Vec<String>,
    has_asked_again: bool,
    has_stopped: bool,
}

#[derive(Default)]
struct Agent {
    /// Inputs it was woken for and has not seen in the log.
    woken: Vec<(Id, u32)>,
    seen: Vec<String>,
}

pub(crate) fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

pub(crate) fn session() -> SessionId {
    SessionId::parse("s").unwrap()
}

/// A run is named for its input and the attempt at it.
fn input_of(run: &Id) -> Id {
    id(run.as_str().split('-').nth(1).unwrap())
}

impl Conversation {
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        world.add("user/ann");
        world.add("agent/bot");
        Self {
            world,
            user: User {
                transcript: Transcript::new(LogId::parse("none").unwrap()),
                patches: 0,
                sent: Vec::new(),
                has_asked_again: false,
                has_stopped: false,
            },
            agent: Agent::default(),
            crashes: Vec::new(),
            outage: None,
        }
    }

    pub(crate) fn with_fault(peer: usize, fault: Fault) -> Self {
        let mut conversation = Self::new();
        conversation.world.peers[peer].faults.push_back(Some(fault));
        conversation
    }

    /// Plays it to its end.
    pub(crate) fn play(&mut self) {
        let follow = Follow { patches: true, events: true, merge: false };
        self.world.tell(USER, Input::Attach { session: session(), follow });
        self.world.tell(USER, Input::Send { session: session(), act: Act::text(id("m1"), "one") });
        let serve =
            Input::Serve { agent: id("assistant"), sessions: Vec::new(), slots: 2, producer: None };
        self.world.tell(AGENT, serve);
        let deadline = self.world.now + LIMIT_MS;
        for step in 0.. {
            if self.is_over() {
                break;
            }
            if self.crashes.contains(&step) {
                self.world.crash();
            }
            if let Some((_, ms)) = self.outage.take_if(|(at, _)| *at == step) {
                self.world.keep_away(AGENT, ms);
            }
            assert!(self.world.step(), "it hangs");
            assert!(self.world.now < deadline, "it takes too long");
            while let Some(output) = self.world.peers[USER].told.pop_front() {
                self.user(output);
            }
            while let Some(output) = self.world.peers[AGENT].told.pop_front() {
                self.agent(output);
            }
        }
    }

    /// The log as the server holds it.
    pub(crate) fn log(&mut self) -> Vec<Value> {
        let events = &self.world.server.log(&session()).events;
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    /// The log without what a cut may change: when it was written, and whether the agent or, after
    /// its grace, the server has ended the stopped run.
    pub(crate) fn timeless_log(&mut self) -> Vec<Value> {
        let mut log = self.log();
        for event in &mut log {
            let is_stopped_end = event["outcome"] == "stopped";
            let fields = event.as_object_mut().unwrap();
            fields.remove("at");
            if is_stopped_end {
                fields.remove("from");
            }
        }
        log
    }

    /// What the log reads like to someone who comes last.
    pub(crate) fn stored_transcript(&mut self) -> Transcript {
        let log = self.world.server.log(&session()).id().clone();
        let mut transcript = Transcript::new(log);
        for event in &self.log() {
            transcript.apply(event);
        }
        transcript
    }

    /// Everything was said, and the user has read it all.
    fn is_over(&mut self) -> bool {
        let log = self.world.server.log(&session());
        self.user.sent.len() == 3 && log.is_quiet() && self.user.transcript.offset() == log.tail()
    }

    fn user(&mut self, output: Output<Value>) {
        let user = &mut self.user;
        match output {
            Output::Reset { log, .. } => user.transcript = Transcript::new(log),
            Output::Patches { patches, .. } => user.patches += patches.len(),
            Output::Events { events, .. } => {
                for event in &events {
                    user.transcript.apply(event);
                }
            }
            Output::Sent { id, .. } => user.sent.push(id.to_string()),
            Output::Refused { problem, .. } => panic!("refused: {problem}"),
            _ => {}
        }
        let runs = user.transcript.runs();
        let is_answered = runs.iter().any(|run| run.state == RunState::Completed);
        if is_answered && !user.has_asked_again {
            user.has_asked_again = true;
            let act = Act::text(id("m2"), "two");
            self.world.tell(USER, Input::Send { session: session(), act });
        }
        let words = self.user.transcript.messages().last().map(|message| message.text.clone());
        if words.is_some_and(|words| words == "m2:0 m2:1 m2:2 ") && !self.user.has_stopped {
            self.user.has_stopped = true;
            let act = Act::stop(id("stop"), StopTarget::All);
            self.world.tell(USER, Input::Send { session: session(), act });
        }
    }

    fn agent(&mut self, output: Output<Value>) {
        match output {
            Output::Wake { input, attempt, .. } => {
                self.agent.woken.push((input, attempt));
                let (producer, follow) = (id("producer"), Follow::EVENTS);
                self.world.tell(AGENT, Input::Produce { session: session(), producer, follow });
            }
            Output::Events { events, .. } => {
                let ids = events.iter().filter_map(|event| event["id"].as_str());
                self.agent.seen.extend(ids.map(str::to_owned));
            }
            Output::RunStarted { run, .. } => {
                let input = input_of(&run);
                let is_first = input.as_str() == "m1";
                let count = if is_first { FIRST_DELTAS } else { SECOND_DELTAS };
                for n in 0..count {
                    let event = json!({
                        "kind": "delta", "run": run, "message": format!("a-{run}"),
                        "text": format!("{input}:{n} "),
                    });
                    let (run, event) = (run.clone(), event.to_string());
                    self.world.tell(AGENT, Input::Write { session: session(), run, event });
                }
                if is_first {
                    self.end(run);
                }
            }
            // It does not know better than that it is done: the core does.
            Output::RunStopped { run, .. } => self.end(run),
            // The input was stopped while it waited for another try.
            Output::RunRefused { run, problem, .. } if problem.code == ErrorCode::RunStopped => {
                self.done(&run);
            }
            Output::RunRefused { problem, .. } | Output::WriteRefused { problem, .. } => {
                panic!("refused: {problem}");
            }
            Output::ProducerFenced { .. } => panic!("it fenced itself"),
            Output::RunEnded { run, .. } => self.done(&run),
            _ => {}
        }
        let seen = &self.agent.seen;
        let (ready, waiting) = std::mem::take(&mut self.agent.woken)
            .into_iter()
            .partition(|(input, _)| seen.iter().any(|seen| seen == input.as_str()));
        self.agent.woken = waiting;
        let ready: Vec<(Id, u32)> = ready;
        for (input, attempt) in ready {
            let started = Started {
                run: id(&format!("r-{input}-{attempt}")),
                agent: id("assistant"),
                in_reply_to: Some(input),
                parent: None,
                lease_ms: None,
            };
            self.world.tell(AGENT, Input::StartRun { session: session(), started });
        }
    }

    fn done(&mut self, run: &Id) {
        let (agent, input) = (id("assistant"), input_of(run));
        self.world.tell(AGENT, Input::WakeDone { agent, session: session(), input });
    }

    fn end(&mut self, run: Id) {
        let end = RunEnd::Completed { data: Some("1".to_owned()) };
        self.world.tell(AGENT, Input::EndRun { session: session(), run, end });
    }
}
