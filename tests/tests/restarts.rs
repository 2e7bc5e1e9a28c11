//! Agents and servers that are killed in the middle of something: each thing goes to its right end,
//! also when nobody is there any more.

use std::time::{Duration, Instant};

use durable_sessions_protocol::fold::{MessageState, RunState};
use durable_sessions_tests::place::Place;
use durable_sessions_tests::process::start_agent;
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::writer::{Writer, act, delta};
use durable_sessions_tests::{eventually, http, log};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::process::Child;

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");
const LEASED_AGENT: &str = env!("CARGO_BIN_EXE_leased-agent");

/// The lease of the agents here, and by when a run of one that is gone has ended on every screen:
/// long before the lease that others have.
const LEASE: Duration = Duration::from_secs(1);
const LOST_WITHIN: Duration = Duration::from_secs(20);
/// What the server gives a stopped run.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// A lease that does not run out here, so that something else ends the run.
const LONG_LEASE: Duration = Duration::from_secs(60);
const SOME: usize = 5;

const SESSIONS: usize = 1_000;
const WORKERS: usize = 10;
/// Workers are killed when so many sessions have input. Twice: an input has one attempt more.
const KILLS_AT: [usize; 2] = [SESSIONS / 3, SESSIONS * 2 / 3];

/// An agent's process, with more arguments.
async fn start(place: &Place, more: &[&str]) -> Child {
    let server = place.address().to_string();
    let mut arguments = vec!["--server", &server];
    arguments.extend(more);
    start_agent(LEASED_AGENT, &arguments).await
}

async fn post(place: &Place, session: &str, event: &Value) {
    let path = format!("/v1/sessions/{session}/events");
    let sent = http::post(place.address(), &path, &[], event).await.unwrap();
    assert!(sent.status.is_success(), "{event}: {}", String::from_utf8_lossy(&sent.body));
}

async fn ask(place: &Place, session: &str, id: &str) {
    let message = json!({"kind": "message", "id": id, "role": "user", "text": "work"});
    post(place, session, &message).await;
}

/// A run with a long lease. Its agent is gone when this returns.
async fn left_run(place: &Place, run: &str) {
    let mut agent = a_writer(place, run).await;
    agent.must(&started(run)).await;
}

async fn a_writer(place: &Place, run: &str) -> Writer {
    Writer::attach(place.address(), "agent/left", "s", run, &[]).await.unwrap()
}

fn started(run: &str) -> Value {
    let lease_ms = LONG_LEASE.as_millis() as u64;
    json!([{"kind": "run.started", "run": run, "agent": "left", "lease_ms": lease_ms}])
}

/// The numbers up to the last one of a text, each once and in order.
fn assert_counts(text: &str) {
    for (index, word) in text.split_whitespace().enumerate() {
        assert_eq!(word, index.to_string(), "{text}");
    }
}

// DS-5.3, DS-5.4; resumable-stream#47, cloudflare/agents#1485: a dead agent leaves screens
// streaming for ever
#[tokio::test]
async fn a_killed_agents_run_is_lost_on_every_screen_within_its_lease() {
    let place = Place::start(SERVER).await;
    let screens = [place.user().await, place.user().await];
    let mut agent = start(&place, &["--words", "10000", "--pace-ms", "10"]).await;
    ask(&place, "s", "question").await;
    let run = place.streaming("question", SOME).await;
    agent.kill().await.unwrap();
    let killed = Instant::now();
    for screen in screens {
        let state = screen.until(|transcript| {
            let run = transcript.runs().iter().find(|known| known.id == run)?;
            run.state.has_ended().then_some(run.state)
        });
        assert_eq!(eventually("a screen sees its end", state).await.unwrap(), RunState::Lost);
    }
    assert!(killed.elapsed() >= LEASE / 2, "it had its lease: {:?}", killed.elapsed());
    assert!(killed.elapsed() < LOST_WITHIN, "{:?}", killed.elapsed());
}

// DS-5.6, DS-7.11
#[tokio::test]
async fn an_agent_that_is_killed_and_started_again_goes_on_with_its_run() {
    let place = Place::start(SERVER).await;
    let arguments =
        ["--producer", "home", "--words", "60", "--pace-ms", "20", "--lease-ms", "20000"];
    let mut agent = start(&place, &arguments).await;
    ask(&place, "s", "question").await;
    let run = place.streaming("question", SOME).await;
    agent.kill().await.unwrap();
    let _again = start(&place, &arguments).await;
    assert_eq!(place.ended(&run).await["outcome"], "completed");
    let events = place.log().await;
    let claims = events.iter().filter(|event| event["kind"] == "run.started").count();
    assert_eq!(claims, 1, "the same run went on");
}

