//! How a worker comes back.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one output")]

use crate::sim::conversation::{id, session};
use durable_sessions_client::core::{Client, Follow, Input, Options, Output, Started};
use durable_sessions_protocol::error::ErrorCode;
use serde_json::{Value, json};

/// Tells the core something; answers the frames it sends.
fn tell(core: &mut Client<Value>, input: Input<Value>) -> Vec<Value> {
    core.handle(0, input);
    let outputs = std::iter::from_fn(|| core.poll());
    let frames = outputs.filter_map(|output| match output {
        Output::Transmit { text, .. } => Some(serde_json::from_str(&text).unwrap()),
        _ => None,
    });
    frames.collect()
}

fn hear(core: &mut Client<Value>, socket: u32, frame: Value) -> Vec<Value> {
    tell(core, Input::Frame { socket, frame, bytes: 100 })
}

fn core() -> Client<Value> {
    Client::new(Options {
        client: id("client"),
        principal: Some("agent/bot".to_owned()),
        has_tokens: false,
        tabs: false,
        page: id("page"),
        keeps: false,
        seed: 1,
    })
}

fn produce() -> Input<Value> {
    Input::Produce { session: session(), producer: id("p"), follow: Follow::EVENTS }
}

#[test]
fn a_session_is_attached_once_for_its_events_and_its_runs() {
    let mut core = core();
    let (agent, sessions) = (id("assistant"), Vec::new());
    tell(&mut core, Input::Serve { agent, sessions, slots: 1, producer: None });
    tell(&mut core, Input::Opened { socket: 1 });
    hear(&mut core, 1, json!({"type": "welcome", "heartbeat_ms": 15_000, "limits": {}}));
    let frames = tell(&mut core, produce());
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!((&frames[0]["type"], &frames[0]["merge"]), (&json!("attach"), &json!(false)));
    grant(&mut core, &frames[0]);
    let events = json!([{"offset": 1, "kind": "data", "name": "n", "data": 1}]);
    let batch = json!({"type": "events", "session": "s", "first": 1, "last": 1, "events": events});
    core.handle(0, Input::Frame { socket: 1, frame: batch, bytes: 100 });
    let told = std::iter::from_fn(|| core.poll());
    let passed_on = told.filter(|output| matches!(output, Output::Events { .. }));
    assert_eq!(passed_on.count(), 1);
}

#[test]
fn after_a_cut_its_runs_are_named_before_it_offers_to_work() {
    let mut core = core();
    let agent = id("assistant");
    tell(
        &mut core,
        Input::Serve { agent: agent.clone(), sessions: Vec::new(), slots: 1, producer: None },
    );
    tell(&mut core, produce());
    let welcome = json!({"type": "welcome", "heartbeat_ms": 15_000, "limits": {}});
    tell(&mut core, Input::Opened { socket: 1 });
    let frames = hear(&mut core, 1, welcome.clone());
    let attach = frames.iter().find(|frame| frame["type"] == "attach").expect("an attach");
    let grant = json!({"epoch": 1, "seq": 0});
    let request = &attach["request"];
    let attached = json!({
        "type": "attached", "request": request, "session": "s", "log": "l", "tail": 0,
        "producer": grant,
    });
    hear(&mut core, 1, attached);
    let started = Started { run: id("r"), agent, in_reply_to: None, parent: None, lease_ms: None };
    let start = tell(&mut core, Input::StartRun { session: session(), started }).remove(0);
    hear(&mut core, 1, json!({"type": "ack", "request": start["request"], "first": 1, "last": 1}));
    tell(&mut core, Input::Closed { socket: 1, code: 1006 });
    tell(&mut core, Input::Opened { socket: 2 });
    let frames = hear(&mut core, 2, welcome);
    let at = |name: &str| frames.iter().position(|frame| frame["type"] == name).expect(name);
    assert_eq!(frames[at("attach")]["producer"], json!({"id": "p", "epoch": 1, "runs": ["r"]}));
    assert!(at("attach") < at("serve"), "{frames:?}");
}

