//! Steers and their fates.

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::limits::LEASE_MS;

use super::super::steers::RUN_MAX_STEERS;
use super::{Bench, Published, Refusal, code, writer};

fn steered(bench: &mut Bench, id: &str, run: &str) -> Result<Published, Refusal> {
    let event = format!(r#"{{"kind":"steer","id":"{id}","run":"{run}","text":"left"}}"#);
    bench.act("user/ann", &event)
}

fn used(bench: &mut Bench, agent: &str, id: &str) -> Result<Published, Refusal> {
    bench.act(agent, &format!(r#"{{"kind":"input.state","id":"{id}","state":"used"}}"#))
}

fn fate(id: &str, state: &str) -> String {
    format!(r#"{{"kind":"input.state","id":"{id}","state":"{state}"}}"#)
}

fn running() -> Bench {
    let mut bench = Bench::new();
    bench.started("a", "r1", "").unwrap();
    bench
}

#[test]
fn a_steer_is_used_once_and_by_the_owner_of_its_run() {
    let mut bench = running();
    steered(&mut bench, "s1", "r1").unwrap();
    assert_eq!(code(used(&mut bench, "agent/b", "s1")), ErrorCode::NotOwner);
    assert_eq!(code(used(&mut bench, "user/ann", "s1")), ErrorCode::Forbidden);
    bench.kill();
    used(&mut bench, "agent/a", "s1").unwrap();
    assert!(used(&mut bench, "agent/a", "s1").unwrap().duplicate);
    let again = bench.publish(&writer("agent/a", None), Some(("p", 0, 0)), &[&fate("s1", "used")]);
    assert_eq!(code(again), ErrorCode::IdConflict);
    bench.ended("a", "r1").unwrap();
    // It has its fate: the end adds none.
    assert!(bench.last_event().contains("run.ended"));
}

#[test]
fn a_steer_that_comes_too_late_is_refused() {
    let mut bench = running();
    assert_eq!(code(steered(&mut bench, "s0", "r0")), ErrorCode::NotFound);
    bench.stopped("stop", r#""run":"r1""#).unwrap();
    assert_eq!(code(steered(&mut bench, "s1", "r1")), ErrorCode::RunStopped);
    bench.pass(5_000);
    assert_eq!(code(steered(&mut bench, "s2", "r1")), ErrorCode::RunEnded);
}

#[test]
fn a_steer_that_its_run_did_not_take_expires_with_it() {
    let mut bench = running();
    steered(&mut bench, "s1", "r1").unwrap();
    steered(&mut bench, "s2", "r1").unwrap();
    bench.ended("a", "r1").unwrap();
    assert_eq!(bench.log()[4..], [fate("s1", "expired"), fate("s2", "expired")]);
    assert_eq!(code(used(&mut bench, "agent/a", "s1")), ErrorCode::RunEnded);
}

#[test]
fn a_steer_expires_with_a_lost_run_and_is_stopped_with_a_stopped_one() {
    let mut bench = running();
    steered(&mut bench, "s1", "r1").unwrap();
    bench.pass(LEASE_MS);
    assert_eq!(bench.last_event(), fate("s1", "expired"));
    bench.started("a", "r2", "").unwrap();
    bench.started("a", "r3", r#","parent":"r2""#).unwrap();
    steered(&mut bench, "s3", "r3").unwrap();
    steered(&mut bench, "s2", "r2").unwrap();
    bench.stopped("stop", r#""run":"r2""#).unwrap();
    let log = bench.log();
    assert_eq!(log[log.len() - 2..], [fate("s3", "stopped"), fate("s2", "stopped")]);
    assert_eq!(code(used(&mut bench, "agent/a", "s2")), ErrorCode::RunStopped);
    bench.pass(5_000);
    // Nobody says it twice.
    assert_eq!(bench.log().iter().filter(|event| event.contains("input.state")).count(), 3);
}

#[test]
fn a_refused_publish_leaves_its_steers_as_they_were() {
    let mut bench = running();
    steered(&mut bench, "s1", "r1").unwrap();
    let end = r#"{"kind":"run.ended","run":"r1","outcome":"completed"}"#;
    let delta = r#"{"kind":"delta","run":"r1","message":"m","text":"x"}"#;
    let agent = writer("agent/a", None);
    for (seq, events) in
        [vec![end, delta], vec![&*fate("s1", "used"), end, delta]].iter().enumerate()
    {
        let refused = bench.publish(&agent, Some(("p", 0, seq as u64)), events);
        assert_eq!(code(refused), ErrorCode::RunEnded);
    }
    assert_eq!(bench.log().len(), 2);
    used(&mut bench, "agent/a", "s1").unwrap();
}

#[test]
fn only_so_many_steers_wait_for_a_run() {
    let mut bench = running();
    for n in 0..RUN_MAX_STEERS {
        steered(&mut bench, &format!("s{n}"), "r1").unwrap();
    }
    assert_eq!(code(steered(&mut bench, "more", "r1")), ErrorCode::Invalid);
    used(&mut bench, "agent/a", "s0").unwrap();
    steered(&mut bench, "more", "r1").unwrap();
}

// DS-7.16
#[test]
fn neither_a_stop_nor_a_fate_waits_behind_a_steer_too_many() {
    let steer = |n: usize| format!(r#"{{"kind":"steer","id":"s{n}","run":"r1","text":"x"}}"#);
    let steers: Vec<String> = (0..=RUN_MAX_STEERS).map(steer).collect();
    let steers: Vec<&str> = steers.iter().map(String::as_str).collect();
    let more = steer(RUN_MAX_STEERS);
    let mut bench = running();
    // The run's own agent steers it, and takes its steers in one stream.
    let agent = writer("agent/a", None);
    let refused = bench.publish(&agent, Some(("p", 0, 0)), &steers).unwrap_err();
    assert_eq!((refused.problem.code, refused.index), (ErrorCode::Invalid, Some(RUN_MAX_STEERS)));
    bench.publish(&agent, Some(("p", 0, 1)), &steers[..RUN_MAX_STEERS]).unwrap();
    assert_eq!(code(bench.publish(&agent, Some(("p", 0, 2)), &[&more])), ErrorCode::Invalid);
    bench.publish(&agent, Some(("p", 0, 3)), &[&fate("s0", "used"), &more]).unwrap();
    // A person steers a run that takes nothing in, and stops it.
    let person = writer("user/ann", None);
    let another = steer(RUN_MAX_STEERS + 1);
    assert_eq!(code(bench.publish(&person, Some(("tab", 0, 0)), &[&another])), ErrorCode::Invalid);
    let stop = r#"{"kind":"stop.requested","id":"stop","run":"r1"}"#;
    bench.publish(&person, Some(("tab", 0, 1)), &[stop]).unwrap();
}

#[test]
fn a_steer_and_a_message_share_no_id() {
    let mut bench = running();
    bench.said("a", "r1", "x").unwrap();
    assert_eq!(code(steered(&mut bench, "r1-m", "r1")), ErrorCode::IdConflict);
    steered(&mut bench, "s1", "r1").unwrap();
    let delta = r#"{"kind":"delta","id":"y","run":"r1","message":"s1","text":"x"}"#;
    assert_eq!(code(bench.act("agent/a", delta)), ErrorCode::IdConflict);
}
