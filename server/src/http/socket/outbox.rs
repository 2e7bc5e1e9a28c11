//! The half of a connection that sends. It owns the socket's write side, the answers on their way
//! and the readers of followed sessions, and hands the socket no more than it can take.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;

use durable_sessions_protocol::close;
use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::frame::{Fetch, ProducerGrant, RequestId, ServerFrame};
use durable_sessions_protocol::id::SessionId;
use durable_sessions_protocol::offset::{Offset, Position};
use futures_util::stream::{FuturesUnordered, SplitSink};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::answers::{Answer, Pending};
use super::liveness::{LastReceived, Liveness, Tick};
use super::supply::{Supplied, Supply};
use super::{Ending, Socket};
use crate::http::{App, Phase, reached, retry_after_ms};
use crate::hub::{Device, Published, Refusal, Session, Task, Wake, Wakes};
use crate::limits::{
    SOCKET_CONTROL_QUEUE_MAX, SOCKET_REQUESTS_IN_FLIGHT_MAX, SOCKET_WAKES_AT_ONCE,
    SOCKET_WRITE_TARGET_BYTES,
};

/// What the reading half asks for. Small: every socket has a queue of them.
pub(super) enum Order {
    /// Send a frame, as JSON.
    Send(Utf8Bytes),
    /// Pass on the input that is offered here.
    Serve(Wakes),
    /// Wait for the hub's answer to a request.
    Await(Pending),
    /// Follow a session; with a producer only once its place is granted.
    Attach(Box<Attaching>),
    /// The same, with the hub's answer about the producer to come.
    Claim(Box<Attaching>, ClaimAnswer),
    /// Follow it no more.
    Detach(Option<RequestId>, SessionId),
    /// The client has taken a session's events up to an offset, in so many tabs.
    Seen(SessionId, Offset, Option<NonZeroU32>),
    /// Send a page of events.
    Fetch(Box<Fetch>),
}

/// The hub's answer about a producer's place.
pub(super) type ClaimAnswer = tokio::sync::oneshot::Receiver<Result<ProducerGrant, Problem>>;

/// An attach that is being done.
pub(super) struct Attaching {
    pub(super) request: Option<RequestId>,
    pub(super) session: Session,
    pub(super) start: Start,
    /// Whether deltas may be joined while the client is behind.
    pub(super) merge: bool,
    /// Set by the outbox: tells a later attach of the same session from this one.
    pub(super) serial: u64,
}

/// Where an attach begins.
pub(super) enum Start {
    /// After a position, or before the first event.
    After(Option<Position>),
    /// At the tail.
    Tail,
    /// Before this event.
    From(Offset),
}

/// An attach that waits for its producer's place.
struct Claiming {
    serial: u64,
    /// A detach that came meanwhile.
    detach: Option<Option<RequestId>>,
}

pub(super) struct Outbox<'a> {
    app: &'a App,
    /// What attaches count as.
    device: Device,
    sink: SplitSink<&'a mut Socket, Message>,
    orders: mpsc::Receiver<Order>,
    /// Of a client that serves.
    wakes: Option<Wakes>,
    control: VecDeque<Utf8Bytes>,
    answers: FuturesUnordered<Pending>,
    claiming: HashMap<SessionId, Claiming>,
    next_serial: u64,
    supply: Supply,
    liveness: Liveness,
    received: &'a LastReceived,
    phase: watch::Receiver<Phase>,
    drain_told: bool,
    /// Whether the socket was handed bytes it may not have taken yet.
    is_flushing: bool,
}

impl<'a> Outbox<'a> {
    pub(super) fn new(
        app: &'a App,
        device: Device,
        sink: SplitSink<&'a mut Socket, Message>,
        orders: mpsc::Receiver<Order>,
        received: &'a LastReceived,
    ) -> Self {
        Self {
            app,
            device,
            sink,
            orders,
            wakes: None,
            control: VecDeque::new(),
            answers: FuturesUnordered::new(),
            claiming: HashMap::new(),
            next_serial: 0,
            supply: Supply::default(),
            liveness: Liveness::new(&app.clocks),
            received,
            phase: app.phase.clone(),
            drain_told: false,
            is_flushing: false,
        }
    }

    /// Queues a control frame; it goes before any events.
    pub(super) fn send(&mut self, frame: &ServerFrame) {
        self.control.push_back(frame.to_json().into());
    }

