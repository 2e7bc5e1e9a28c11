//! The tokio driver over real sockets, against the real rules.

mod agents;
mod asks;
mod children;
mod leaving;
mod steers;
mod writing;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_sessions_client::core::{SessionStatus, Status, StopTarget};
use durable_sessions_client::native::{Client, Options, RunError, Serve, Session, Update};
use durable_sessions_protocol::fold::{RunState, Transcript};
use durable_sessions_protocol::frame::SUBPROTOCOL;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::sim::conversation::session;
use crate::sim::server::{Frames, Server};

/// What should happen happens well within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// The simulated server behind a listener. All connections can be cut at once.
struct Host {
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
struct Process(Runtime);

impl Process {
    fn start() -> Self {
        Self(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
    }

    fn run<T>(&self, act: impl FnOnce() -> T) -> T {
        let _entered = self.0.enter();
        act()
    }

    fn kill(self) {
        self.0.shutdown_background();
    }
}

impl Host {
    async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        tokio::spawn(keep_time(state.clone()));
        Self::listen(state).await
    }

    /// Another address of the same server.
    async fn door(&self) -> Self {
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
    fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
        self.cut();
    }

    fn open(&self) {
        self.is_shut.store(false, Ordering::SeqCst);
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The server dies with all connections and starts again.
    fn crash(&self) {
        let mut state = self.state.lock().unwrap();
        let now = state.now();
        state.server.crash(now);
        state.links.clear();
        drop(state);
        self.cut();
    }

    /// The durable events of a kind.
    fn events(&self, kind: &str) -> Vec<Value> {
        let log = self.log();
        let events = log.iter().map(|event| serde_json::from_str(event).unwrap());
        events.filter(|event: &Value| event["kind"] == kind).collect()
    }

    fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().server.log(&session()).events.clone()
    }

    async fn user(&self) -> Session {
        let client = Client::connect(&self.url, Options::user("ann")).unwrap();
        client.session(&session()).await.unwrap()
    }

    fn agent(&self) -> Client {
        self.other_agent("bot")
    }

