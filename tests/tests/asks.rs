//! People in the loop: asks that are answered once from any device, and steers that each have a fate.

use std::time::Duration;

use durable_sessions_client::native::{Client, Options};
use durable_sessions_protocol::fold::RunState;
use durable_sessions_protocol::id::SessionId;
use durable_sessions_tests::place::Place;
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::writer::{Writer, act, delta, ended};
use durable_sessions_tests::{eventually, http, log};
use serde_json::{Value, json};

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");

/// Devices that answer at the same time.
const DEVICES: usize = 12;
/// Tools a client is asked to call, while the answer streams.
const TOOL_CALLS: usize = 50;

async fn a_user(place: &Place, name: &str) -> Socket {
    Socket::hello(place.address(), &format!("user/{name}")).await.unwrap()
}

/// A run at work, held by its connection.
async fn a_run(place: &Place, run: &str) -> Writer {
    let mut writer = Writer::attach(place.address(), "agent/a", "s", run, &[]).await.unwrap();
    writer.must(&json!([{"kind": "run.started", "run": run, "agent": "a"}])).await;
    writer
}

fn ask(run: &str, ask: &str, expires_ms: u64) -> Value {
    json!({
        "kind": "run.suspended", "run": run, "ask": ask, "body": {"spend": 40},
        "expires_ms": expires_ms,
    })
}

fn answer(run: &str, ask: &str, answer: &Value) -> Value {
    json!({"kind": "run.resumed", "run": run, "ask": ask, "answer": answer})
}

fn steer(id: &str, run: &str) -> Value {
    json!({"kind": "steer", "id": id, "run": run, "text": "assume COGS 12"})
}

// DS-7.13
#[tokio::test]
async fn an_ask_is_answered_by_the_first_of_many_devices_and_by_no_other() {
    let place = Place::start(SERVER).await;
    let mut agent = a_run(&place, "r").await;
    agent.must(&json!([ask("r", "k", 60_000)])).await;
    let mut presses = Vec::new();
    for device in 0..DEVICES {
        // Devices of three people, who do not agree.
        let mut user = a_user(&place, &format!("u{}", device % 3)).await;
        presses.push(tokio::spawn(async move {
            act(&mut user, "s", &answer("r", "k", &json!(device % 2))).await.unwrap()
        }));
    }
    let mut first = None;
    for press in presses {
        let told = eventually("it is answered", press).await.unwrap();
        if told["type"] == "ack" {
            // The same answer of the same person from another device is that answer.
            assert_eq!(*first.get_or_insert_with(|| told["first"].clone()), told["first"]);
        } else {
            assert_eq!(told["error"]["code"], "already_answered");
        }
    }
    let events = place.log().await;
    let answers: Vec<&Value> = events.iter().filter(|it| it["kind"] == "run.resumed").collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(Some(&answers[0]["offset"]), first.as_ref());
    agent.must(&json!([delta("r", "spent"), ended("r", "completed")])).await;
}

// DS-7.14, DS-13.5
#[tokio::test]
async fn an_ask_that_nobody_answers_ends_its_run_although_its_agent_is_there() {
    let place = Place::start(SERVER).await;
    let client = Client::connect(&place.server.url(), Options::user("ada")).unwrap();
    let screen = client.session(&SessionId::parse("s").unwrap()).await.unwrap();
    let mut agent = a_run(&place, "r").await;
    agent.must(&json!([ask("r", "k1", 60_000), ask("r", "k2", 1_000)])).await;
    let shows = |wanted: RunState| {
        screen.until(move |transcript| {
            let run = transcript.runs().iter().find(|run| run.id == "r")?;
            (run.state == wanted).then_some(())
        })
    };
    eventually("the screen shows that it waits", shows(RunState::Suspended)).await.unwrap();
    eventually("the screen shows its end", shows(RunState::Lost)).await.unwrap();
    let refused = agent.publish(&json!([delta("r", "late")])).await.unwrap();
    assert_eq!(refused["error"]["code"], "run_ended");
    let mut user = a_user(&place, "ada").await;
    let late = act(&mut user, "s", &answer("r", "k1", &json!("yes"))).await.unwrap();
    assert_eq!(late["error"]["code"], "run_ended");
}

