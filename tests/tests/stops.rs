//! Stops, lost agents and lost connections, over real processes: what ends a run, what does not,
//! and that nothing of it enters the log afterwards.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use durable_sessions_client::core::{Status, StopTarget};
use durable_sessions_client::native::{Client, Options, Serve, Session, Worker};
use durable_sessions_protocol::fold::RunState;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_tests::agent::{count, counted};
use durable_sessions_tests::process::{Server, start_agent};
use durable_sessions_tests::proxy::{Budget, Proxy};
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::{eventually, http, log};
use serde_json::{Value, json};
use tempfile::TempDir;

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");
const RUDE_AGENT: &str = env!("CARGO_BIN_EXE_rude-agent");
const COUNTING_AGENT: &str = env!("CARGO_BIN_EXE_counting-agent");

/// What the server gives a stopped agent to end its run by itself.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// When a run of an agent that is gone has ended, by the promise made to people.
const LOST_WITHIN: Duration = Duration::from_secs(35);
/// Deltas that are enough to say that an agent is in the middle of its answer.
const SOME: usize = 5;
const PACE: Duration = Duration::from_millis(20);

struct Place {
    server: Server,
    _data: TempDir,
}

impl Place {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        Self { server: Server::start(SERVER, data.path()).await, _data: data }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// A user's view of the session all tests use.
    async fn user(&self) -> Session {
        let client = Client::connect(&self.server.url(), Options::user("ada")).unwrap();
        client.session(&SessionId::parse("s").unwrap()).await.unwrap()
    }

    /// An agent in this process that counts so far.
    fn counting(&self, agent: &str, numbers: u32) -> (Client, Worker) {
        let client = Client::connect(&self.server.url(), Options::agent(agent)).unwrap();
        let count = move |run| count(run, numbers, PACE);
        let worker = client.serve(agent, Serve::default(), count);
        (client, worker)
    }

    async fn log(&self) -> Vec<Value> {
        log::read(self.address(), "s").await
    }

    /// Waits until the log is as wanted.
    async fn until<T>(&self, what: &str, wanted: impl Fn(&[Value]) -> Option<T>) -> T {
        eventually(what, log::until(self.address(), "s", wanted)).await
    }

    /// Waits until a run that answers the input is in the middle of it.
    async fn streaming(&self, input: &str) -> String {
        self.until("an answer begins", |events| {
            let started = log::find(events, "run.started", "in_reply_to", input)?;
            let run = started["run"].as_str().unwrap().to_owned();
            (log::deltas(events, &run).len() >= SOME).then_some(run)
        })
        .await
    }

    async fn ended(&self, run: &str) -> Value {
        let ended = |events: &[Value]| log::find(events, "run.ended", "run", run).cloned();
        self.until("a run ends", ended).await
    }

    async fn send(&self, id: &str) {
        self.send_to(id, "assistant").await;
    }

    async fn send_to(&self, id: &str, agent: &str) {
        let event =
            json!({"kind": "message", "id": id, "role": "user", "text": "count", "to": agent});
        let sent = http::post(self.address(), "/v1/sessions/s/events", &[], &event).await;
        assert!(sent.unwrap().status.is_success());
    }

    /// Stops over HTTP. Answers the stop's offset and the runs it fenced.
    async fn stop(&self, body: Value) -> (u64, Vec<String>) {
        let stopped = http::post(self.address(), "/v1/sessions/s/stop", &[], &body).await.unwrap();
        let receipt = stopped.json();
        assert_eq!(stopped.status, 202, "{receipt}");
        let runs = receipt["runs"].as_array().unwrap().iter();
        let runs = runs.map(|run| run.as_str().unwrap().to_owned()).collect();
        (receipt["offset"].as_u64().unwrap(), runs)
    }
}

/// That a run's words stand before its stop, and nothing of it but its end after.
fn assert_fenced(events: &[Value], run: &str, stop: u64) {
    for event in events.iter().filter(|event| event["offset"].as_u64() > Some(stop)) {
        assert!(event["run"] != run || event["kind"] == "run.ended", "{event}");
    }
    let ends = events.iter().filter(|event| event["kind"] == "run.ended" && event["run"] == run);
    assert_eq!(ends.count(), 1, "a run ends once");
}

