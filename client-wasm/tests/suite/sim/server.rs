//! A server as the client sees it: a model of the log, its dedup, its runs and its stop fence. It
//! has no clocks; what it holds is durable.

use std::collections::BTreeMap;

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{self, Draft, Event, Principal, StopTarget};
use durable_sessions_protocol::frame::{
    Attach, ClientFrame, Limits, ProducerGrant, ProducerSeq, Publish, ServerFrame, events_frame,
};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;

/// Events in one frame: few, so that an exchange has many frames.
const BATCH_MAX: usize = 3;

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) sessions: BTreeMap<String, Log>,
    connections: BTreeMap<u32, Connection>,
    /// Answers "not now" to so many publishes to come.
    pub(crate) not_now: u32,
}

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) id: LogId,
    /// The events as stored.
    pub(crate) events: Vec<String>,
    acts: BTreeMap<(String, Id), (String, Answer)>,
    producers: BTreeMap<Id, Producer>,
    runs: BTreeMap<Id, Run>,
    /// Inputs that no run has claimed.
    inputs: Vec<Id>,
}

#[derive(Debug, Clone)]
enum Answer {
    Done { first: Offset, last: Offset, stopped: Option<(Id, Vec<Id>)> },
    Refused(Problem),
}

#[derive(Debug, Default)]
struct Producer {
    epoch: u64,
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Run {
    offset: Offset,
    state: RunState,
}

#[derive(Debug, PartialEq, Eq)]
enum RunState {
    Open,
    Stopped,
    Ended,
}

#[derive(Debug, Default)]
struct Connection {
    principal: Option<Principal>,
    attached: BTreeMap<SessionId, Offset>,
    serves: bool,
    woken: Vec<Id>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { sessions: BTreeMap::new(), connections: BTreeMap::new(), not_now: 0 }
    }

    pub(crate) fn log(&mut self, session: &str) -> &mut Log {
        let made = self.sessions.len();
        self.sessions.entry(session.to_owned()).or_insert_with(|| Log::new(&format!("log{made}")))
    }

    pub(crate) fn connect(&mut self, connection: u32) {
        self.connections.insert(connection, Connection::default());
    }

    pub(crate) fn disconnect(&mut self, connection: u32) {
        self.connections.remove(&connection);
    }

    /// Takes a frame and answers the frames to send, with the connections they are for.
    pub(crate) fn take(&mut self, from: u32, text: &str) -> Vec<(u32, String)> {
        let Ok(frame) = ClientFrame::parse(text) else { panic!("a client sent {text}") };
        let mut out = Vec::new();
        let mut say = |frame: ServerFrame| out.push((from, frame.to_json()));
        match frame {
            ClientFrame::Hello(hello) => {
                let principal = hello.principal.as_deref().and_then(Principal::parse);
                self.connections.get_mut(&from).unwrap().principal = principal;
                say(ServerFrame::Welcome {
                    connection: from.to_string(),
                    heartbeat_ms: 15_000,
                    limits: Limits::default(),
                });
            }
            ClientFrame::Attach(attach) => self.attach(from, &attach, &mut say),
            ClientFrame::Detach(detach) => {
                self.connections.get_mut(&from).unwrap().attached.remove(&detach.session);
                let reason = "requested".to_owned();
                let (request, session) = (detach.request, detach.session);
                say(ServerFrame::Detached { request, session, reason });
            }
            ClientFrame::Publish(publish) => say(self.publish(from, &publish)),
            ClientFrame::Serve(_) => self.connections.get_mut(&from).unwrap().serves = true,
            ClientFrame::Ping(ping) => say(ServerFrame::Pong { request: ping.request }),
            _ => {}
        }
        self.follow(&mut out);
        out
    }

    /// Sends what attached readers lack, and input to those who serve.
    fn follow(&mut self, out: &mut Vec<(u32, String)>) {
        for (&number, connection) in &mut self.connections {
            for (session, cursor) in &mut connection.attached {
                let log = &self.sessions[session.as_str()];
                let after = usize::try_from(cursor.as_u64()).unwrap();
                for batch in log.events[after.min(log.events.len())..].chunks(BATCH_MAX) {
                    let first = cursor.next();
                    *cursor = cursor.plus(batch.len() as u64);
                    let events = batch.iter().map(String::as_str);
                    out.push((number, events_frame(session, first, *cursor, events)));
                }
            }
            if !connection.serves {
                continue;
            }
            for (session, log) in &self.sessions {
                for input in &log.inputs {
                    if !connection.woken.contains(input) {
                        connection.woken.push(input.clone());
                        let wake = ServerFrame::Wake {
                            agent: Id::parse("assistant").unwrap(),
                            session: SessionId::parse(session).unwrap(),
                            input: input.clone(),
                            attempt: 1,
                        };
                        out.push((number, wake.to_json()));
                    }
                }
            }
        }
    }

