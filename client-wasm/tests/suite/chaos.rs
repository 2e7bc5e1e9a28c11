//! Many faults at once, and frames that are not what they should be.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one output")]

use crate::sim::conversation::{AGENT, Conversation, USER, id, session};
use crate::sim::server::Log;
use crate::sim::verdict::judge;
use crate::sim::{Direction, Fault, World};
use durable_sessions_client::core::{Act, Follow, Input, Output, Started};
use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::offset::Offset;
use proptest::prelude::*;
use serde_json::{Value, json};

fn fault() -> impl Strategy<Value = Option<Fault>> {
    let direction = prop_oneof![Just(Direction::Up), Just(Direction::Down)];
    let fault = (direction, 0..2_500_usize, any::<bool>());
    prop::option::weighted(
        0.9,
        fault.prop_map(|(direction, after, is_silent)| Fault { direction, after, is_silent }),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_row_of_cuts_refusals_and_crashes_leads_to_the_whole_conversation(
        user in prop::collection::vec(fault(), 0..6),
        // All that keeps the agent away is so little that no input runs out of tries.
        agent in prop::collection::vec(fault(), 0..4),
        outage in prop::option::of((0..150_usize, 0..90_000_u64)),
        crashes in prop::collection::vec(0..150_usize, 0..3),
        not_now in 0..12_u32,
        events_first in any::<bool>(),
    ) {
        let mut whole = Conversation::new();
        whole.play();
        let mut torn = Conversation::new();
        torn.world.server.not_now = not_now;
        torn.world.server.events_first = events_first;
        torn.world.peers[USER].faults.extend(user);
        torn.world.peers[AGENT].faults.extend(agent);
        torn.crashes = crashes;
        torn.outage = outage;
        torn.play();
        let has_lost = judge(&mut torn);
        if !has_lost {
            prop_assert_eq!(torn.timeless_log(), whole.timeless_log());
        }
    }

    #[test]
    fn acts_arrive_once_in_the_order_they_were_made(
        acts in 1..20_usize,
        faults in prop::collection::vec(fault(), 0..10),
        not_now in prop::collection::vec((0..80_usize, 1..5_u32), 0..6),
        crashes in prop::collection::vec(0..160_usize, 0..4),
    ) {
        let mut world = World::new();
        let user = world.add("user/ann");
        world.peers[user].faults.extend(faults);
        let ids: Vec<String> = (0..acts).map(|n| format!("m{n}")).collect();
        for name in &ids {
            let act = Act::text(id(name), "words");
            world.tell(user, Input::Send { session: session(), act });
        }
        let mut sent = Vec::new();
        for step in 0.. {
            if let Some((_, times)) = not_now.iter().find(|(at, _)| *at == step) {
                world.server.not_now = *times;
            }
            if crashes.contains(&step) {
                world.crash();
            }
            prop_assert!(world.step() && step < 100_000);
            while let Some(output) = world.peers[user].told.pop_front() {
                match output {
                    Output::Sent { id, .. } => sent.push(id.to_string()),
                    Output::Refused { problem, .. } => panic!("refused: {problem}"),
                    _ => {}
                }
            }
            if sent.len() == acts {
                break;
            }
        }
        prop_assert_eq!(&sent, &ids);
        let stored: Vec<String> = world.server.log(&session()).events.iter().map(|event| {
            let event: Value = serde_json::from_str(event).unwrap();
            event["id"].as_str().unwrap().to_owned()
        }).collect();
        prop_assert_eq!(&stored, &ids);
    }

    #[test]
    fn a_server_that_says_anything_never_makes_the_client_panic(
        frames in prop::collection::vec(anything(), 0..40),
        greet in any::<bool>(),
    ) {
        let mut world = World::new();
        let peer = world.add("agent/bot");
        let core = &mut world.peers[peer].core;
        let (producer, follow) = (id("p"), Follow::PATCHES);
        core.handle(0, Input::Produce { session: session(), producer, follow });
        core.handle(0, Input::Send { session: session(), act: Act::text(id("m"), "x") });
        let started = Started {
            run: id("r"), agent: id("assistant"), in_reply_to: None, parent: None,
            lease_ms: None,
        };
        core.handle(0, Input::StartRun { session: session(), started });
        let agent = id("assistant");
        core.handle(0, Input::Serve { agent, sessions: Vec::new(), slots: 1, producer: None });
        core.handle(0, Input::Opened { socket: 1 });
        if greet {
            let frame = json!({"type": "welcome", "heartbeat_ms": 1});
            core.handle(0, Input::Frame { socket: 1, frame, bytes: 0 });
        }
        for (now, frame) in frames.into_iter().enumerate() {
            core.handle(now as u64, Input::Frame { socket: 1, frame, bytes: 100_000 });
            while core.poll().is_some() {}
            let _ = core.timeout();
        }
    }
}

/// Frames of known types with fields that fit, do not fit, or are missing.
fn anything() -> impl Strategy<Value = Value> {
    let frame_type = prop::sample::select(vec![
        "welcome", "attached", "events", "ack", "refused", "reset", "detached", "wake", "ping",
        "pong", "draining", "error", "page", "presence", "new",
    ]);
    let value = prop_oneof![
        Just(json!("s")),
        Just(json!("r")),
        Just(json!("p")),
        Just(json!("m")),
        Just(json!("assistant")),
        Just(json!("deleted")),
        (0..40_u64).prop_map(|n| json!(n)),
        any::<u64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        any::<String>().prop_map(Value::from),
        Just(json!(null)),
        Just(json!([])),
        Just(json!([1, "r", {"kind": "run.ended", "run": "r"}])),
        Just(json!([{"kind": "stop.requested", "runs": ["r"]}])),
        Just(json!({"epoch": 1, "seq": 3})),
        prop::sample::select(ErrorCode::ALL).prop_map(|code| json!({
            "code": code.as_str(), "status": code.status(), "expected_seq": 1,
            "retry_after_ms": 3,
        })),
    ];
    let field = prop::sample::select(vec![
        "session",
        "request",
        "log",
        "tail",
        "first",
        "last",
        "events",
        "error",
        "producer",
        "reason",
        "agent",
        "input",
        "attempt",
        "heartbeat_ms",
        "limits",
        "runs",
        "offset",
        "retry_after_ms",
    ]);
    (frame_type, prop::collection::btree_map(field, value, 0..8)).prop_map(|(name, fields)| {
        let mut frame = json!({"type": name, "session": "s"});
        for (field, value) in fields {
            frame[field] = value;
        }
        frame
    })
}

/// Steps until the peer's app is told something; panics when that takes too long.
fn step_until(world: &mut World, peer: usize, mut wanted: impl FnMut(&Output<Value>) -> bool) {
    for _ in 0..10_000 {
        while let Some(output) = world.peers[peer].told.pop_front() {
            if wanted(&output) {
                return;
            }
        }
        assert!(world.step());
    }
    panic!("it never comes");
}

#[test]
fn another_log_starts_the_session_over_and_refuses_what_was_meant_for_the_old_one() {
    let mut world = World::new();
    let user = world.add("user/ann");
    let follow = Follow { patches: true, events: true, merge: false };
    world.tell(user, Input::Attach { session: session(), follow });
    world.tell(user, Input::Send { session: session(), act: Act::text(id("a"), "old") });
    step_until(&mut world, user, |output| matches!(output, Output::Sent { .. }));
    // The event itself is on its way.
    let one = Offset::new(1).unwrap();
    while world.peers[user].core.position(&session()).is_none_or(|at| at.offset < one) {
        assert!(world.step());
    }
    world.peers[user].told.clear();
    world.peers[user].is_reachable = false;
    world.cut(user);
    world.tell(user, Input::Send { session: session(), act: Act::text(id("b"), "late") });
    *world.server.log(&session()) = Log::new("restored");
    world.peers[user].is_reachable = true;
    let mut was_reset = false;
    step_until(&mut world, user, |output| {
        was_reset |= matches!(output, Output::Reset { log, .. } if log.as_str() == "restored");
        matches!(output, Output::Refused { id, problem, .. }
            if id.as_str() == "b" && problem.code == ErrorCode::LogChanged)
    });
    if !was_reset {
        step_until(&mut world, user, |output| matches!(output, Output::Reset { .. }));
    }
    assert!(world.server.log(&session()).events.is_empty());
}

#[test]
fn an_act_over_the_limit_is_refused_without_asking_the_server() {
    let mut world = World::new();
    let user = world.add("user/ann");
    let act = Act::text(id("big"), &"x".repeat(300 * 1024));
    world.tell(user, Input::Send { session: session(), act });
    let refused = world.peers[user].told.iter().any(|output| {
        matches!(output, Output::Refused { problem, .. } if problem.code == ErrorCode::TooLarge)
    });
    assert!(refused);
}

#[test]
fn a_full_outbox_refuses_the_next_act_and_a_discarded_one_makes_room() {
    let mut world = World::new();
    let user = world.add("user/ann");
    world.peers[user].is_reachable = false;
    let send = |world: &mut World, n: usize| {
        let act = Act::text(id(&format!("m{n}")), "words");
        world.tell(user, Input::Send { session: session(), act });
        let mut told = world.peers[user].told.drain(..);
        told.any(|output| {
            matches!(output, Output::Refused { problem, .. } if problem.code == ErrorCode::OutboxFull)
        })
    };
    let full = (0..300).find(|&n| send(&mut world, n)).expect("a bound");
    assert_eq!(full, durable_sessions_client::core::limits::OUTBOX_MAX_ENTRIES);
    assert!(world.peers[user].core.discard(&session(), &id("m7")));
    assert!(!world.peers[user].core.discard(&session(), &id("m7")));
    assert!(!send(&mut world, full));
}
