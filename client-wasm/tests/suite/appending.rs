//! Text of several runs through cuts, refusals and crashes: joined, and whole.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one output")]

use std::collections::BTreeMap;

use crate::sim::conversation::{id, session};
use crate::sim::{Direction, Fault, World};
use durable_sessions_client::core::{Follow, Input, Output, PartName, RunEnd, Started};
use proptest::prelude::*;
use serde_json::{Value, json};

const RUNS: [&str; 3] = ["r0", "r1", "r2"];

/// What an agent writes next.
#[derive(Debug, Clone)]
enum Write {
    Text { run: usize, part: u32, text: String },
    Data { run: usize },
}

fn write() -> impl Strategy<Value = Write> {
    let run = 0..RUNS.len();
    let text = (run.clone(), 0..2_u32, "[a-c\"\n]{1,4}");
    prop_oneof![
        9 => text.prop_map(|(run, part, text)| Write::Text { run, part, text }),
        1 => run.prop_map(|run| Write::Data { run }),
    ]
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    let direction = prop_oneof![Just(Direction::Up), Just(Direction::Down)];
    let fault = (direction, 0..4_000_usize).prop_map(|(direction, after)| Fault {
        direction,
        after,
        is_silent: false,
    });
    prop::option::weighted(0.8, fault)
}

/// What each run says: its deltas joined as long as they are of one part, and its other events.
fn said<'a>(events: impl Iterator<Item = &'a Value>) -> BTreeMap<String, Vec<(Value, String)>> {
    let mut said: BTreeMap<String, Vec<(Value, String)>> = BTreeMap::new();
    for event in events.filter(|event| matches!(event["kind"].as_str(), Some("delta" | "data"))) {
        let run = said.entry(event["run"].as_str().unwrap().to_owned()).or_default();
        let text = event["text"].as_str().unwrap_or_default();
        match run.last_mut() {
            Some((part, before)) if *part == event["part"] && !part.is_null() => {
                before.push_str(text)
            }
            _ => run.push((event["part"].clone(), text.to_owned())),
        }
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn what_runs_write_is_in_the_log_whole_and_in_order_whatever_is_cut(
        writes in prop::collection::vec((0..4_usize, write()), 1..120),
        faults in prop::collection::vec(fault(), 0..6),
        crashes in prop::collection::vec(0..200_usize, 0..2),
        not_now in 0..6_u32,
    ) {
        let mut world = World::new();
        let agent = world.add("agent/bot");
        world.peers[agent].faults.extend(faults);
        world.server.not_now = not_now;
        let (producer, follow) = (id("p"), Follow::EVENTS);
        world.tell(agent, Input::Produce { session: session(), producer, follow });
        for run in RUNS {
            let (agent_name, in_reply_to, parent) = (id("bot"), None, None);
            let run = id(run);
            let started =
                Started { run, agent: agent_name, in_reply_to, parent, lease_ms: None };
            world.tell(agent, Input::StartRun { session: session(), started });
        }
        let mut steps = 0;
        let mut written = Vec::new();
        for (pause, write) in writes {
            for _ in 0..pause {
                if crashes.contains(&steps) {
                    world.crash();
                }
                steps += 1;
                world.step();
            }
            let event = match write {
                Write::Text { run, part, text } => {
                    let event = json!({
                        "kind": "delta", "run": RUNS[run], "part": part, "text": text,
                    });
                    let message = id(&format!("a-{}", RUNS[run]));
                    let to = PartName { message, part, part_type: "text".to_owned() };
                    let run = id(RUNS[run]);
                    world.tell(agent, Input::Append { session: session(), run, to, text });
                    event
                }
                Write::Data { run } => {
                    let event = json!({"kind": "data", "name": "n", "run": RUNS[run]});
                    let (run, text) = (id(RUNS[run]), event.to_string());
                    world.tell(agent, Input::Write { session: session(), run, event: text });
                    event
                }
            };
            written.push(event);
        }
        for run in RUNS {
            let end = RunEnd::Completed { data: None };
            world.tell(agent, Input::EndRun { session: session(), run: id(run), end });
        }
        let mut ended = 0;
        while ended < RUNS.len() {
            steps += 1;
            prop_assert!(world.step() && steps < 100_000, "it hangs");
            while let Some(output) = world.peers[agent].told.pop_front() {
                match output {
                    Output::RunEnded { .. } => ended += 1,
                    Output::WriteRefused { problem, .. } | Output::RunRefused { problem, .. } => {
                        panic!("refused: {problem}");
                    }
                    Output::ProducerFenced { .. } => panic!("it fenced itself"),
                    _ => {}
                }
            }
        }
        let log: Vec<Value> = world.server.log(&session()).events.iter()
            .map(|event| serde_json::from_str(event).unwrap())
            .collect();
        prop_assert_eq!(said(log.iter()), said(written.iter()));
    }
}
