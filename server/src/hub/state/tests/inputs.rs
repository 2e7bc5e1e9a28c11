use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::limits::{INPUT_EXPIRY_MS, LEASE_MS};
use durable_sessions_protocol::offset::Offset;

use super::{Bench, code, id, writer};
use crate::hub::state::Offer;
use crate::hub::state::inputs::OFFERS_MAX_OF_AGENT;

fn asked(bench: &mut Bench, message: &str, to: &str) {
    let event = format!(r#"{{"kind":"message","id":"{message}","role":"user","text":"hi"{to}}}"#);
    bench.act("user/ann", &event).unwrap();
}

fn start(run: &str, agent: &str, input: &str) -> String {
    format!(r#"{{"kind":"run.started","run":"{run}","agent":"{agent}","in_reply_to":"{input}"}}"#)
}

fn offer(agent: &str, input: &str, offset: u64, attempt: u32) -> Offer {
    let offset = Offset::new(offset).unwrap();
    Offer { agent: id(agent), input: id(input), attempt, offset }
}

// DS-7.1, DS-7.4
#[test]
fn the_oldest_input_of_each_idle_agent_is_on_offer() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1", "");
    asked(&mut bench, "m2", r#","to":"assistant""#);
    asked(&mut bench, "m3", r#","to":"writer""#);
    asked(&mut bench, "m4", r#","to":null"#);
    assert_eq!(bench.state.offers(), [offer("assistant", "m1", 1, 1), offer("writer", "m3", 3, 1)]);
    bench.act("agent/a", &start("r1", "assistant", "m1")).unwrap();
    bench.kill();
    assert_eq!(bench.state.offers(), [offer("writer", "m3", 3, 1)]);
    // One open run at a time for an agent.
    assert_eq!(code(bench.act("agent/a", &start("r2", "assistant", "m2"))), ErrorCode::Busy);
    bench.act("agent/a", r#"{"kind":"run.ended","run":"r1","outcome":"failed"}"#).unwrap();
    assert_eq!(bench.state.offers(), [offer("assistant", "m2", 2, 1), offer("writer", "m3", 3, 1)]);
}

#[test]
fn a_part_of_many_inputs_is_on_offer_and_the_others_come_in() {
    let mut bench = Bench::new();
    for n in 0..OFFERS_MAX_OF_AGENT + 2 {
        asked(&mut bench, &format!("m{n}"), r#","if_running":"parallel""#);
    }
    asked(&mut bench, "other", r#","to":"writer""#);
    let offered = bench.offered();
    assert_eq!(offered.len(), OFFERS_MAX_OF_AGENT + 1);
    assert_eq!(offered.last().unwrap(), "other to writer");
    bench.act("agent/a", &start("r1", "assistant", "m3")).unwrap();
    let last = format!("m{OFFERS_MAX_OF_AGENT} to assistant");
    assert_eq!(bench.offered().get(OFFERS_MAX_OF_AGENT - 1), Some(&last));
}

#[test]
fn output_alone_moves_nothing_that_workers_hear_of() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1", "");
    bench.act("agent/a", &start("r1", "assistant", "m1")).unwrap();
    assert!(bench.state.take_move());
    let delta = r#"{"kind":"delta","id":"d","run":"r1","message":"a1","text":"x"}"#;
    bench.act("agent/a", delta).unwrap();
    assert!(!bench.state.take_move());
    // A connection takes the run's lease.
    let agent = writer("agent/a", Some(7));
    bench.state.renew(&agent, &[id("r1")]);
    assert!(bench.state.take_move());
    bench.state.leave(&agent.connection.unwrap(), bench.now);
    assert!(bench.state.take_move());
}

// DS-7.2
#[test]
fn only_the_first_run_claims_an_input() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1", "");
    asked(&mut bench, "n", r#","to":null"#);
    assert_eq!(code(bench.act("agent/a", &start("r1", "writer", "m1"))), ErrorCode::Invalid);
    bench.act("agent/a", &start("r1", "assistant", "m1")).unwrap();
    let second = bench.act("agent/b", &start("r2", "assistant", "m1"));
    assert_eq!(code(second), ErrorCode::AlreadyClaimed);
    assert_eq!(code(bench.act("agent/a", &start("r2", "assistant", "x"))), ErrorCode::NotFound);
    assert_eq!(code(bench.act("agent/a", &start("r2", "assistant", "n"))), ErrorCode::NotFound);
}

// DS-5.3, DS-5.4
#[test]
fn a_run_over_http_is_lost_when_its_writer_is_silent_for_the_lease() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1", "");
    bench.act("agent/a", &start("r1", "assistant", "m1")).unwrap();
    bench.pass(LEASE_MS - 1);
    let delta = r#"{"kind":"delta","id":"d","run":"r1","message":"a1","text":"x"}"#;
    bench.act("agent/a", delta).unwrap();
    bench.pass(LEASE_MS - 1);
    assert_eq!(bench.log().len(), 3);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
    assert_eq!(bench.state.offers(), [offer("assistant", "m1", 1, 2)]);
}

// DS-5.3
#[test]
fn over_http_every_append_renews_all_runs_of_its_writer() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1", "");
    asked(&mut bench, "m2", r#","to":"writer""#);
    bench.act("agent/a", &start("r1", "assistant", "m1")).unwrap();
    bench.act("agent/b", &start("r2", "writer", "m2")).unwrap();
    bench.pass(LEASE_MS - 1);
    bench.act("agent/a", r#"{"kind":"data","name":"alive"}"#).unwrap();
    bench.pass(LEASE_MS - 1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r2","outcome":"lost"}"#);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
}

// DS-5.3
#[test]
fn a_stop_is_a_sign_of_life_of_the_agent_that_sends_it() {
    let mut bench = Bench::new();
    bench.act("agent/a", r#"{"kind":"run.started","run":"r1","agent":"assistant"}"#).unwrap();
    bench.act("agent/b", r#"{"kind":"run.started","run":"r2","agent":"writer"}"#).unwrap();
    bench.pass(LEASE_MS - 1);
    bench.act("agent/a", r#"{"kind":"stop.requested","id":"s1","run":"r2"}"#).unwrap();
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r2","outcome":"stopped"}"#);
    bench.pass(LEASE_MS - 2);
    assert_eq!(bench.log().len(), 4);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
}

// DS-5.3, DS-5.5
#[test]
fn a_connection_holds_its_runs_and_its_loss_starts_their_lease() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", Some(7));
    asked(&mut bench, "m1", "");
    let grant = bench.claim(&agent, None, &[]).unwrap();
    bench.publish(&agent, Some(("p", grant.epoch, 0)), &[&start("r1", "assistant", "m1")]).unwrap();
    bench.pass(LEASE_MS * 10);
    assert_eq!(bench.log().len(), 2);
    bench.state.leave(&agent.connection.clone().unwrap(), bench.now);
    bench.pass(LEASE_MS - 1);
    // The same process is back and names its run.
    let back = writer("agent/a", Some(8));
    let again = bench.claim(&back, Some(grant.epoch), &["r1"]).unwrap();
    assert_eq!((again.epoch, again.seq), (grant.epoch, 1));
    bench.pass(LEASE_MS * 10);
    assert_eq!(bench.log().len(), 2);
    bench.kill();
    bench.pass(LEASE_MS - 1);
    assert_eq!(bench.log().len(), 2);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
}

// DS-7.7
#[test]
fn an_input_whose_runs_are_lost_expires_after_the_third() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1", "");
    for attempt in 1..=3 {
        assert_eq!(bench.state.offers(), [offer("assistant", "m1", 1, attempt)]);
        let run = format!("r{attempt}");
        bench.act("agent/a", &start(&run, "assistant", "m1")).unwrap();
        bench.kill();
        bench.pass(LEASE_MS);
    }
    assert_eq!(bench.last_event(), r#"{"kind":"input.state","id":"m1","state":"expired"}"#);
    assert!(bench.state.offers().is_empty());
    bench.kill();
    assert!(bench.state.offers().is_empty());
    assert_eq!(code(bench.act("agent/a", &start("r4", "assistant", "m1"))), ErrorCode::RunEnded);
}

// DS-7.7
#[test]
fn an_input_nobody_claims_expires() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1", "");
    bench.pass(INPUT_EXPIRY_MS - 1);
    bench.kill();
    assert_eq!(bench.log().len(), 1);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"input.state","id":"m1","state":"expired"}"#);
    assert_eq!(bench.state.deadline(), None);
}