// vercel/ai#20446: many client-side tool calls over one WebSocket. TanStack/ai#286: sending apart
// from receiving
#[tokio::test]
async fn many_tool_calls_are_answered_over_one_socket_while_the_answer_streams() {
    let place = Place::start(SERVER).await;
    let mut agent = a_run(&place, "r").await;
    let mut browser = a_user(&place, "ada").await;
    let attach = json!({"type": "attach", "request": 1, "session": "s", "last": 0, "merge": false});
    browser.send(&attach).await.unwrap();
    browser.until("attached").await.unwrap();
    let writing = tokio::spawn(async move {
        for number in 0..TOOL_CALLS {
            let call = ask("r", &format!("tool-{number}"), 60_000);
            agent.must(&json!([delta("r", "calling "), call])).await;
        }
        agent
    });
    // The browser calls each tool as it reads of it, and sends without waiting for answers.
    let (mut called, mut acks, mut read) = (0, 0, 0);
    while acks < TOOL_CALLS {
        let frame = eventually("frames come", browser.next()).await.unwrap();
        match frame["type"].as_str().unwrap() {
            "events" => {
                for event in frame["events"].as_array().unwrap() {
                    assert!(event["offset"].as_u64() > Some(read), "each event once, in order");
                    read = event["offset"].as_u64().unwrap();
                    if event["kind"] == "run.suspended" {
                        let result = answer("r", event["ask"].as_str().unwrap(), &json!(called));
                        let publish = json!({
                            "type": "publish", "request": called, "session": "s",
                            "events": [result],
                        });
                        browser.send(&publish).await.unwrap();
                        called += 1;
                    }
                }
                let seen = json!({"type": "seen", "session": "s", "offset": read});
                browser.send(&seen).await.unwrap();
            }
            "ack" => acks += 1,
            "refused" => panic!("{frame}"),
            _ => {}
        }
    }
    let mut agent = eventually("all tools were called", writing).await.unwrap();
    agent.must(&json!([ended("r", "completed")])).await;
    let events = place.log().await;
    for number in 0..TOOL_CALLS {
        let results = events
            .iter()
            .filter(|it| it["kind"] == "run.resumed" && it["ask"] == format!("tool-{number}"));
        let results: Vec<_> = results.map(|it| &it["answer"]).collect();
        assert_eq!(results, [&json!(number)]);
    }
}

// DS-7.12
#[tokio::test]
async fn each_steer_is_used_expires_with_its_run_or_is_stopped_with_it() {
    let place = Place::start(SERVER).await;
    let mut user = a_user(&place, "ada").await;
    let (mut one, mut two) = (a_run(&place, "r1").await, a_run(&place, "r2").await);
    for (id, run) in [("used", "r1"), ("expired", "r1"), ("stopped", "r2")] {
        assert_eq!(act(&mut user, "s", &steer(id, run)).await.unwrap()["type"], "ack");
    }
    let took = json!([{"kind": "input.state", "id": "used", "state": "used"}]);
    one.must(&took).await;
    let not_its_own = json!([{"kind": "input.state", "id": "expired", "state": "used"}]);
    let refused = two.publish(&not_its_own).await.unwrap();
    assert_eq!(refused["error"]["code"], "not_owner");

    // The words stand right behind what decides them.
    let end = one.must(&json!([ended("r1", "completed")])).await;
    let body = json!({"run": "r2", "id": "stop"});
    let stop = http::post(place.address(), "/v1/sessions/s/stop", &[], &body).await.unwrap();
    let stop = stop.json()["offset"].as_u64().unwrap();
    let events = place.log().await;
    for (id, state, offset) in [("expired", "expired", end + 1), ("stopped", "stopped", stop + 1)] {
        let fates: Vec<_> = events
            .iter()
            .filter(|it| it["kind"] == "input.state" && it["id"] == id)
            .map(|it| (it["state"].as_str().unwrap(), it["offset"].as_u64().unwrap()))
            .collect();
        assert_eq!(fates, [(state, offset)]);
    }
    for (run, code) in [("r1", "run_ended"), ("r2", "run_stopped")] {
        let late = act(&mut user, "s", &steer(&format!("late-{run}"), run)).await.unwrap();
        assert_eq!(late["error"]["code"], code);
    }
}

// DS-7.12
#[tokio::test]
async fn a_steer_to_a_run_whose_agent_dies_expires_with_it() {
    let place = Place::start(SERVER).await;
    let mut user = a_user(&place, "ada").await;
    let mut agent = Writer::attach(place.address(), "agent/a", "s", "r", &[]).await.unwrap();
    let started = json!({"kind": "run.started", "run": "r", "agent": "a", "lease_ms": 1_000});
    agent.must(&json!([started])).await;
    act(&mut user, "s", &steer("late", "r")).await.unwrap();
    drop(agent);
    let fate = place.until("the steer is decided", |events| {
        log::find(events, "input.state", "id", "late").cloned()
    });
    let fate = tokio::time::timeout(Duration::from_secs(30), fate).await.unwrap();
    assert_eq!(fate["state"], "expired");
    let events = place.log().await;
    assert_eq!(log::find(&events, "run.ended", "run", "r").unwrap()["outcome"], "lost");
}
