//! A server in virtual time: the real rules and the real codec behind connections that only pass
//! text. What is real is what decides; what a process adds around it (sockets, tasks, a store) is
//! played here in a few lines: a log syncs for a while, answers leave when the sync is over, events
//! follow each reader's cursor, and input is offered to one worker at a time.

mod log;
mod offers;

use std::collections::{BTreeMap, BTreeSet};

use durable_sessions_protocol::close;
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::PrincipalKind;
use durable_sessions_protocol::frame::{
    Attach, ClientFrame, Fetch, Hello, Limits, ProducerGrant, Publish, Seen, Serve, ServerFrame,
    events_frame,
};
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::HEARTBEAT_MS;
use durable_sessions_protocol::merge::Merge;
use durable_sessions_protocol::offset::Offset;
use durable_sessions_server::auth;
use durable_sessions_server::hub::{Connection, Patterns, Published, Refusal, Writer};
pub(crate) use log::Log;
use log::{Answer, Asked};
use offers::{Offers, Serves, Worker};
use serde_json::json;

/// Events in one frame: few, so that an exchange has many frames.
const BATCH_MAX: usize = 3;
/// The same of one who is further behind, and may be sent joined deltas.
const MERGED_MAX: usize = 12;
/// Events in one page: few for the same reason.
const PAGE_MAX: usize = 40;

/// Frames to send, with the connections they are for.
pub(crate) type Frames = Vec<(u32, String)>;

#[derive(Debug, Default)]
pub(crate) struct Server {
    pub(crate) sessions: BTreeMap<SessionId, Log>,
    /// Numbers the logs, also those that a crash forgot.
    made: usize,
    /// Numbers the connections that said `hello`, anew after a crash.
    greeted: u64,
    connections: BTreeMap<u32, Peer>,
    offers: Offers,
    /// Answers "not now" to so many publishes to come.
    pub(crate) not_now: u32,
    /// Sends new events before the answers that became true with them, not after.
    pub(crate) events_first: bool,
    /// Connections it has closed by itself, with the code: after what was sent to them.
    pub(crate) closed: Vec<(u32, u16)>,
}

/// The server's end of a connection.
#[derive(Debug, Default)]
struct Peer {
    /// Known once it has said `hello`.
    writer: Option<Writer>,
    /// The tabs it is for.
    group: Option<Id>,
    /// Where each session was read to, and whether deltas may be joined.
    attached: BTreeMap<SessionId, (Offset, bool)>,
    /// How many tabs it says follow each of them.
    tabs: BTreeMap<SessionId, u32>,
    /// Sessions that must hear when it is gone.
    joined: BTreeSet<SessionId>,
    /// Agents it works for.
    serves: BTreeMap<Id, Serves>,
}

impl Server {
    pub(crate) fn log(&mut self, session: &SessionId) -> &mut Log {
        let made = &mut self.made;
        self.sessions.entry(session.clone()).or_insert_with(|| {
            *made += 1;
            Log::new(&format!("log{made}"))
        })
    }

    pub(crate) fn connect(&mut self, connection: u32) {
        self.connections.insert(connection, Peer::default());
    }

    /// The connection is gone, and the server knows it.
    pub(crate) fn disconnect(&mut self, now: u64, connection: u32) {
        let Some(peer) = self.connections.remove(&connection) else { return };
        self.offers.disconnect(connection);
        let Some(writer) = peer.writer else { return };
        for session in &peer.joined {
            if let (Some(log), Some(connection)) =
                (self.sessions.get_mut(session), &writer.connection)
            {
                log.leave(connection, now);
            }
        }
    }

    /// Dies and starts again: what was not durable is gone, with all connections.
    pub(crate) fn crash(&mut self, now: u64) {
        self.connections.clear();
        self.greeted = 0;
        self.offers = Offers::default();
        // A session begins with its first write: of any other there is nothing to read back.
        self.sessions.retain(|_, log| log.is_stored());
        for log in self.sessions.values_mut() {
            log.restart(now);
        }
    }

