//! The half of a connection that receives: from frames to questions for the hub, in their order.

use std::collections::{HashMap, HashSet};

use durable_sessions_protocol::close;
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::PrincipalKind;
use durable_sessions_protocol::frame::{
    Attach, BadFrame, ClientFrame, Detach, Ping, Publish as PublishFrame, RequestId, Seen, Serve,
    ServerFrame,
};
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::{ATTACH_MAX_SESSIONS, RUNS_MAX_NAMED};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::answers::Pending;
use super::liveness::LastReceived;
use super::outbox::{Attaching, Order, Start};
use super::{Ending, Socket, text_of};
use crate::http::problem::invalid;
use crate::http::{App, drafts};
use crate::hub::{Connection, Patterns, Publish, Service, Session, WakeSender, Writer, wake_queue};
use crate::limits::{SERVE_AGENTS_MAX, SOCKET_SESSIONS_MAX};

pub(super) struct Inbox<'a> {
    app: &'a App,
    connection: Connection,
    writer: Writer,
    stream: SplitStream<&'a mut Socket>,
    orders: mpsc::Sender<Order>,
    /// Where input is offered, once the client serves.
    wakes: Option<WakeSender>,
    /// The agents it serves.
    serves: HashSet<Id>,
    received: &'a LastReceived,
    /// The sessions that must hear when the connection is gone.
    joined: HashMap<SessionId, Joined>,
}

struct Joined {
    session: Session,
    is_attached: bool,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(
        app: &'a App,
        connection: Connection,
        writer: Writer,
        stream: SplitStream<&'a mut Socket>,
        orders: mpsc::Sender<Order>,
        received: &'a LastReceived,
    ) -> Self {
        let (serves, joined) = (HashSet::new(), HashMap::new());
        Self { app, connection, writer, stream, orders, wakes: None, serves, received, joined }
    }

    /// Reads frames until the connection ends.
    pub(super) async fn run(&mut self) -> Ending {
        loop {
            let Some(message) = self.stream.next().await else { return Ending::Gone };
            self.received.mark();
            let handled = match text_of(message) {
                Ok(Some(text)) => self.handle(&text).await,
                Ok(None) => Ok(()),
                Err(ending) => Err(ending),
            };
            if let Err(ending) = handled {
                return ending;
            }
        }
    }

    /// Tells the sessions that the connection is gone: their leases start to run.
    pub(super) async fn leave(&mut self) {
        for (_, joined) in self.joined.drain() {
            joined.session.leave(&self.connection).await;
        }
    }

    async fn handle(&mut self, text: &str) -> Result<(), Ending> {
        self.app.metrics.frames_received.add(1);
        self.app.metrics.bytes_received.add(text.len() as u64);
        let frame = match parse(text) {
            Ok(frame) => frame,
            Err(Unreadable::BadFrame(bad)) => return self.bad(bad.request, bad.problem).await,
            Err(Unreadable::BadHello(_)) => return Err(second_hello()),
            Err(Unreadable::NoFrame(problem)) => return Err(Ending::malformed(problem)),
        };
        match frame {
            ClientFrame::Publish(publish) => self.publish(publish).await,
            ClientFrame::Seen(Seen { session, offset, tabs }) => {
                self.order(Order::Seen(session, offset, tabs)).await
            }
            ClientFrame::Ping(ping) => self.ping(ping).await,
            ClientFrame::Attach(attach) => self.attach(attach).await,
            ClientFrame::Detach(detach) => self.detach(detach).await,
            ClientFrame::Serve(serve) => self.serve(serve).await,
            ClientFrame::Fetch(fetch) => self.order(Order::Fetch(Box::new(fetch))).await,
            ClientFrame::Hello(_) => Err(second_hello()),
            ClientFrame::Pong(_) | ClientFrame::Token(_) | ClientFrame::Unknown => Ok(()),
        }
    }

