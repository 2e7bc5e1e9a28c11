//! How a worker comes back.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one output")]

use crate::sim::conversation::{id, session};
use durable_sessions_client::core::{Client, Follow, Input, Options, Output, Started};
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

#[test]
fn after_a_cut_its_runs_are_named_before_it_offers_to_work() {
    let mut core = Client::new(Options {
        client: id("client"),
        principal: Some("agent/bot".to_owned()),
        has_tokens: false,
        tabs: false,
        page: id("page"),
        keeps: false,
        seed: 1,
    });
    let agent = id("assistant");
    tell(
        &mut core,
        Input::Serve { agent: agent.clone(), sessions: Vec::new(), slots: 1, producer: None },
    );
    tell(&mut core, Input::Produce { session: session(), producer: id("p") });
    tell(&mut core, Input::Attach { session: session(), follow: Follow::EVENTS });
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
    let started = Started { run: id("r"), agent, in_reply_to: None, parent: None };
    let start = tell(&mut core, Input::StartRun { session: session(), started }).remove(0);
    hear(&mut core, 1, json!({"type": "ack", "request": start["request"], "first": 1, "last": 1}));
    tell(&mut core, Input::Closed { socket: 1, code: 1006 });
    tell(&mut core, Input::Opened { socket: 2 });
    let frames = hear(&mut core, 2, welcome);
    let at = |name: &str| frames.iter().position(|frame| frame["type"] == name).expect(name);
    assert_eq!(frames[at("attach")]["producer"], json!({"id": "p", "epoch": 1, "runs": ["r"]}));
    assert!(at("attach") < at("serve"), "{frames:?}");
}