#[tokio::test]
async fn a_stop_while_an_answer_streams_ends_it_as_stopped() {
    let place = Place::new().await;
    let _agent = place.counting("assistant", 10_000);
    let user = place.user().await;
    let input = user.send("count").await.unwrap().id;
    let run = place.streaming(input.as_str()).await;

    let stop = user.stop(StopTarget::Run(Id::parse(&run).unwrap())).await.unwrap();
    assert_eq!(stop.runs, [Id::parse(&run).unwrap()]);
    let ended = place.ended(&run).await;
    assert_eq!(ended["outcome"], "stopped");
    assert_eq!(ended["from"]["id"], "assistant", "the agent itself obeys");
    assert_fenced(&place.log().await, &run, stop.offset.as_u64());

    let state = user.until(|transcript| {
        let run = transcript.runs().iter().find(|known| known.id == run)?;
        run.state.has_ended().then_some(run.state)
    });
    assert_eq!(eventually("the user sees it", state).await.unwrap(), RunState::Stopped);
}

#[tokio::test]
async fn nothing_of_a_stopped_run_enters_the_log_although_its_agent_writes_on() {
    let place = Place::new().await;
    let _rude = start_agent(RUDE_AGENT, &["--server", &place.server.url()]).await;
    place.send("question").await;
    let run = place.streaming("question").await;

    let pressed = Instant::now();
    let (stop, runs) = place.stop(json!({"run": run})).await;
    assert_eq!(runs, std::slice::from_ref(&run));
    let ended = place.ended(&run).await;
    assert_eq!((&ended["outcome"], &ended["from"]), (&json!("stopped"), &Value::Null));
    assert!(pressed.elapsed() >= STOP_GRACE, "the agent had its time");

    // The session goes on, and the agent is as rude as ever.
    place.send("next").await;
    let next = place.streaming("next").await;
    assert_fenced(&place.log().await, &run, stop);
    assert_ne!(next, run);
}

#[tokio::test]
async fn an_input_that_was_stopped_before_an_agent_came_is_never_answered() {
    let place = Place::new().await;
    place.send("unwanted").await;
    let (_, runs) = place.stop(json!({"message": "unwanted"})).await;
    assert_eq!(runs, [""; 0], "no run to wait for");
    place.send("wanted").await;

    let _agent = place.counting("assistant", 10);
    let run = place.until("the other input is answered", |events| {
        Some(log::find(events, "run.started", "in_reply_to", "wanted")?["run"].clone())
    });
    let run = run.await.as_str().unwrap().to_owned();
    assert_eq!(place.ended(&run).await["outcome"], "completed");
    let events = place.log().await;
    assert!(log::find(&events, "run.started", "in_reply_to", "unwanted").is_none());
    let fate = log::find(&events, "input.state", "id", "unwanted").unwrap();
    assert_eq!(fate["state"], "stopped");
}

#[tokio::test]
async fn a_stop_of_all_that_arrives_late_spares_what_its_sender_had_not_seen() {
    let place = Place::new().await;
    let _agent = place.counting("assistant", 10_000);
    let _other = place.counting("other", 10_000);
    let is_up = Arc::new(AtomicBool::new(true));
    let up = is_up.clone();
    let network = Proxy::start(place.address(), move |_| {
        if up.load(Ordering::Relaxed) { Budget::WHOLE } else { Budget::NONE }
    });
    let network = network.await;
    let client = Client::connect(&network.url(), Options::user("ada")).unwrap();
    let user = client.session(&SessionId::parse("s").unwrap()).await.unwrap();
    place.send("old").await;
    let old = place.streaming("old").await;
    place.send("waiting").await;
    let seen = user
        .until(|transcript| transcript.messages().iter().find(|it| it.id == "waiting").map(drop));
    eventually("the user sees what waits", seen).await.unwrap();

    is_up.store(false, Ordering::Relaxed);
    network.cut();
    let mut state = client.state();
    let offline = state.wait_for(|state| state.status != Status::Live);
    drop(eventually("the user is offline", offline).await.unwrap());
    let pressed = tokio::spawn(async move { user.stop(StopTarget::All).await });
    place.send_to("newer", "other").await;
    let newer = place.streaming("newer").await;
    place.send("late").await;

    is_up.store(true, Ordering::Relaxed);
    client.reconnect().await;
    let stop = eventually("the stop arrives", pressed).await.unwrap().unwrap();
    assert_eq!(stop.runs, [Id::parse(&old).unwrap()]);
    assert_eq!(place.ended(&old).await["outcome"], "stopped");
    let late = place.streaming("late").await;
    let events = place.log().await;
    assert_fenced(&events, &old, stop.offset.as_u64());
    assert_eq!(log::find(&events, "input.state", "id", "waiting").unwrap()["state"], "stopped");
    assert!(log::find(&events, "run.started", "in_reply_to", "waiting").is_none());
    for run in [newer, late] {
        let before = log::deltas(&events, &run).len();
        let goes_on = |events: &[Value]| (log::deltas(events, &run).len() > before).then_some(());
        place.until("a run that the sender had not seen goes on", goes_on).await;
    }

    let (_, runs) = place.stop(json!({"all": true})).await;
    assert_eq!(runs.len(), 2, "a stop without `seen` is about everything");
}