    async fn publish(&mut self, frame: PublishFrame<'_>) -> Result<(), Ending> {
        let PublishFrame { request, session, log, producer, events } = frame;
        if let Err(problem) = self.app.check_serving() {
            return self.refuse(request, problem).await;
        }
        let session = match self.join(&session, false).await {
            Ok(session) => session,
            Err(problem) => return self.refuse(request, problem).await,
        };
        let drafts = drafts::parse(&events);
        let writer = self.writer.clone();
        let publish = Publish { writer, log, producer, declare_epoch: false, drafts };
        let answer = session.publish(publish).await;
        self.order(Order::Await(Pending::Publish(request, answer))).await
    }

    async fn attach(&mut self, attach: Attach) -> Result<(), Ending> {
        let Attach { request, session, position, last, merge, producer } = attach;
        if position.is_some() && last.is_some() {
            let problem = invalid("an attach has `position` or `last`, not both");
            return self.refuse(request, problem).await;
        }
        if let Some(problem) = producer.as_ref().and_then(|claim| too_many(&claim.runs)) {
            return self.refuse(request, problem).await;
        }
        let session = match self.join(&session, true).await {
            Ok(session) => session,
            Err(problem) => return self.refuse(request, problem).await,
        };
        let start = match last {
            None => Start::After(position),
            Some(0) => Start::Tail,
            Some(_) => match session.part(last, None).await {
                Some(part) => Start::From(part.first),
                None => return Err(Ending::with(close::UNAVAILABLE)),
            },
        };
        let serial = 0;
        let attaching = Attaching { request, session: session.clone(), start, merge, serial };
        let attaching = Box::new(attaching);
        let order = match producer {
            Some(claim) => Order::Claim(attaching, session.claim(self.writer.clone(), claim).await),
            None => Order::Attach(attaching),
        };
        self.order(order).await
    }

    async fn detach(&mut self, detach: Detach) -> Result<(), Ending> {
        let Detach { request, session } = detach;
        if let Some(joined) = self.joined.remove(&session) {
            joined.session.leave(&self.connection).await;
        }
        self.order(Order::Detach(request, session)).await
    }

    async fn serve(&mut self, serve: Serve) -> Result<(), Ending> {
        let Serve { request, agent, sessions, slots, producer } = serve;
        let sessions = match Patterns::parse(sessions.as_deref()) {
            Ok(sessions) => sessions,
            Err(problem) => return self.bad(request, problem).await,
        };
        if let Err(problem) = self.check_serve(&agent, slots) {
            return self.bad(request, problem).await;
        }
        if slots == 0 {
            self.serves.remove(&agent);
        } else {
            self.serves.insert(agent.clone());
        }
        let producer = producer.map(|producer| (self.writer.principal.clone(), producer));
        let service = Service { agent, sessions, slots, producer };
        let sender = match &self.wakes {
            Some(sender) => sender.clone(),
            None => {
                let (sender, wakes) = wake_queue();
                self.order(Order::Serve(wakes)).await?;
                self.wakes.insert(sender).clone()
            }
        };
        self.app.hub.serve(&self.connection, service, &sender);
        self.send(&ServerFrame::Ack { request, first: None, last: None, receipt: None }).await
    }

    fn check_serve(&self, agent: &Id, slots: u32) -> Result<(), Problem> {
        if self.writer.principal.kind != PrincipalKind::Agent {
            let detail = "only an agent works: say `hello` as `agent/ID`";
            return Err(Problem::new(ErrorCode::Forbidden, detail));
        }
        let serves_more = slots > 0 && !self.serves.contains(agent);
        if serves_more && self.serves.len() >= SERVE_AGENTS_MAX {
            return Err(Problem::new(
                ErrorCode::RateLimited,
                format!(
                    "a connection serves at most {SERVE_AGENTS_MAX} agents: withdraw from one first"
                ),
            ));
        }
        Ok(())
    }

