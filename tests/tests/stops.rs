//! Stops, lost agents and lost connections, over real processes: what ends a run, what does not,
//! and that nothing of it enters the log afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use durable_sessions_client::core::{Status, StopTarget};
use durable_sessions_client::native::{Client, Options, Serve, Worker};
use durable_sessions_protocol::fold::RunState;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_tests::agent::{count, counted};
use durable_sessions_tests::place::Place;
use durable_sessions_tests::process::start_agent;
use durable_sessions_tests::proxy::{Budget, Proxy};
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::{eventually, http, log};
use serde_json::{Value, json};

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");
const RUDE_AGENT: &str = env!("CARGO_BIN_EXE_rude-agent");
const COUNTING_AGENT: &str = env!("CARGO_BIN_EXE_counting-agent");

/// What the server gives a stopped agent to end its run by itself.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// When a run of an agent that is gone has ended: a lease of 30 s, and what a busy machine adds.
const LOST_WITHIN: Duration = Duration::from_secs(50);
/// Deltas that are enough to say that an agent is in the middle of its answer.
const SOME: usize = 5;
const PACE: Duration = Duration::from_millis(20);

/// An agent in this process that counts so far.
fn counting(place: &Place, agent: &str, numbers: u32) -> (Client, Worker) {
    let client = Client::connect(&place.server.url(), Options::agent(agent)).unwrap();
    let count = move |run| count(run, numbers, PACE);
    let worker = client.serve(agent, Serve::default(), count);
    (client, worker)
}

async fn send(place: &Place, id: &str) {
    send_to(place, id, "assistant").await;
}

async fn send_to(place: &Place, id: &str, agent: &str) {
    let event = json!({"kind": "message", "id": id, "role": "user", "text": "count", "to": agent});
    let sent = http::post(place.address(), "/v1/sessions/s/events", &[], &event).await;
    assert!(sent.unwrap().status.is_success());
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
    let place = Place::start(SERVER).await;
    let _agent = counting(&place, "assistant", 10_000);
    let user = place.user().await;
    let input = user.send("count").await.unwrap().id;
    let run = place.streaming(input.as_str(), SOME).await;

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
    let place = Place::start(SERVER).await;
    let _rude = start_agent(RUDE_AGENT, &["--server", &place.server.url()]).await;
    send(&place, "question").await;
    let run = place.streaming("question", SOME).await;

    let pressed = Instant::now();
    let (stop, runs) = place.stop(json!({"run": run})).await;
    assert_eq!(runs, BTreeSet::from([run.clone()]));
    let ended = place.ended(&run).await;
    assert_eq!((&ended["outcome"], &ended["from"]), (&json!("stopped"), &Value::Null));
    assert!(pressed.elapsed() >= STOP_GRACE, "the agent had its time");

    // The session goes on, and the agent is as rude as ever.
    send(&place, "next").await;
    let next = place.streaming("next", SOME).await;
    assert_fenced(&place.log().await, &run, stop);
    assert_ne!(next, run);
}

#[tokio::test]
async fn an_input_that_was_stopped_before_an_agent_came_is_never_answered() {
    let place = Place::start(SERVER).await;
    send(&place, "unwanted").await;
    let (_, runs) = place.stop(json!({"message": "unwanted"})).await;
    assert!(runs.is_empty(), "no run to wait for");
    send(&place, "wanted").await;

    let _agent = counting(&place, "assistant", 10);
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
    let place = Place::start(SERVER).await;
    let _agent = counting(&place, "assistant", 10_000);
    let _other = counting(&place, "other", 10_000);
    let is_up = Arc::new(AtomicBool::new(true));
    let up = is_up.clone();
    let network = Proxy::start(place.address(), move |_| {
        if up.load(Ordering::Relaxed) { Budget::WHOLE } else { Budget::NONE }
    });
    let network = network.await;
    let client = Client::connect(&network.url(), Options::user("ada")).unwrap();
    let user = client.session(&SessionId::parse("s").unwrap()).await.unwrap();
    send(&place, "old").await;
    let old = place.streaming("old", SOME).await;
    send(&place, "waiting").await;
    let seen = user
        .until(|transcript| transcript.messages().iter().find(|it| it.id == "waiting").map(drop));
    eventually("the user sees what waits", seen).await.unwrap();

    is_up.store(false, Ordering::Relaxed);
    network.cut();
    let mut state = client.state();
    let offline = state.wait_for(|state| state.status != Status::Live);
    drop(eventually("the user is offline", offline).await.unwrap());
    let pressed = tokio::spawn(async move { user.stop(StopTarget::All).await });
    send_to(&place, "newer", "other").await;
    let newer = place.streaming("newer", SOME).await;
    send(&place, "late").await;

    is_up.store(true, Ordering::Relaxed);
    client.reconnect().await;
    let stop = eventually("the stop arrives", pressed).await.unwrap().unwrap();
    assert_eq!(stop.runs, [Id::parse(&old).unwrap()]);
    assert_eq!(place.ended(&old).await["outcome"], "stopped");
    let late = place.streaming("late", SOME).await;
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
    let place = Place::start(SERVER).await;
    let _agent = counting(&place, "assistant", 100);
    let client = Client::connect(&place.server.url(), Options::user("ada")).unwrap();
    let session = client.session(&SessionId::parse("s").unwrap()).await.unwrap();
    let input = session.send("count").await.unwrap().id;
    let mut raw = Socket::hello(place.address(), "user/ada").await.unwrap();
    raw.send(&json!({"type": "attach", "session": "s"})).await.unwrap();
    raw.until("events").await.unwrap();
    let run = place.streaming(input.as_str(), SOME).await;

    client.close().await;
    drop(raw);
    assert_eq!(place.ended(&run).await["outcome"], "completed");
    let events = place.log().await;
    assert_eq!(log::text(&events, &run), counted(100));
    assert!(events.iter().all(|event| event["kind"] != "stop.requested"));
}

#[tokio::test]
async fn an_agent_writes_on_through_a_killed_server_and_not_a_word_is_lost() {
    let mut place = Place::start(SERVER).await;
    let (client, _worker) = counting(&place, "assistant", 150);
    send(&place, "question").await;
    let run = place.streaming("question", SOME).await;
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
    let place = Place::start(SERVER).await;
    let user = place.user().await;
    let url = place.server.url();
    let mut agent = start_agent(COUNTING_AGENT, &["--server", &url, "--numbers", "10000"]).await;
    let input = user.send("count").await.unwrap().id;
    let lost = place.streaming(input.as_str(), SOME).await;

    agent.kill().await.unwrap();
    let killed = Instant::now();
    let _second = counting(&place, "assistant", 10);
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