// DS-5.2, DS-7.7
#[tokio::test]
async fn an_agent_that_comes_back_under_another_name_does_its_work_anew() {
    let place = Place::start(SERVER).await;
    let mut agent = start(&place, &["--words", "10000", "--pace-ms", "10"]).await;
    ask(&place, "s", "question").await;
    let lost = place.streaming("question", SOME).await;
    agent.kill().await.unwrap();
    let _again = start(&place, &["--words", "10"]).await;
    let second = place.until("another run claims the input", |events| {
        let mut claims = events.iter().filter(|it| it["in_reply_to"] == "question");
        Some(claims.nth(1)?["run"].as_str().unwrap().to_owned())
    });
    let second = second.await;
    assert_eq!(place.ended(&lost).await["outcome"], "lost");
    assert_eq!(place.ended(&second).await["outcome"], "completed");
    assert_counts(&log::text(&place.log().await, &second));
}

// DS-7.7
#[tokio::test]
async fn an_input_whose_agent_always_crashes_expires_after_three_attempts() {
    let place = Place::start(SERVER).await;
    let screens = [place.user().await, place.user().await];
    ask(&place, "s", "poison").await;
    let expired = tokio::spawn({
        let address = place.address();
        log::until(address, "s", |events| log::find(events, "input.state", "id", "poison").cloned())
    });
    let crashes = async {
        while !expired.is_finished() {
            let mut agent = start(&place, &["--crash"]).await;
            // It dies of its work, or has none any more.
            tokio::select! {
                _ = agent.wait() => {}
                () = tokio::time::sleep(LEASE) => agent.kill().await.unwrap(),
            }
        }
    };
    eventually("the input expires", crashes).await;
    assert_eq!(expired.await.unwrap()["state"], "expired");
    let events = place.log().await;
    let outcomes: Vec<&Value> = events
        .iter()
        .filter(|event| event["kind"] == "run.ended")
        .map(|event| &event["outcome"])
        .collect();
    assert_eq!(outcomes, ["lost"; 3]);
    for screen in screens {
        let state = screen.until(|transcript| {
            let message = transcript.messages().iter().find(|it| it.id == "poison")?;
            (message.state != MessageState::Sent).then_some(message.state)
        });
        assert_eq!(eventually("a screen sees it", state).await.unwrap(), MessageState::Lost);
    }
}

// DS-6.6
#[tokio::test]
async fn a_pending_stop_ends_its_run_after_the_server_was_killed_with_nobody_there() {
    let mut place = Place::start(SERVER).await;
    left_run(&place, "r").await;
    let pressed = Instant::now();
    let body = json!({"run": "r"});
    let stop = http::post(place.address(), "/v1/sessions/s/stop", &[], &body).await.unwrap();
    assert_eq!(stop.json()["runs"], json!(["r"]));
    place.restart().await;
    let end = place.ended("r").await;
    assert_eq!((&end["outcome"], &end["from"]), (&json!("stopped"), &Value::Null));
    let took = pressed.elapsed();
    assert!(took >= STOP_GRACE && took < LONG_LEASE, "{took:?}");
}

// DS-7.14
#[tokio::test]
async fn a_suspended_run_is_lost_when_its_ask_runs_out_over_a_killed_server() {
    let mut place = Place::start(SERVER).await;
    let mut agent = a_writer(&place, "r").await;
    let ask = json!({
        "kind": "run.suspended", "run": "r", "ask": "k", "body": "spend?", "expires_ms": 3_000,
    });
    agent.must(&started("r")).await;
    agent.must(&json!([ask])).await;
    drop(agent);
    place.restart().await;
    let end = place.ended("r").await;
    assert_eq!((&end["outcome"], &end["from"]), (&json!("lost"), &Value::Null));
    let suspended = log::find(&place.log().await, "run.suspended", "ask", "k").unwrap().clone();
    let waited = end["at"].as_u64().unwrap() - suspended["at"].as_u64().unwrap();
    assert!((3_000..60_000).contains(&waited), "{waited} ms");
}

// DS-7.13
#[tokio::test]
async fn a_suspended_run_is_answered_after_the_server_was_killed() {
    let mut place = Place::start(SERVER).await;
    let mut agent = a_writer(&place, "r").await;
    let ask = json!({"kind": "run.suspended", "run": "r", "ask": "k", "body": "spend?"});
    agent.must(&started("r")).await;
    agent.must(&json!([ask])).await;
    drop(agent);
    place.restart().await;
    let about = http::get(place.address(), "/v1/sessions/s").await.unwrap().json();
    assert_eq!(about["runs"][0]["state"], "suspended", "{about}");
    let answer = json!({"kind": "run.resumed", "run": "r", "ask": "k", "answer": "yes"});
    post(&place, "s", &answer).await;
    // Its process, started anew, goes on with it.
    let mut agent = Writer::attach(place.address(), "agent/left", "s", "r", &["r"]).await.unwrap();
    agent.must(&json!([delta("r", "thanks"), {"kind": "run.ended", "run": "r", "outcome": "completed"}])).await;
    assert_eq!(place.ended("r").await["outcome"], "completed");
}

