//! A message while its agent is at work: it waits, runs beside, takes over, or is refused; and only
//! the agent it is for answers it, once.

use std::time::Duration;

use durable_sessions_client::native::{Client, Options, Serve};
use durable_sessions_tests::agent::{count, counted};
use durable_sessions_tests::place::Place;
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::writer::{Writer, act, delta, ended};
use durable_sessions_tests::{eventually, log};
use serde_json::{Value, json};

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");

/// Users who interrupt each other.
const USERS: usize = 8;

async fn a_user(place: &Place) -> Socket {
    Socket::hello(place.address(), "user/ada").await.unwrap()
}

/// A connection that waits for work and takes none by itself.
async fn a_worker(place: &Place) -> Socket {
    let mut socket = Socket::hello(place.address(), "agent/assistant").await.unwrap();
    let serve = json!({"type": "serve", "request": 1, "agent": "assistant", "slots": 8});
    socket.send(&serve).await.unwrap();
    socket.until("ack").await.unwrap();
    socket
}

fn message(id: &str, if_running: &str) -> Value {
    json!({"kind": "message", "id": id, "role": "user", "text": "hi", "if_running": if_running})
}

async fn offered(worker: &mut Socket) -> String {
    let wake = eventually("work is offered", worker.until("wake")).await.unwrap();
    wake["input"].as_str().unwrap().to_owned()
}

/// Answers an input as a process of its own.
async fn claim(place: &Place, run: &str, input: &str) -> Writer {
    let mut writer =
        Writer::attach(place.address(), "agent/assistant", "s", run, &[]).await.unwrap();
    let started = json!({
        "kind": "run.started", "run": run, "agent": "assistant", "in_reply_to": input,
    });
    writer.must(&json!([started, delta(run, "x")])).await;
    writer
}

// DS-7.4, DS-7.10
#[tokio::test]
async fn a_message_to_an_agent_at_work_waits_runs_beside_is_refused_or_takes_over() {
    let place = Place::start(SERVER).await;
    let (mut user, mut worker) = (a_user(&place).await, a_worker(&place).await);
    act(&mut user, "s", &message("first", "reject")).await.unwrap();
    assert_eq!(offered(&mut worker).await, "first");
    let mut first = claim(&place, "r1", "first").await;

    act(&mut user, "s", &message("queued", "queue")).await.unwrap();
    act(&mut user, "s", &message("beside", "parallel")).await.unwrap();
    assert_eq!(offered(&mut worker).await, "beside", "the queued one is not on offer");
    let mut beside = claim(&place, "r2", "beside").await;

    let before = place.log().await.len();
    let refused = act(&mut user, "s", &message("no", "reject")).await.unwrap();
    assert_eq!(refused["error"]["code"], "busy");
    assert_eq!(place.log().await.len(), before, "a refusal writes nothing");

    let ack = act(&mut user, "s", &message("now", "interrupt")).await.unwrap();
    let events = place.log().await;
    let [stop, other, now] = &events[before..] else { panic!("{events:?}") };
    assert_eq!((&stop["kind"], &stop["run"]), (&json!("stop.requested"), &json!("r1")));
    assert_eq!((&other["id"], &other["run"]), (&json!("now.2"), &json!("r2")));
    assert_eq!((&now["id"], &now["offset"]), (&json!("now"), &ack["first"]));
    for (writer, run) in [(&mut first, "r1"), (&mut beside, "r2")] {
        let late = writer.publish(&json!([delta(run, "late")])).await.unwrap();
        assert_eq!(late["error"]["code"], "run_stopped");
        writer.must(&json!([ended(run, "stopped")])).await;
    }

    // What waited longer comes first.
    for (run, input) in [("r3", "queued"), ("r4", "now")] {
        assert_eq!(offered(&mut worker).await, input);
        let mut writer = claim(&place, run, input).await;
        writer.must(&json!([ended(run, "completed")])).await;
    }
}

// DS-7.10: decided in one step with the append
#[tokio::test]
async fn of_users_who_interrupt_each_other_each_stops_what_is_open_at_its_own_place() {
    let place = Place::start(SERVER).await;
    let mut user = a_user(&place).await;
    act(&mut user, "s", &message("first", "queue")).await.unwrap();
    let mut first = claim(&place, "r1", "first").await;
    let mut presses = Vec::new();
    for number in 0..USERS {
        let mut user = a_user(&place).await;
        presses.push(tokio::spawn(async move {
            act(&mut user, "s", &message(&format!("now{number}"), "interrupt")).await.unwrap()
        }));
    }
    for press in presses {
        assert_eq!(eventually("it is answered", press).await.unwrap()["type"], "ack");
    }
    let events = place.log().await;
    for number in 0..USERS {
        let id = format!("now{number}");
        let sent = log::find(&events, "message", "id", &id).unwrap()["offset"].as_u64().unwrap();
        // Each found the same run open, and its stop stands right before it.
        let stop = &events[usize::try_from(sent).unwrap() - 2];
        assert_eq!((&stop["id"], &stop["runs"]), (&json!(format!("{id}.1")), &json!(["r1"])));
    }
    let late = first.publish(&json!([delta("r1", "late")])).await.unwrap();
    assert_eq!(late["error"]["code"], "run_stopped");
}

// DS-7.1, DS-7.2
#[tokio::test]
async fn a_message_for_nobody_in_particular_is_answered_once_although_five_agents_serve() {
    let place = Place::start(SERVER).await;
    let mut agents = Vec::new();
    // Two processes of the one it is for, too.
    for name in ["assistant", "assistant", "unit-economics", "bid-cap", "test-plan", "writer"] {
        let client = Client::connect(&place.server.url(), Options::agent(name)).unwrap();
        let pace = Duration::from_millis(5);
        let worker = client.serve(name, Serve::default(), move |run| count(run, 20, pace));
        agents.push((client, worker));
    }
    let mut user = a_user(&place).await;
    for number in 0..10 {
        let id = format!("m{number}");
        let said = json!({"kind": "message", "id": id, "role": "user", "text": "hi"});
        act(&mut user, "s", &said).await.unwrap();
    }
    let events = eventually(
        "all are answered",
        log::until(place.address(), "s", |events| {
            let ends = events.iter().filter(|event| event["outcome"] == "completed");
            (ends.count() == 10).then(|| events.to_vec())
        }),
    );
    let events = events.await;
    let starts: Vec<&Value> = events.iter().filter(|it| it["kind"] == "run.started").collect();
    assert_eq!(starts.len(), 10, "one run each");
    for start in starts {
        assert_eq!(start["agent"], "assistant");
        assert_eq!(log::text(&events, start["run"].as_str().unwrap()), counted(20));
    }
}