    /// Whether the connection is open, as far as the server knows.
    pub(crate) fn knows(&self, connection: u32) -> bool {
        self.connections.contains_key(&connection)
    }

    /// Whether the server knows of the connection, and it has said `hello`.
    pub(crate) fn is_greeted(&self, connection: u32) -> bool {
        self.connections.get(&connection).is_some_and(|peer| peer.writer.is_some())
    }

    /// How many tabs follow a session through a connection, as that says.
    pub(crate) fn tabs(&self, connection: u32, session: &SessionId) -> Option<u32> {
        self.connections.get(&connection)?.tabs.get(session).copied()
    }

    /// Takes an event over HTTP. It has to be one that is admitted.
    pub(crate) fn write(&mut self, now: u64, session: &SessionId, principal: &str, event: &str) {
        let principal = auth::claimed(Some(principal)).unwrap();
        let writer = Writer { principal, connection: None };
        let event = serde_json::value::RawValue::from_string(event.to_owned()).unwrap();
        let (session, events) = (session.clone(), vec![&*event]);
        let frame =
            Publish { request: None, session: session.clone(), log: None, producer: None, events };
        self.log(&session).write(now, writer, frame);
    }

    /// Takes a frame.
    pub(crate) fn take(&mut self, now: u64, from: u32, text: &str) -> Frames {
        let Ok(frame) = ClientFrame::parse(text) else { panic!("a client sent {text}") };
        let mut out = Vec::new();
        if let Some(answer) = self.obey(now, from, frame, &mut out) {
            out.push((from, answer.to_json()));
        }
        out.extend(self.advance(now));
        out
    }

    /// Does what is due: syncs, clocks, readers, offers.
    pub(crate) fn advance(&mut self, now: u64) -> Frames {
        let mut answers = Vec::new();
        for (session, log) in &mut self.sessions {
            answers.extend(log.advance(now).into_iter().map(|answer| (session.clone(), answer)));
        }
        let mut out = Vec::new();
        if self.events_first {
            self.follow(&mut out);
        }
        for (session, answer) in answers {
            self.answer(&session, answer, &mut out);
        }
        self.follow(&mut out);
        self.offer(now, &mut out);
        out
    }