    fn attach(&mut self, from: u32, attach: &Attach, say: &mut impl FnMut(ServerFrame)) {
        let log = self.log(attach.session.as_str());
        let tail = log.tail();
        let mut grant = None;
        if let Some(claim) = &attach.producer {
            match log.claim(&claim.id, claim.epoch) {
                Ok(granted) => grant = Some(granted),
                Err(error) => {
                    say(ServerFrame::Refused { request: attach.request, error, index: None });
                    return;
                }
            }
        }
        let session = attach.session.clone();
        let log_id = log.id.clone();
        say(ServerFrame::Attached {
            request: attach.request,
            session: session.clone(),
            log: log_id.clone(),
            tail,
            producer: grant,
        });
        let cursor = match &attach.position {
            Some(position) if position.log == log_id && position.offset <= tail => position.offset,
            Some(_) => {
                let first = Offset::ZERO.next();
                say(ServerFrame::Reset { session: session.clone(), log: log_id, first });
                Offset::ZERO
            }
            None => Offset::ZERO,
        };
        self.connections.get_mut(&from).unwrap().attached.insert(session, cursor);
    }

    fn publish(&mut self, from: u32, publish: &Publish<'_>) -> ServerFrame {
        let request = publish.request;
        let refused = |error| ServerFrame::Refused { request, error, index: None };
        if self.not_now > 0 {
            self.not_now -= 1;
            return refused(Problem::new(ErrorCode::Draining, "not now"));
        }
        let from = self.connections[&from].principal.clone();
        let log = self.log(publish.session.as_str());
        if publish.log.as_ref().is_some_and(|known| *known != log.id) {
            return refused(Problem::new(ErrorCode::LogChanged, "another log"));
        }
        let drafts: Vec<Draft> =
            publish.events.iter().map(|raw| Draft::parse(raw.get()).unwrap()).collect();
        let answer = match &publish.producer {
            Some(place) => log.produce(place, from.as_ref(), &drafts),
            None => log.act(from.as_ref(), &drafts),
        };
        match answer {
            Answer::Refused(error) => refused(error),
            Answer::Done { first, last, stopped } => {
                let ack = ServerFrame::Ack {
                    request,
                    first: Some(first),
                    last: Some(last),
                    receipt: None,
                };
                let Some((id, runs)) = stopped else { return ack };
                let receipt =
                    durable_sessions_protocol::frame::StopReceipt { id, offset: first, runs };
                ServerFrame::Ack {
                    request,
                    first: Some(first),
                    last: Some(last),
                    receipt: Some(receipt),
                }
            }
        }
    }
}