/// A core whose worker of a fixed name was told of a run that the process before has left.
fn told_of_a_left_run() -> Client<Value> {
    let mut core = core();
    let (agent, producer) = (id("assistant"), Some(id("p")));
    tell(&mut core, Input::Serve { agent, sessions: Vec::new(), slots: 2, producer });
    tell(&mut core, Input::Opened { socket: 1 });
    hear(&mut core, 1, json!({"type": "welcome", "heartbeat_ms": 15_000, "limits": {}}));
    let wake = json!({
        "type": "wake", "agent": "assistant", "session": "s", "input": "m", "attempt": 1,
        "run": "r",
    });
    hear(&mut core, 1, wake);
    core
}

/// The attach that goes out once no more wakes are waited for.
fn attach(core: &mut Client<Value>) -> Value {
    core.handle(60, Input::Timeout);
    let frames = std::iter::from_fn(|| core.poll()).filter_map(|output| match output {
        Output::Transmit { text, .. } => Some(serde_json::from_str::<Value>(&text).unwrap()),
        _ => None,
    });
    frames.into_iter().find(|frame| frame["type"] == "attach").expect("an attach")
}

fn grant(core: &mut Client<Value>, attach: &Value) -> Vec<Output<Value>> {
    let frame = json!({
        "type": "attached", "request": attach["request"], "session": "s", "log": "l", "tail": 0,
        "producer": {"epoch": 2, "seq": 0},
    });
    core.handle(60, Input::Frame { socket: 1, frame, bytes: 100 });
    std::iter::from_fn(|| core.poll()).collect()
}

fn has_started(outputs: &[Output<Value>]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::RunStarted { .. }))
}

#[test]
fn a_run_to_be_taken_over_is_named_from_its_wake_on_and_starts_when_a_worker_takes_it() {
    let mut core = told_of_a_left_run();
    // Other input of the session is worked on first.
    let early = tell(&mut core, produce());
    assert!(early.iter().all(|frame| frame["type"] != "attach"), "more wakes may come");
    let attach = attach(&mut core);
    assert_eq!(attach["producer"], json!({"id": "p", "runs": ["r"]}));
    assert!(!has_started(&grant(&mut core, &attach)));
    let (session, producer, run) = (session(), id("p"), id("r"));
    core.handle(100, Input::TakeOver { session, producer, run });
    let outputs: Vec<_> = std::iter::from_fn(|| core.poll()).collect();
    assert!(has_started(&outputs));
}

#[test]
fn a_run_that_no_worker_takes_over_is_named_no_more() {
    let mut core = told_of_a_left_run();
    tell(&mut core, produce());
    let first = attach(&mut core);
    grant(&mut core, &first);
    let (agent, input) = (id("assistant"), id("m"));
    core.handle(100, Input::WakeDone { agent, session: session(), input });
    let again = attach(&mut core);
    assert_eq!(again["producer"], json!({"id": "p", "epoch": 2}));
}

#[test]
fn a_refused_offer_is_told_once_and_leaves_nothing_on_offer() {
    let mut core = core();
    let offer = |sessions: &[&str]| {
        let sessions = sessions.iter().map(|&name| name.to_owned()).collect();
        Input::Serve { agent: id("assistant"), sessions, slots: 1, producer: None }
    };
    tell(&mut core, offer(&[]));
    tell(&mut core, Input::Opened { socket: 1 });
    hear(&mut core, 1, json!({"type": "welcome", "heartbeat_ms": 15_000, "limits": {}}));
    let [first, second] = [&["no session"], &["s"]].map(|names| tell(&mut core, offer(names)));
    let refuse = |core: &mut Client<Value>, frames: &[Value]| {
        let [serve] = frames else { panic!("{frames:?}") };
        let error = json!({"code": "invalid"});
        let frame = json!({"type": "refused", "request": serve["request"], "error": error});
        core.handle(0, Input::Frame { socket: 1, frame, bytes: 100 });
        std::iter::from_fn(|| core.poll()).collect::<Vec<_>>()
    };
    assert_eq!(refuse(&mut core, &first), [], "another has taken its place");
    let told = refuse(&mut core, &second);
    let [Output::Transmit { text, .. }, Output::ServeRefused { agent, problem }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((agent, problem.code), (&id("assistant"), ErrorCode::Invalid));
    let withdrawal: Value = serde_json::from_str(text).unwrap();
    assert_eq!(withdrawal["slots"], 0);
    assert_eq!(refuse(&mut core, &[withdrawal]), [], "it is withdrawn");
}