    async fn ping(&mut self, ping: Ping) -> Result<(), Ending> {
        let Ping { request, runs } = ping;
        if let Some(problem) = too_many(&runs) {
            return self.bad(request, problem).await;
        }
        self.send(&ServerFrame::Pong { request }).await?;
        if !runs.is_empty() {
            for joined in self.joined.values() {
                joined.session.renew(self.writer.clone(), runs.clone()).await;
            }
        }
        Ok(())
    }

    /// The session a frame names, which from now on hears when the connection is gone.
    async fn join(&mut self, id: &SessionId, attach: bool) -> Result<Session, Problem> {
        let known = self.joined.get(id);
        let attaches_more = attach && !known.is_some_and(|joined| joined.is_attached);
        let is_full = (known.is_none() && self.joined.len() >= SOCKET_SESSIONS_MAX)
            || (attaches_more && self.attached_sessions() >= ATTACH_MAX_SESSIONS);
        if is_full {
            return Err(Problem::new(
                ErrorCode::RateLimited,
                format!(
                    "a connection follows at most {ATTACH_MAX_SESSIONS} sessions and writes to {SOCKET_SESSIONS_MAX}: detach from one first"
                ),
            ));
        }
        let session = self.app.hub.session(id).await?;
        let joined = self
            .joined
            .entry(id.clone())
            .or_insert_with(|| Joined { session: session.clone(), is_attached: false });
        joined.session = session.clone();
        joined.is_attached |= attach;
        Ok(session)
    }

    fn attached_sessions(&self) -> usize {
        self.joined.values().filter(|joined| joined.is_attached).count()
    }

    /// A frame that is not what its type asks for.
    async fn bad(&self, request: Option<RequestId>, problem: Problem) -> Result<(), Ending> {
        match request {
            Some(_) => self.refuse(request, problem).await,
            None => {
                self.app.metrics.refuse(problem.code);
                self.send(&ServerFrame::Error { error: problem }).await
            }
        }
    }

    async fn refuse(&self, request: Option<RequestId>, error: Problem) -> Result<(), Ending> {
        self.app.metrics.refuse(error.code);
        self.send(&ServerFrame::Refused { request, error, index: None }).await
    }

    async fn send(&self, frame: &ServerFrame) -> Result<(), Ending> {
        self.order(Order::Send(frame.to_json().into())).await
    }

    async fn order(&self, order: Order) -> Result<(), Ending> {
        // The other half ends first only when the connection does.
        self.orders.send(order).await.map_err(|_| Ending::Gone)
    }
}

fn too_many(runs: &[Id]) -> Option<Problem> {
    (runs.len() > RUNS_MAX_NAMED)
        .then(|| invalid(format!("a frame names at most {RUNS_MAX_NAMED} runs")))
}

fn second_hello() -> Ending {
    let error = Some(invalid("a connection says `hello` once"));
    Ending::Close { code: close::HELLO_TWICE, error }
}

/// Why a message cannot be obeyed.
pub(super) enum Unreadable {
    /// It is no frame at all: there is no telling what it was meant to be.
    NoFrame(Problem),
    /// A `hello` that lacks something.
    BadHello(Problem),
    /// A frame of another known type that lacks something.
    BadFrame(BadFrame),
}

/// Reads a message.
pub(super) fn parse(text: &str) -> Result<ClientFrame<'_>, Unreadable> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "type")]
        frame_type: String,
    }
    if !text.trim_ascii_start().starts_with('{') {
        return Err(Unreadable::NoFrame(invalid("the frame is not a JSON object")));
    }
    ClientFrame::parse(text).map_err(|bad| match serde_json::from_str::<Head>(text) {
        Ok(head) if head.frame_type == "hello" => Unreadable::BadHello(bad.problem),
        Ok(_) => Unreadable::BadFrame(bad),
        Err(_) => Unreadable::NoFrame(bad.problem),
    })
}