impl Log {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: LogId::parse(id).unwrap(),
            events: Vec::new(),
            acts: BTreeMap::new(),
            producers: BTreeMap::new(),
            runs: BTreeMap::new(),
            inputs: Vec::new(),
        }
    }

    fn tail(&self) -> Offset {
        Offset::new(self.events.len() as u64).unwrap()
    }

    fn claim(&mut self, id: &Id, epoch: Option<u64>) -> Result<ProducerGrant, Problem> {
        let producer = self.producers.entry(id.clone()).or_default();
        match epoch {
            None => {
                producer.epoch += 1;
                producer.answers.clear();
            }
            Some(epoch) if epoch == producer.epoch => {}
            Some(_) => return Err(Problem::new(ErrorCode::Fenced, "another epoch")),
        }
        Ok(ProducerGrant { epoch: producer.epoch, seq: producer.answers.len() as u64 })
    }

    fn produce(
        &mut self,
        place: &ProducerSeq,
        from: Option<&Principal>,
        drafts: &[Draft],
    ) -> Answer {
        let producer = self.producers.entry(place.id.clone()).or_default();
        if place.epoch != producer.epoch {
            return Answer::Refused(Problem::new(ErrorCode::Fenced, "another epoch"));
        }
        let next = producer.answers.len() as u64;
        if place.seq < next {
            return producer.answers[usize::try_from(place.seq).unwrap()].clone();
        }
        if place.seq > next {
            let mut gap = Problem::new(ErrorCode::SequenceGap, "a gap");
            gap.expected_seq = Some(next);
            return Answer::Refused(gap);
        }
        let answer = self.admit(from, drafts);
        self.producers.get_mut(&place.id).unwrap().answers.push(answer.clone());
        answer
    }

    fn act(&mut self, from: Option<&Principal>, drafts: &[Draft]) -> Answer {
        let [draft] = drafts else { panic!("one event a publish without a producer") };
        let id = draft.event.act_id().expect("an act has an id").clone();
        let key = (from.map(ToString::to_string).unwrap_or_default(), id);
        if let Some((body, answer)) = self.acts.get(&key) {
            assert_eq!(*body, draft.json, "an act is sent again as it was");
            return answer.clone();
        }
        let answer = self.admit(from, drafts);
        if matches!(answer, Answer::Done { .. }) {
            self.acts.insert(key, (draft.json.clone(), answer.clone()));
        }
        answer
    }

    fn admit(&mut self, from: Option<&Principal>, drafts: &[Draft]) -> Answer {
        for draft in drafts {
            if let Some(code) = self.objection(&draft.event) {
                return Answer::Refused(Problem::new(code, "by a rule"));
            }
        }
        let first = self.tail().next();
        let mut stopped = None;
        for draft in drafts {
            let fenced = self.enter(&draft.event);
            let text = event::stamp(&draft.json, self.tail().next(), 0, from, fenced.as_deref());
            self.events.push(text);
            if let (Event::StopRequested(stop), Some(runs)) = (&draft.event, fenced) {
                stopped = Some((stop.id.clone(), runs));
            }
        }
        Answer::Done { first, last: self.tail(), stopped }
    }

    fn objection(&self, event: &Event) -> Option<ErrorCode> {
        let state = |run: &Id| self.runs.get(run).map(|run| &run.state);
        match event {
            Event::RunStarted(started) => {
                let input = started.in_reply_to.as_ref()?;
                (!self.inputs.contains(input)).then_some(ErrorCode::AlreadyClaimed)
            }
            Event::Delta(delta) => match state(&delta.run) {
                None => Some(ErrorCode::NotFound),
                Some(RunState::Open) => None,
                Some(RunState::Stopped) => Some(ErrorCode::RunStopped),
                Some(RunState::Ended) => Some(ErrorCode::RunEnded),
            },
            Event::RunEnded(ended) => match state(&ended.run) {
                None => Some(ErrorCode::NotFound),
                Some(RunState::Ended) => Some(ErrorCode::RunEnded),
                Some(RunState::Stopped)
                    if ended.outcome == event::Outcome::Completed || ended.data.is_some() =>
                {
                    Some(ErrorCode::RunStopped)
                }
                Some(RunState::Open | RunState::Stopped) => None,
            },
            _ => None,
        }
    }

    /// What an event changes. Of a stop: the runs it fences.
    fn enter(&mut self, event: &Event) -> Option<Vec<Id>> {
        match event {
            Event::Message(message) if message.run.is_none() => {
                self.inputs.push(message.id.clone());
            }
            Event::RunStarted(started) => {
                self.inputs.retain(|input| Some(input) != started.in_reply_to.as_ref());
                let offset = self.tail().next();
                let run = Run { offset, state: RunState::Open };
                self.runs.insert(started.run.clone(), run);
            }
            Event::RunEnded(ended) => {
                self.runs.get_mut(&ended.run).unwrap().state = RunState::Ended;
            }
            Event::StopRequested(stop) => {
                let mut fenced = Vec::new();
                for (id, run) in &mut self.runs {
                    let is_meant = match &stop.target {
                        StopTarget::Run(run) => run == id,
                        StopTarget::All { seen } => seen.is_none_or(|seen| run.offset <= seen),
                        StopTarget::Message(_) => false,
                    };
                    if is_meant && run.state == RunState::Open {
                        run.state = RunState::Stopped;
                        fenced.push(id.clone());
                    }
                }
                return Some(fenced);
            }
            _ => {}
        }
        None
    }
}