    /// Sends until the connection ends.
    pub(super) async fn run(&mut self) -> Ending {
        let timer = sleep_until(self.liveness.wake(self.received));
        tokio::pin!(timer);
        loop {
            if self.control.len() > SOCKET_CONTROL_QUEUE_MAX {
                return Ending::with(close::QUEUE_FULL);
            }
            if let Err(ending) = self.hand_over() {
                return ending;
            }
            let is_free = !self.is_flushing;
            let phase = if self.drain_told { Phase::Closing } else { Phase::Draining };
            let can_close = !self.drain_told
                || (is_free && self.answers.is_empty() && self.supply.fetches.is_empty());
            tokio::select! {
                flushed = self.sink.flush(), if self.is_flushing => {
                    if flushed.is_err() {
                        return Ending::Gone;
                    }
                    self.is_flushing = false;
                    self.liveness.sent();
                }
                order = self.orders.recv(),
                    if self.answers.len() < SOCKET_REQUESTS_IN_FLIGHT_MAX =>
                {
                    let Some(order) = order else { return Ending::Gone };
                    self.obey(order);
                }
                Some(answer) = self.answers.next() => {
                    if let Err(ending) = self.answer(answer) {
                        return ending;
                    }
                }
                Some(supplied) = self.supply.next(&self.app.hub), if is_free => {
                    if let Err(ending) = self.deliver(supplied) {
                        return ending;
                    }
                }
                Some(wake) = next_wake(&mut self.wakes), if is_free => {
                    self.wake(wake);
                    // What was offered together goes together.
                    while self.control.len() < SOCKET_WAKES_AT_ONCE
                        && let Some(wake) = self.wakes.as_mut().and_then(Wakes::take)
                    {
                        self.wake(wake);
                    }
                }
                () = timer.as_mut() => {
                    match self.liveness.tick(self.received) {
                        Tick::Wait => {}
                        Tick::Ping => self.send(&ServerFrame::Ping { request: None }),
                        Tick::Dead => return Ending::with(close::HEARTBEAT),
                    }
                    timer.as_mut().reset(self.liveness.wake(self.received));
                }
                () = reached(&mut self.phase, phase), if can_close => {
                    if self.drain_told {
                        return Ending::with(close::DRAINING);
                    }
                    self.drain_told = true;
                    self.send(&ServerFrame::Draining { retry_after_ms: retry_after_ms() });
                }
            }
        }
    }

    /// Hands the socket what waits, when it has taken all it was handed before: control frames
    /// first, then what else there is.
    fn hand_over(&mut self) -> Result<(), Ending> {
        if self.is_flushing {
            return Ok(());
        }
        let mut bytes = 0;
        while bytes < SOCKET_WRITE_TARGET_BYTES {
            bytes += match self.control.pop_front() {
                Some(frame) => self.hand(frame)?,
                None => match self.supply.next(&self.app.hub).now_or_never() {
                    Some(Some(supplied)) => self.deliver(supplied)?,
                    Some(None) | None => break,
                },
            };
        }
        Ok(())
    }

    /// Passes on what was supplied; how many bytes the socket was handed.
    fn deliver(&mut self, supplied: Supplied) -> Result<usize, Ending> {
        match supplied {
            Supplied::Frame(frame) => self.hand(frame),
            Supplied::Refused(request, problem) => {
                self.refuse(request, problem, None);
                Ok(0)
            }
            Supplied::Closed => Err(Ending::with(close::UNAVAILABLE)),
        }
    }

    fn hand(&mut self, frame: Utf8Bytes) -> Result<usize, Ending> {
        let bytes = frame.len();
        self.app.metrics.frames_sent.add(1);
        self.app.metrics.bytes_sent.add(bytes as u64);
        self.is_flushing = true;
        // `feed` only copies the frame into the socket's buffer: that was flushed before, and is
        // larger than what is handed over at a time.
        match self.sink.feed(Message::Text(frame)).now_or_never() {
            Some(Ok(())) => Ok(bytes),
            Some(Err(_)) | None => Err(Ending::Gone),
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Send(frame) => self.control.push_back(frame),
            Order::Serve(wakes) => self.wakes = Some(wakes),
            Order::Await(pending) => self.answers.push(pending),
            Order::Attach(attaching) => {
                self.claiming.remove(attaching.session.id());
                self.attached(*attaching, None);
            }
            Order::Claim(mut attaching, answer) => {
                self.next_serial += 1;
                attaching.serial = self.next_serial;
                let claiming = Claiming { serial: attaching.serial, detach: None };
                self.claiming.insert(attaching.session.id().clone(), claiming);
                self.answers.push(Pending::Claim(Some(attaching), answer));
            }
            Order::Detach(request, session) => match self.claiming.get_mut(&session) {
                Some(claiming) => claiming.detach = Some(request),
                None => self.detached(request, session),
            },
            Order::Seen(session, offset, tabs) => {
                self.supply.follows.seen(&session, offset, tabs);
            }
            Order::Fetch(fetch) => {
                let request = fetch.request;
                if let Err(problem) = self.supply.fetches.push(fetch) {
                    self.refuse(request, problem, None);
                }
            }
        }
    }

