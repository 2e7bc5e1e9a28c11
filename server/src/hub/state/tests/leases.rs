//! How long runs live without a sign of life, and who takes them over.

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::limits::LEASE_MS;

use super::super::Connection;
use super::{Bench, code, id, writer};

#[test]
fn a_run_may_name_its_own_lease() {
    let mut bench = Bench::new();
    for ms in [0, 999, 86_400_001] {
        let started = bench.started("a", "r1", &format!(r#","lease_ms":{ms}"#));
        assert_eq!(code(started), ErrorCode::Invalid);
    }
    bench.started("a", "r1", r#","lease_ms":2000"#).unwrap();
    bench.pass(1_999);
    bench.said("a", "r1", "x").unwrap();
    bench.pass(1_000);
    bench.kill();
    assert_eq!(bench.state.deadline(), Some(bench.now + 2_000));
    bench.pass(2_000);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
}

#[test]
fn a_lost_connection_leaves_its_runs_the_lease_they_named() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", Some(1));
    bench.claim(&agent, None, &[]).unwrap();
    let start = r#"{"kind":"run.started","run":"r1","agent":"a","lease_ms":2000}"#;
    bench.publish(&agent, Some(("p", 1, 0)), &[start]).unwrap();
    bench.pass(100_000);
    bench.state.leave(&Connection { number: 1, client: Some(id("client")) }, bench.now);
    assert_eq!(bench.state.deadline(), Some(bench.now + 2_000));
}

#[test]
fn a_run_that_no_connection_holds_is_its_producers_to_take_over() {
    let mut bench = Bench::new();
    bench.asked("m1", "").unwrap();
    let agent = writer("agent/a", Some(1));
    bench.claim(&agent, None, &[]).unwrap();
    let start = r#"{"kind":"run.started","run":"r1","agent":"assistant","in_reply_to":"m1"}"#;
    bench.publish(&agent, Some(("p", 1, 0)), &[start]).unwrap();
    assert!(bench.state.orphans().is_empty());
    bench.state.leave(&Connection { number: 1, client: Some(id("client")) }, bench.now);
    let orphans = bench.state.orphans();
    let [orphan] = orphans.as_slice() else { panic!("one run was left: {orphans:?}") };
    assert_eq!((&orphan.run, &orphan.input, orphan.attempt), (&id("r1"), &id("m1"), 1));
    assert_eq!((&orphan.producer, &orphan.principal), (&id("p"), &agent.principal));
    bench.kill();
    assert_eq!(bench.state.orphans(), orphans);
    // The next process takes it, and nobody else may.
    let next = writer("agent/a", Some(2));
    bench.claim(&next, None, &["r1"]).unwrap();
    assert!(bench.state.orphans().is_empty());
    let delta = r#"{"kind":"delta","run":"r1","message":"a1","text":"on"}"#;
    bench.publish(&next, Some(("p", 2, 0)), &[delta]).unwrap();
    let old = bench.publish(&agent, Some(("p", 1, 1)), &[delta]);
    assert_eq!(code(old), ErrorCode::Fenced);
}

#[test]
fn what_a_process_left_behind_does_not_live_on_by_the_next_ones_work() {
    left_behind(false);
}

#[test]
fn what_a_process_left_behind_does_not_live_on_by_the_next_ones_work_through_a_restart() {
    left_behind(true);
}

fn left_behind(restarts: bool) {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    let start = |run: &str| format!(r#"{{"kind":"run.started","run":"{run}","agent":"a"}}"#);
    let write =
        |run: &str| format!(r#"{{"kind":"delta","run":"{run}","message":"{run}-m","text":"x"}}"#);
    bench.publish(&agent, Some(("p", 1, 0)), &[&start("left"), &start("taken")]).unwrap();
    // The next process takes one of them over, by writing to it, and not the other.
    bench.publish(&agent, Some(("p", 2, 0)), &[&start("new"), &write("taken")]).unwrap();
    let wrong = r#"{"kind":"delta","run":"x","message":"x","text":"x"}"#;
    bench.publish(&agent, Some(("p", 2, 1)), &[&write("left"), wrong]).unwrap_err();
    if restarts {
        bench.kill();
    }
    for seq in 2..6 {
        bench.pass(LEASE_MS / 3);
        bench.publish(&agent, Some(("p", 2, seq)), &[&write("new")]).unwrap();
    }
    let ended: Vec<_> =
        bench.log().iter().filter(|event| event.contains("run.ended")).cloned().collect();
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(ended[0].contains("left") && ended[0].contains("lost"), "{ended:?}");
}

#[test]
fn a_run_claimed_without_a_producer_does_not_live_on_by_a_producers_work() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    bench.started("a", "left", "").unwrap();
    bench.started("a", "taken", "").unwrap();
    let write =
        |run: &str| format!(r#"{{"kind":"delta","run":"{run}","message":"{run}-m","text":"x"}}"#);
    let start = r#"{"kind":"run.started","run":"new","agent":"a"}"#;
    bench.publish(&agent, Some(("p", 0, 0)), &[start]).unwrap();
    for seq in 1..5 {
        bench.pass(LEASE_MS / 3);
        // What an append writes itself lives by it, whoever started it.
        bench.publish(&agent, Some(("p", 0, seq)), &[&write("new"), &write("taken")]).unwrap();
    }
    let log = bench.log();
    let ended: Vec<_> = log.iter().filter(|event| event.contains("run.ended")).collect();
    assert_eq!(ended, [r#"{"kind":"run.ended","run":"left","outcome":"lost"}"#]);
}

#[test]
fn a_refused_publish_is_no_sign_of_life_whatever_it_begins_with() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    let start = r#"{"kind":"run.started","run":"r","agent":"a"}"#;
    bench.publish(&agent, Some(("p", 0, 0)), &[start]).unwrap();
    let deadline = bench.state.deadline();
    bench.now += LEASE_MS / 2;
    let output = [
        r#"{"kind":"delta","run":"r","message":"m","text":"x"}"#,
        r#"{"kind":"data","run":"r","name":"n","data":1}"#,
        r#"{"kind":"message","id":"n","role":"assistant","run":"r","text":"x"}"#,
    ];
    let wrong = r#"{"kind":"delta","run":"x","message":"x","text":"x"}"#;
    for (seq, output) in (1..).zip(output) {
        bench.publish(&agent, Some(("p", 0, seq)), &[output, wrong]).unwrap_err();
        assert_eq!(bench.state.deadline(), deadline, "{output}");
    }
    bench.publish(&agent, Some(("p", 0, 4)), &[output[0]]).unwrap();
    assert_eq!(bench.state.deadline(), Some(bench.now + LEASE_MS));
}

// DS-5.3
#[test]
fn a_fenced_process_keeps_nothing_alive_that_its_successor_has_left() {
    let mut bench = Bench::new();
    let (old, new) = (writer("agent/a", Some(1)), writer("agent/a", Some(2)));
    let epoch = bench.claim(&old, None, &[]).unwrap().epoch;
    let start = r#"{"kind":"run.started","run":"r1","agent":"a"}"#;
    bench.publish(&old, Some(("p", epoch, 0)), &[start]).unwrap();
    bench.claim(&new, None, &["r1"]).unwrap();
    // The newer process dies. The older one has no word of it all, and goes on with its pings.
    bench.state.leave(new.connection.as_ref().unwrap(), bench.now);
    bench.pass(LEASE_MS - 1);
    bench.state.renew(&old, &[id("r1")]);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
}

// DS-5.6
#[test]
fn a_run_that_goes_on_over_http_is_held_by_no_earlier_process() {
    let mut bench = Bench::new();
    let (old, http) = (writer("agent/a", Some(1)), writer("agent/a", None));
    let epoch = bench.claim(&old, None, &[]).unwrap().epoch;
    let start = r#"{"kind":"run.started","run":"r1","agent":"a"}"#;
    bench.publish(&old, Some(("p", epoch, 0)), &[start]).unwrap();
    let said = r#"{"kind":"delta","run":"r1","message":"m","text":"x"}"#;
    let not_its = r#"{"kind":"delta","run":"r0","message":"m","text":"x"}"#;
    let refused = bench.publish(&http, Some(("p", epoch + 1, 0)), &[said, not_its]);
    assert_eq!(code(refused), ErrorCode::NotFound);
    bench.pass(LEASE_MS);
    assert_eq!(bench.log().len(), 1, "it has written nothing: the connection holds the run");
    bench.publish(&http, Some(("p", epoch + 1, 1)), &[said]).unwrap();
    bench.pass(LEASE_MS - 1);
    assert_eq!(bench.log().len(), 2);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
}