    fn other_agent(&self, name: &str) -> Client {
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

async fn until<T>(session: &Session, wanted: impl FnMut(&Transcript) -> Option<T>) -> T {
    timeout(PATIENCE, session.until(wanted)).await.expect("in time").expect("open")
}

/// The state and text of the n-th run, once it has ended.
async fn ended(session: &Session, n: usize) -> (RunState, String) {
    stands(session, n, RunState::has_ended).await
}

/// The same, once its state is as wanted.
async fn stands(session: &Session, n: usize, wanted: fn(RunState) -> bool) -> (RunState, String) {
    until(session, |transcript| {
        let run = transcript.runs().get(n).filter(|run| wanted(run.state))?;
        let own = |message: &&_| {
            let message: &durable_sessions_protocol::fold::Message = message;
            message.role == "assistant" && message.run.as_deref() == Some(&run.id)
        };
        let text = transcript.messages().iter().find(own).map(|message| message.text.clone());
        Some((run.state, text.unwrap_or_default()))
    })
    .await
}

#[tokio::test]
async fn an_answer_survives_any_number_of_cuts_without_loss_or_doubling() {
    let host = Host::start().await;
    let agent = host.agent();
    let _worker = agent.serve("assistant", Serve::default(), async |run| {
        for n in 0..200 {
            run.write(&format!("{n} ")).await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Some("done".into()))
    });
    let user = host.user().await;
    user.send("count").await.unwrap();
    for length in [50, 200, 400] {
        until(&user, |transcript| {
            let last = transcript.messages().last()?;
            (last.role == "assistant" && last.text.len() > length).then_some(())
        })
        .await;
        host.cut();
    }
    let expected: String = (0..200).map(|n| format!("{n} ")).collect();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, expected));
    assert!(host.log().last().unwrap().ends_with(r#""outcome":"completed","data":"done"}"#));
}

#[tokio::test]
async fn a_stop_reaches_the_handler_and_its_run_ends_stopped_whatever_it_returns() {
    let host = Host::start().await;
    let agent = host.agent();
    let told = Arc::new(Notify::new());
    let tell = told.clone();
    let _worker = agent.serve("assistant", Serve::default(), move |run| {
        let told = tell.clone();
        async move {
            run.write("working").await?;
            run.stopped().await;
            assert!(run.is_stopped());
            let refused = run.write("more").await;
            assert!(matches!(refused, Err(RunError::Stopped)), "{refused:?}");
            told.notify_one();
            Ok(Some("a result".into()))
        }
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    let receipt = user.stop(StopTarget::All).await.unwrap();
    assert_eq!(receipt.runs.len(), 1);
    timeout(PATIENCE, told.notified()).await.expect("the handler is told");
    assert_eq!(ended(&user, 0).await, (RunState::Stopped, "working".to_owned()));
    assert!(host.log().last().unwrap().ends_with(r#""outcome":"stopped"}"#));
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_ends_its_run_failed_without_its_words() {
    let host = Host::start().await;
    let agent = host.agent();
    let _worker = agent.serve("assistant", Serve::default(), async |run| {
        assert_ne!(run.input().text, "panic", "a secret");
        Err(std::io::Error::other("a secret"))?;
        Ok(None)
    });
    let user = host.user().await;
    for (n, text) in ["fail", "panic", "fail"].into_iter().enumerate() {
        user.send(text).await.unwrap();
        assert_eq!(ended(&user, n).await.0, RunState::Failed);
    }
    let log = host.log();
    assert!(log.last().unwrap().contains(r#""error":{"code":"failed"}"#));
    assert!(!log.concat().contains("secret"));
}

#[tokio::test]
async fn a_handler_reads_the_conversation_up_to_its_input() {
    let host = Host::start().await;
    let agent = host.agent();
    let _worker = agent.serve("assistant", Serve::default(), async |run| {
        let history = run.history();
        let words: Vec<&str> = history.iter().map(|message| message.text.as_str()).collect();
        run.write(&words.join("|")).await?;
        Ok(None)
    });
    let user = host.user().await;
    user.send("a").await.unwrap();
    assert_eq!(ended(&user, 0).await.1, "a");
    user.send("b").await.unwrap();
    assert_eq!(ended(&user, 1).await.1, "a|a|b");
}

#[tokio::test]
async fn parts_of_different_types_stand_in_the_order_they_were_written() {
    let host = Host::start().await;
    let agent = host.agent();
    let _worker = agent.serve("assistant", Serve::default(), async |run| {
        run.write_as("reasoning", "hm").await?;
        run.write("so").await?;
        run.part(&serde_json::json!({"type": "chart"})).await?;
        run.write("there").await?;
        Ok(None)
    });
    let user = host.user().await;
    user.send("show").await.unwrap();
    ended(&user, 0).await;
    let parts = user.messages().pop().unwrap().parts;
    let types: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["reasoning", "text", "chart", "text"]);
}

#[tokio::test]
async fn a_dropped_worker_ends_its_open_runs() {
    let host = Host::start().await;
    let agent = host.agent();
    let worker = agent.serve("assistant", Serve::default(), async |run| {
        run.write("for ever").await?;
        std::future::pending().await
    });
    let user = host.user().await;
    user.send("wait").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    drop(worker);
    assert_eq!(ended(&user, 0).await.0, RunState::Failed);
}

#[tokio::test]
async fn updates_cover_the_log_in_order_through_a_cut() {
    let host = Host::start().await;
    let user = host.user().await;
    let mut updates = user.events().await.unwrap();
    for n in 0..10 {
        user.send(&n.to_string()).await.unwrap();
        if n % 3 == 0 {
            host.cut();
        }
    }
    let mut next = 1;
    while next <= 10 {
        match timeout(PATIENCE, updates.next()).await.unwrap().unwrap() {
            Update::Events { first, last, events } => {
                assert_eq!(first.as_u64(), next);
                assert_eq!(events.len() as u64, last.as_u64() - next + 1);
                next = last.as_u64() + 1;
            }
            Update::Reset { .. } => assert_eq!(next, 1),
            Update::Lagged => panic!("too slow"),
        }
    }
}

#[tokio::test]
async fn a_closed_client_refuses_what_waits_and_what_comes_later() {
    let client = Client::connect("http://127.0.0.1:9", Options::user("ann")).unwrap();
    let user = client.session(&session()).await.unwrap();
    let waiting = tokio::spawn({
        let user = user.clone();
        async move { user.send("never").await }
    });
    let mut state = client.state();
    state.wait_for(|state| state.status == Status::Waiting).await.unwrap();
    client.close().await;
    let refused = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.code.as_str(), "closed");
    assert_eq!(user.send("later").await.unwrap_err().code.as_str(), "closed");
    assert_eq!(user.state().borrow().status, SessionStatus::Closed);
    assert_eq!(state.borrow().status, Status::Closed);
}

#[test]
fn a_url_that_is_none_of_a_server_is_refused() {
    for url in ["", "127.0.0.1:1", "https://x", "http://", "http://x/y"] {
        assert!(Client::connect(url, Options::user("ann")).is_err(), "{url}");
    }
}