// DS-7.4
#[tokio::test]
async fn queued_inputs_are_answered_in_order_after_the_server_was_killed() {
    let mut place = Place::start(SERVER).await;
    let mut first = start(&place, &["--words", "10000", "--pace-ms", "10"]).await;
    ask(&place, "s", "one").await;
    let run = place.streaming("one", SOME).await;
    ask(&place, "s", "two").await;
    ask(&place, "s", "three").await;
    // Both die, and nobody is there for a while: the run is lost, its input waits with the others.
    first.kill().await.unwrap();
    place.restart().await;
    assert_eq!(place.ended(&run).await["outcome"], "lost");
    let _second = start(&place, &["--words", "2"]).await;
    let answered = place.until("all are answered", |events| {
        let completed = events.iter().filter(|event| event["outcome"] == "completed");
        (completed.count() == 3).then(|| {
            let claims = events.iter().filter(|event| event["kind"] == "run.started");
            claims.map(|it| it["in_reply_to"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        })
    });
    assert_eq!(answered.await, ["one", "one", "two", "three"]);
}

// DS-7.6
#[tokio::test]
async fn an_input_that_was_on_offer_is_offered_again_after_the_server_was_killed() {
    let mut place = Place::start(SERVER).await;
    ask(&place, "s", "question").await;
    let mut idle = Socket::hello(place.address(), "agent/idle").await.unwrap();
    let serve = json!({"type": "serve", "request": 1, "agent": "assistant"});
    idle.send(&serve).await.unwrap();
    let wake = eventually("it is offered", idle.until("wake")).await.unwrap();
    assert_eq!((&wake["input"], &wake["attempt"]), (&json!("question"), &json!(1)));
    place.restart().await;
    let mut idle = Socket::hello(place.address(), "agent/idle").await.unwrap();
    idle.send(&serve).await.unwrap();
    let wake = eventually("it is offered again", idle.until("wake")).await.unwrap();
    assert_eq!((&wake["input"], &wake["attempt"]), (&json!("question"), &json!(1)));
    drop(idle);
    let _agent = start(&place, &[]).await;
    let ended = |events: &[Value]| events.iter().find(|it| it["kind"] == "run.ended").cloned();
    assert_eq!(place.until("it is answered", ended).await["outcome"], "completed");
}

// novu#12418, unfence-labs/hive#358: a retried send doubles the turn
#[tokio::test]
async fn a_send_that_is_retried_over_a_killed_server_is_one_turn() {
    let mut place = Place::start(SERVER).await;
    for _ in 0..3 {
        ask(&place, "s", "question").await;
        place.restart().await;
        let mut user = Socket::hello(place.address(), "user/anonymous").await.unwrap();
        let again = json!({"kind": "message", "id": "question", "role": "user", "text": "work"});
        assert_eq!(act(&mut user, "s", &again).await.unwrap()["first"], 1);
    }
    let _agent = start(&place, &[]).await;
    place
        .until("it is answered", |events| {
            log::find(events, "run.ended", "outcome", "completed").cloned()
        })
        .await;
    ask(&place, "s", "question").await;
    let events = place.log().await;
    let count = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
    assert_eq!((count("message"), count("run.started")), (1, 1));
}

// DS-7.4, DS-7.7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_input_of_a_thousand_sessions_is_completed_once_although_workers_are_killed() {
    let place = Place::start(SERVER).await;
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |it| it.parse().unwrap());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let arguments = ["--slots", "8", "--words", "5", "--pace-ms", "40"];
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(start(&place, &arguments).await);
    }
    let began = Instant::now();
    let mut user = Socket::hello(place.address(), "user/ada").await.unwrap();
    let mut kills = 0;
    for number in 0..SESSIONS {
        // Two for each: the second waits for the first.
        for id in ["one", "two"] {
            let message = json!({"kind": "message", "id": id, "role": "user", "text": "work"});
            let sent = act(&mut user, &format!("s{number}"), &message).await.unwrap();
            assert_eq!(sent["type"], "ack", "{sent}");
        }
        if KILLS_AT.contains(&number) {
            workers.shuffle(&mut random);
            let some = random.random_range(WORKERS / 2..WORKERS);
            for worker in &mut workers[..some] {
                worker.kill().await.unwrap();
                *worker = start(&place, &arguments).await;
            }
            kills += some;
        }
    }
    let (mut lost, mut runs) = (0, 0);
    for number in 0..SESSIONS {
        let session = format!("s{number}");
        let done = log::until(place.address(), &session, |events| {
            let completed = events.iter().filter(|event| event["outcome"] == "completed").count();
            (completed == 2).then(|| events.to_vec())
        });
        let events = eventually("both inputs are answered", done).await;
        for id in ["one", "two"] {
            let claims: Vec<&Value> =
                events.iter().filter(|event| event["in_reply_to"] == id).collect();
            let outcomes: Vec<&str> = claims
                .iter()
                .filter_map(|claim| {
                    let run = claim["run"].as_str().unwrap();
                    log::find(&events, "run.ended", "run", run)?["outcome"].as_str()
                })
                .collect();
            let completed = outcomes.iter().filter(|outcome| **outcome == "completed").count();
            assert_eq!(completed, 1, "s{number} {id}: {outcomes:?}");
            lost += outcomes.len() - completed;
            runs += claims.len();
        }
    }
    println!(
        "{} inputs, {runs} runs, {lost} of them lost by {kills} kills, in {:.1?}",
        SESSIONS * 2,
        began.elapsed()
    );
    assert!(lost > 0, "no kill hit a run");
}