    fn answer(&mut self, answer: Answer) -> Result<(), Ending> {
        match answer {
            Answer::Unknown => return Err(Ending::with(close::UNAVAILABLE)),
            Answer::Publish(request, Ok(published)) => {
                self.app.metrics.published(&published);
                let Published { first, last, receipt, .. } = published;
                let (first, last) = (Some(first), Some(last));
                self.send(&ServerFrame::Ack { request, first, last, receipt });
            }
            Answer::Publish(request, Err(Refusal { problem, index })) => {
                self.refuse(request, problem, index);
            }
            Answer::Claim(attaching, Ok(grant)) => self.granted(*attaching, grant),
            Answer::Claim(attaching, Err(problem)) => {
                self.claimed(&attaching);
                self.refuse(attaching.request, problem, None);
            }
        }
        Ok(())
    }

    fn granted(&mut self, attaching: Attaching, grant: ProducerGrant) {
        let session = attaching.session.id().clone();
        match self.claimed(&attaching) {
            Some(Claiming { detach: None, .. }) => self.attached(attaching, Some(grant)),
            Some(Claiming { detach: Some(request), .. }) => {
                self.attached(attaching, Some(grant));
                self.detached(request, session);
            }
            // A later attach has taken its place; this one only tells the grant.
            None => {
                let frame = ServerFrame::Attached {
                    request: attaching.request,
                    session,
                    log: attaching.session.log().clone(),
                    tail: attaching.session.tail(),
                    producer: Some(grant),
                };
                self.send(&frame);
            }
        }
    }

    /// Takes an attach off the list of those that wait, unless a later one stands there.
    fn claimed(&mut self, attaching: &Attaching) -> Option<Claiming> {
        let session = attaching.session.id();
        let is_current =
            self.claiming.get(session).is_some_and(|waits| waits.serial == attaching.serial);
        if is_current { self.claiming.remove(session) } else { None }
    }

    fn attached(&mut self, attaching: Attaching, producer: Option<ProducerGrant>) {
        let Attaching { request, session, start, merge, .. } = attaching;
        let (id, log, tail) = (session.id().clone(), session.log().clone(), session.tail());
        let (after, is_reset) = match start {
            Start::Tail => (tail, false),
            Start::From(first) => (first.prev(), first > Offset::ZERO.next()),
            Start::After(None) => (Offset::ZERO, false),
            Start::After(Some(Position { log: known, offset }))
                if known == log && offset <= tail =>
            {
                (offset, false)
            }
            Start::After(Some(_)) => (Offset::ZERO, true),
        };
        self.send(&ServerFrame::Attached {
            request,
            session: id.clone(),
            log: log.clone(),
            tail,
            producer,
        });
        if is_reset {
            self.send(&ServerFrame::Reset { session: id, log, first: after.next() });
        }
        let open = self.app.metrics.attaches.enter();
        let reader = session.reader(after).merging(merge);
        self.supply.follows.follow(&session, reader, self.device.clone(), open);
    }

    fn detached(&mut self, request: Option<RequestId>, session: SessionId) {
        self.supply.follows.unfollow(&session);
        let reason = "requested".to_owned();
        self.send(&ServerFrame::Detached { request, session, reason });
    }

    fn wake(&mut self, wake: Wake) {
        self.app.metrics.wakes.add(1);
        let Wake { agent, session, input, attempt, task } = wake;
        let run = match task {
            Task::Claim(_) => None,
            Task::TakeOver(run) => Some(run),
        };
        self.send(&ServerFrame::Wake { agent, session, input, attempt, run });
    }

    fn refuse(&mut self, request: Option<RequestId>, error: Problem, index: Option<usize>) {
        self.app.metrics.refuse(error.code);
        self.send(&ServerFrame::Refused { request, error, index });
    }
}

/// The next offer; none comes to a client that does not serve.
async fn next_wake(wakes: &mut Option<Wakes>) -> Option<Wake> {
    Some(wakes.as_mut()?.next().await)
}
