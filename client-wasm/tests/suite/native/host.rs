//! The simulated server behind a listener.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_sessions_client::native::{Client, Options, Session};
use durable_sessions_protocol::frame::SUBPROTOCOL;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::sim::conversation::session;
use crate::sim::server::{Frames, Server};

/// All its connections can be cut at once.
pub(super) struct Host {
    url: String,
    state: Arc<Mutex<State>>,
    cuts: watch::Sender<u32>,
    is_shut: Arc<AtomicBool>,
}

struct State {
    server: Server,
    connections: u32,
    links: BTreeMap<u32, mpsc::UnboundedSender<String>>,
    started: Instant,
    /// Told after each step of the server: its deadline may be another one.
    stepped: Arc<Notify>,
}

impl State {
    fn new() -> Self {
        Self {
            server: Server::default(),
            connections: 0,
            links: BTreeMap::new(),
            started: Instant::now(),
            stepped: Arc::default(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    /// Lets the server do something, and what is due.
    fn step(&mut self, act: impl FnOnce(&mut Server, u64) -> Frames) {
        let now = self.now();
        let mut frames = act(&mut self.server, now);
        frames.extend(self.server.advance(now));
        for (to, frame) in frames {
            if let Some(link) = self.links.get(&to) {
                let _ = link.send(frame);
            }
        }
        self.stepped.notify_one();
    }
}

/// Steps the server whenever its clock says so.
async fn keep_time(state: Arc<Mutex<State>>) {
    let stepped = state.lock().unwrap().stepped.clone();
    loop {
        let deadline = {
            let state = state.lock().unwrap();
            state.server.deadline().map(|at| state.started + Duration::from_millis(at))
        };
        match deadline {
            Some(at) if at <= Instant::now() => state.lock().unwrap().step(|_, _| Vec::new()),
            Some(at) => {
                let _ = timeout_at(at, stepped.notified()).await;
            }
            None => stepped.notified().await,
        }
    }
}

/// A process of its own, as far as a test can have one: killed, none of its tasks goes on.
pub(super) struct Process(Runtime);

impl Process {
    pub(super) fn start() -> Self {
        Self(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
    }

    pub(super) fn run<T>(&self, act: impl FnOnce() -> T) -> T {
        let _entered = self.0.enter();
        act()
    }

    pub(super) fn kill(self) {
        self.0.shutdown_background();
    }
}

impl Host {
    pub(super) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        tokio::spawn(keep_time(state.clone()));
        Self::listen(state).await
    }

    /// Another address of the same server.
    pub(super) async fn door(&self) -> Self {
        Self::listen(self.state.clone()).await
    }

    async fn listen(state: Arc<Mutex<State>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (cuts, is_shut) = (watch::Sender::new(0), Arc::new(AtomicBool::new(false)));
        let host = Self { url, state: state.clone(), cuts: cuts.clone(), is_shut: is_shut.clone() };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if !is_shut.load(Ordering::SeqCst) {
                    tokio::spawn(serve(stream, state.clone(), cuts.subscribe()));
                }
            }
        });
        host
    }

    /// Cuts all connections of this address and takes no new ones for now.
    pub(super) fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(super) fn open(&self) {
        self.is_shut.store(false, Ordering::SeqCst);
    }

    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The server dies with all connections and starts again.
    pub(super) fn crash(&self) {
        let mut state = self.state.lock().unwrap();
        let now = state.now();
        state.server.crash(now);
        state.links.clear();
        drop(state);
        self.cut();
    }

    /// The durable events of a kind.
    pub(super) fn events(&self, kind: &str) -> Vec<Value> {
        let log = self.log();
        let events = log.iter().map(|event| serde_json::from_str(event).unwrap());
        events.filter(|event: &Value| event["kind"] == kind).collect()
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().server.log(&session()).events.clone()
    }

    pub(super) async fn user(&self) -> Session {
        self.person().session(&session()).await.unwrap()
    }

    pub(super) fn person(&self) -> Client {
        Client::connect(&self.url, Options::user("ann")).unwrap()
    }

    pub(super) fn agent(&self) -> Client {
        self.other_agent("bot")
    }

    pub(super) fn other_agent(&self, name: &str) -> Client {
        Client::connect(&self.url, Options::agent(name)).unwrap()
    }
}

#[expect(clippy::result_large_err, reason = "the signature is the library's")]
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, mut cuts: watch::Receiver<u32>) {
    let choose = |_: &Request, mut response: Response| {
        let protocol = SUBPROTOCOL.parse().unwrap();
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let Ok(socket) = accept_hdr_async(stream, choose).await else { return };
    let (mut sink, mut stream) = socket.split();
    let (sender, mut frames) = mpsc::unbounded_channel();
    let number = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        let number = state.connections;
        state.server.connect(number);
        state.links.insert(number, sender);
        number
    };
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(Ok(message)) = message else { break };
                let Message::Text(text) = message else { continue };
                let mut state = state.lock().unwrap();
                if !state.server.knows(number) {
                    // It has crashed, and this is not told yet.
                    break;
                }
                state.step(|server, now| server.take(now, number, &text));
            }
            Some(frame) = frames.recv() => {
                if sink.send(Message::text(frame)).await.is_err() {
                    break;
                }
            }
            _ = cuts.changed() => break,
        }
    }
    let mut state = state.lock().unwrap();
    state.links.remove(&number);
    state.step(|server, now| {
        server.disconnect(now, number);
        Vec::new()
    });
}