    /// When there is something to do next.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let logs = self.sessions.values().filter_map(Log::deadline);
        logs.chain(self.offers.deadline()).min()
    }

    /// Acts on a frame. Answers what can be said at once.
    fn obey(
        &mut self,
        now: u64,
        from: u32,
        frame: ClientFrame<'_>,
        out: &mut Frames,
    ) -> Option<ServerFrame> {
        match frame {
            ClientFrame::Hello(hello) => Some(self.hello(now, from, hello, out)),
            ClientFrame::Attach(attach) => {
                self.attach(now, from, attach, out);
                None
            }
            ClientFrame::Detach(detach) => {
                let peer = self.connections.get_mut(&from)?;
                peer.attached.remove(&detach.session);
                peer.tabs.remove(&detach.session);
                let reason = "requested".to_owned();
                let (request, session) = (detach.request, detach.session);
                Some(ServerFrame::Detached { request, session, reason })
            }
            ClientFrame::Publish(publish) => self.publish(now, from, publish),
            ClientFrame::Serve(serve) => Some(self.take_offer(from, serve)),
            ClientFrame::Ping(ping) => {
                let writer = self.writer(from);
                for session in &self.connections.get(&from)?.joined {
                    if let Some(log) = self.sessions.get_mut(session) {
                        log.renew(&writer, &ping.runs);
                    }
                }
                Some(ServerFrame::Pong { request: ping.request })
            }
            ClientFrame::Fetch(fetch) => Some(self.fetch(fetch)),
            ClientFrame::Seen(Seen { session, tabs, .. }) => {
                let peer = self.connections.get_mut(&from)?;
                if let Some(tabs) = tabs {
                    peer.tabs.insert(session, tabs.get());
                }
                None
            }
            ClientFrame::Pong(_) | ClientFrame::Token(_) | ClientFrame::Unknown => None,
        }
    }

    fn take_offer(&mut self, from: u32, serve: Serve) -> ServerFrame {
        let Serve { request, agent, sessions, slots, producer } = serve;
        let refused = |error| ServerFrame::Refused { request, error, index: None };
        if let Err(problem) = Patterns::parse(sessions.as_deref()) {
            return refused(problem);
        }
        let peer = self.connections.get_mut(&from).unwrap();
        let principal = peer.writer.as_ref().map(|writer| writer.principal.kind);
        if principal != Some(PrincipalKind::Agent) {
            return refused(Problem::new(ErrorCode::Forbidden, "only an agent works"));
        }
        peer.serves.insert(agent, Serves { slots, producer });
        ServerFrame::Ack { request, first: None, last: None, receipt: None }
    }

    fn hello(&mut self, now: u64, from: u32, hello: Hello, out: &mut Frames) -> ServerFrame {
        let principal = auth::claimed(hello.principal.as_deref()).unwrap();
        let older = self.connections.iter().find(|(_, peer)| {
            let theirs = peer.writer.as_ref().map(|writer| &writer.principal);
            hello.group.is_some() && peer.group == hello.group && theirs == Some(&principal)
        });
        if let Some((&older, _)) = older {
            let error = Problem::new(ErrorCode::Closed, "a newer socket of the group took over");
            out.push((older, ServerFrame::Error { error }.to_json()));
            self.closed.push((older, close::REPLACED));
            self.disconnect(now, older);
        }
        self.greeted += 1;
        let connection = Connection { number: self.greeted, client: hello.client };
        let peer = self.connections.get_mut(&from).unwrap();
        assert!(peer.writer.is_none(), "a connection says `hello` once");
        peer.writer = Some(Writer { principal, connection: Some(connection) });
        peer.group = hello.group;
        ServerFrame::Welcome {
            connection: from.to_string(),
            heartbeat_ms: HEARTBEAT_MS,
            limits: Limits::default(),
        }
    }

    /// Only a producer's place has to be durable before it is told.
    fn attach(&mut self, now: u64, from: u32, attach: Attach, out: &mut Frames) {
        let session = attach.session.clone();
        let writer = self.join(from, &session);
        match attach.producer.clone() {
            Some(claim) => self.log(&session).claim(now, &writer, from, attach, &claim),
            None => self.attached(from, &session, attach, None, out),
        }
    }

    fn publish(&mut self, now: u64, from: u32, publish: Publish<'_>) -> Option<ServerFrame> {
        if self.not_now > 0 {
            self.not_now -= 1;
            let error = Problem::new(ErrorCode::Draining, "not now");
            return Some(ServerFrame::Refused { request: publish.request, error, index: None });
        }
        let writer = self.join(from, &publish.session);
        self.log(&publish.session.clone()).publish(now, writer, from, publish);
        None
    }

    fn fetch(&self, fetch: Fetch) -> ServerFrame {
        let Fetch { request, session, log, after, limit, merge } = fetch;
        let Some(stored) = self.sessions.get(&session) else {
            let error = Problem::new(ErrorCode::NotFound, "there is no such session");
            return ServerFrame::Refused { request, error, index: None };
        };
        if *stored.id() != log || after > stored.tail() {
            let error = Problem::new(ErrorCode::LogChanged, "the log is another one");
            return ServerFrame::Refused { request, error, index: None };
        }
        let limit = limit.and_then(|limit| usize::try_from(limit.get()).ok()).unwrap_or(PAGE_MAX);
        let events = stored.events.iter().skip(usize::try_from(after.as_u64()).unwrap());
        let events = events.take(limit.min(PAGE_MAX));
        let events: Vec<String> = events.cloned().collect();
        let (first, last) = (after.next(), after.plus(events.len() as u64));
        let events = if merge { merged(&events) } else { events };
        let events = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        ServerFrame::Page { request, session, log, first, last, events }
    }

    fn join(&mut self, from: u32, session: &SessionId) -> Writer {
        self.connections.get_mut(&from).unwrap().joined.insert(session.clone());
        self.writer(from)
    }

    fn writer(&self, from: u32) -> Writer {
        self.connections[&from].writer.clone().expect("the first frame is `hello`")
    }

    /// Says what a log has decided and made durable, if the asker is still there.
    fn answer(&mut self, session: &SessionId, answer: Answer, out: &mut Frames) {
        let Answer { connection, asked } = answer;
        if !self.connections.contains_key(&connection) {
            return;
        }
        let frame = match asked {
            Asked::Publish(request, Ok(Published { first, last, receipt, .. })) => {
                let (first, last) = (Some(first), Some(last));
                ServerFrame::Ack { request, first, last, receipt }
            }
            Asked::Publish(request, Err(Refusal { problem, index })) => {
                ServerFrame::Refused { request, error: problem, index }
            }
            Asked::Attach(attach, Ok(grant)) => {
                return self.attached(connection, session, attach, Some(grant), out);
            }
            Asked::Attach(attach, Err(error)) => {
                ServerFrame::Refused { request: attach.request, error, index: None }
            }
        };
        out.push((connection, frame.to_json()));
    }

    fn attached(
        &mut self,
        connection: u32,
        session: &SessionId,
        attach: Attach,
        producer: Option<ProducerGrant>,
        out: &mut Frames,
    ) {
        let stored = self.log(session);
        let (log, tail) = (stored.id().clone(), stored.tail());
        let attached = ServerFrame::Attached {
            request: attach.request,
            session: session.clone(),
            log: log.clone(),
            tail,
            producer,
        };
        out.push((connection, attached.to_json()));
        let cursor = match attach.position {
            Some(position) if position.log == log && position.offset <= tail => position.offset,
            Some(_) => {
                let first = Offset::ZERO.next();
                let reset = ServerFrame::Reset { session: session.clone(), log, first };
                out.push((connection, reset.to_json()));
                Offset::ZERO
            }
            None => Offset::ZERO,
        };
        let peer = self.connections.get_mut(&connection).unwrap();
        peer.attached.insert(session.clone(), (cursor, attach.merge));
        peer.tabs.insert(session.clone(), 1);
        if peer.group.is_some() {
            let members = json!([{"from": "who", "device": "one", "tabs": 1}]);
            let presence =
                json!({"type": "presence", "session": session, "members": members, "total": 1});
            out.push((connection, presence.to_string()));
        }
    }

    /// Sends what attached readers lack.
    fn follow(&mut self, out: &mut Frames) {
        for (&number, peer) in &mut self.connections {
            for (session, (cursor, merge)) in &mut peer.attached {
                let Some(log) = self.sessions.get(session) else { continue };
                let after = usize::try_from(cursor.as_u64()).unwrap();
                let behind = &log.events[after.min(log.events.len())..];
                let merges = *merge && behind.len() > BATCH_MAX;
                for batch in behind.chunks(if merges { MERGED_MAX } else { BATCH_MAX }) {
                    let first = cursor.next();
                    *cursor = cursor.plus(batch.len() as u64);
                    let joined = if merges { merged(batch) } else { batch.to_vec() };
                    let events = joined.iter().map(String::as_str);
                    out.push((number, events_frame(session, first, *cursor, events)));
                }
            }
        }
    }

    /// Sends input to those who serve.
    fn offer(&mut self, now: u64, out: &mut Frames) {
        let workers: Vec<Worker> = self.connections.iter().flat_map(Worker::of).collect();
        let wakes = self.offers.advance(now, &workers, &self.sessions);
        out.extend(wakes.into_iter().map(|(connection, wake)| (connection, wake.to_json())));
    }
}

/// Events with the deltas joined that may be.
pub(crate) fn merged(events: &[String]) -> Vec<String> {
    let mut merge = Merge::new();
    for event in events {
        assert!(merge.push(event, usize::MAX));
    }
    merge.into_events().collect()
}