#[tokio::test]
async fn a_run_completes_after_everybody_who_watched_it_has_gone() {
    let place = Place::new().await;
    let _agent = place.counting("assistant", 100);
    let client = Client::connect(&place.server.url(), Options::user("ada")).unwrap();
    let session = client.session(&SessionId::parse("s").unwrap()).await.unwrap();
    let input = session.send("count").await.unwrap().id;
    let mut raw = Socket::hello(place.address(), "user/ada").await.unwrap();
    raw.send(&json!({"type": "attach", "session": "s"})).await.unwrap();
    raw.until("events").await.unwrap();
    let run = place.streaming(input.as_str()).await;

    client.close().await;
    drop(raw);
    assert_eq!(place.ended(&run).await["outcome"], "completed");
    let events = place.log().await;
    assert_eq!(log::text(&events, &run), counted(100));
    assert!(events.iter().all(|event| event["kind"] != "stop.requested"));
}

#[tokio::test]
async fn an_agent_writes_on_through_a_killed_server_and_not_a_word_is_lost() {
    let mut place = Place::new().await;
    let (client, _worker) = place.counting("assistant", 150);
    place.send("question").await;
    let run = place.streaming("question").await;
    for _ in 0..3 {
        place.server.kill().await;
        place.server.restart().await;
        let before = log::deltas(&place.log().await, &run).len();
        client.reconnect().await;
        let goes_on = |events: &[Value]| (log::deltas(events, &run).len() > before).then_some(());
        place.until("the agent goes on", goes_on).await;
    }
    assert_eq!(place.ended(&run).await["outcome"], "completed");
    assert_eq!(log::text(&place.log().await, &run), counted(150));
}

#[tokio::test]
async fn a_killed_agents_run_is_lost_in_time_and_its_input_goes_to_another() {
    let place = Place::new().await;
    let user = place.user().await;
    let url = place.server.url();
    let mut agent = start_agent(COUNTING_AGENT, &["--server", &url, "--numbers", "10000"]).await;
    let input = user.send("count").await.unwrap().id;
    let lost = place.streaming(input.as_str()).await;

    agent.kill().await.unwrap();
    let killed = Instant::now();
    let _second = place.counting("assistant", 10);
    let state = user.until(|transcript| {
        let run = transcript.runs().iter().find(|known| known.id == lost)?;
        run.state.has_ended().then_some(run.state)
    });
    assert_eq!(eventually("the user sees its end", state).await.unwrap(), RunState::Lost);
    assert!(killed.elapsed() < LOST_WITHIN, "{:?}", killed.elapsed());

    let second = place.until("another run claims the input", |events| {
        let mut claims = events.iter().filter(|it| it["in_reply_to"] == input.as_str());
        Some(claims.nth(1)?["run"].as_str().unwrap().to_owned())
    });
    let second = second.await;
    assert_eq!(place.ended(&second).await["outcome"], "completed");
    assert_eq!(log::text(&place.log().await, &second), counted(10));
}
