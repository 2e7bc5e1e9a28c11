use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::limits::STOP_GRACE_MS;

use super::{Bench, code, id};

fn asked(bench: &mut Bench, message: &str) {
    let event = format!(r#"{{"kind":"message","id":"{message}","role":"user","text":"hi"}}"#);
    bench.act("user/ann", &event).unwrap();
}

fn started(bench: &mut Bench, run: &str, input: &str) {
    let event = format!(
        r#"{{"kind":"run.started","run":"{run}","agent":"assistant","in_reply_to":"{input}"}}"#
    );
    bench.act("agent/a", &event).unwrap();
}

fn ended(bench: &mut Bench, run: &str, outcome: &str) -> Result<super::Published, super::Refusal> {
    let event = format!(r#"{{"kind":"run.ended","run":"{run}","outcome":"{outcome}"}}"#);
    bench.act("agent/a", &event)
}

const DELTA: &str = r#"{"kind":"delta","id":"d","run":"r1","message":"a1","text":"x"}"#;
const STOP_RUN: &str = r#"{"kind":"stop.requested","id":"s1","run":"r1"}"#;

// DS-6.2, DS-6.5, DS-6.8
#[test]
fn after_a_stop_only_the_end_of_the_run_passes() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1");
    started(&mut bench, "r1", "m1");
    let receipt = bench.act("user/bob", STOP_RUN).unwrap().receipt.unwrap();
    assert_eq!(receipt.runs, [id("r1")]);
    assert_eq!(code(bench.act("agent/a", DELTA)), ErrorCode::RunStopped);
    assert_eq!(code(ended(&mut bench, "r1", "completed")), ErrorCode::RunStopped);
    let with_result = r#"{"kind":"run.ended","run":"r1","outcome":"stopped","data":1}"#;
    assert_eq!(code(bench.act("agent/a", with_result)), ErrorCode::RunStopped);
    ended(&mut bench, "r1", "stopped").unwrap();
    bench.pass(STOP_GRACE_MS * 2);
    assert_eq!(bench.log().len(), 4);
    // The same stop again gets the same receipt; a new one of an ended run is refused.
    assert_eq!(bench.act("user/bob", STOP_RUN).unwrap().receipt, Some(receipt));
    let again = r#"{"kind":"stop.requested","id":"s2","run":"r1"}"#;
    assert_eq!(code(bench.act("user/bob", again)), ErrorCode::RunEnded);
}

// DS-6.6
#[test]
fn a_rude_agents_run_is_ended_by_the_server_and_the_grace_survives_restarts() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1");
    started(&mut bench, "r1", "m1");
    bench.act("user/ann", STOP_RUN).unwrap();
    bench.pass(STOP_GRACE_MS - 1000);
    bench.kill();
    assert_eq!(code(bench.act("agent/a", DELTA)), ErrorCode::RunStopped);
    assert_eq!(bench.state.deadline(), Some(bench.now + 1000));
    bench.pass(999);
    assert_eq!(bench.log().len(), 3);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"stopped"}"#);
    assert_eq!(code(ended(&mut bench, "r1", "stopped")), ErrorCode::RunEnded);
    assert_eq!(code(bench.act("agent/a", DELTA)), ErrorCode::RunEnded);
}

// DS-6.9
#[test]
fn a_later_stop_of_a_stopping_run_keeps_the_clock() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1");
    started(&mut bench, "r1", "m1");
    bench.act("user/ann", STOP_RUN).unwrap();
    bench.pass(STOP_GRACE_MS - 1);
    let later = r#"{"kind":"stop.requested","id":"s2","run":"r1"}"#;
    assert_eq!(bench.act("user/bob", later).unwrap().receipt.unwrap().runs, [id("r1")]);
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"stopped"}"#);
}

// DS-6.3, DS-6.7
#[test]
fn a_message_stopped_before_its_run_starts_is_never_answered() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1");
    let stop = r#"{"kind":"stop.requested","id":"s1","message":"m1"}"#;
    let receipt = bench.act("user/ann", stop).unwrap().receipt.unwrap();
    assert!(receipt.runs.is_empty());
    assert_eq!(bench.last_event(), r#"{"kind":"input.state","id":"m1","state":"stopped"}"#);
    assert!(bench.state.offers().is_empty());
    bench.kill();
    assert!(bench.state.offers().is_empty());
    let start = r#"{"kind":"run.started","run":"r1","agent":"assistant","in_reply_to":"m1"}"#;
    assert_eq!(code(bench.act("agent/a", start)), ErrorCode::RunStopped);
    let again = r#"{"kind":"stop.requested","id":"s2","message":"m1"}"#;
    assert_eq!(code(bench.act("user/ann", again)), ErrorCode::RunEnded);
}

// DS-6.4
#[test]
fn a_stop_of_all_that_comes_late_spares_what_it_had_not_seen() {
    let mut bench = Bench::new();
    asked(&mut bench, "m1");
    started(&mut bench, "r1", "m1");
    asked(&mut bench, "m2");
    ended(&mut bench, "r1", "completed").unwrap();
    started(&mut bench, "r2", "m2");
    asked(&mut bench, "m3");
    // Pressed when only m1 and r1 had been seen.
    let late = r#"{"kind":"stop.requested","id":"s1","all":true,"seen":2}"#;
    assert!(bench.act("user/ann", late).unwrap().receipt.unwrap().runs.is_empty());
    // A run stands at its input, not at its start.
    let seen = r#"{"kind":"stop.requested","id":"s2","all":true,"seen":3}"#;
    assert_eq!(bench.act("user/ann", seen).unwrap().receipt.unwrap().runs, [id("r2")]);
    assert!(bench.log().iter().all(|event| !event.contains("input.state")));
    let all = r#"{"kind":"stop.requested","id":"s3","all":true}"#;
    bench.act("user/ann", all).unwrap();
    assert_eq!(bench.last_event(), r#"{"kind":"input.state","id":"m3","state":"stopped"}"#);
}

// DS-6.1, DS-6.9
#[test]
fn a_refused_stop_says_why_and_appends_nothing() {
    let mut bench = Bench::new();
    bench
        .act("user/ann", r#"{"kind":"message","id":"n","role":"user","text":"x","to":null}"#)
        .unwrap();
    for (stop, wanted) in [
        (r#"{"kind":"stop.requested","id":"s1","run":"r"}"#, ErrorCode::NotFound),
        (r#"{"kind":"stop.requested","id":"s1","message":"m"}"#, ErrorCode::NotFound),
        (r#"{"kind":"stop.requested","id":"s1","message":"n"}"#, ErrorCode::NotFound),
        (r#"{"kind":"stop.requested","id":"s1","message":"n","all":true}"#, ErrorCode::Invalid),
        (r#"{"kind":"stop.requested","id":"s1"}"#, ErrorCode::Invalid),
    ] {
        assert_eq!(code(bench.act("user/ann", stop)), wanted, "{stop}");
    }
    assert_eq!(bench.log().len(), 1);
}

// DS-6.8
#[test]
fn each_stop_that_is_sent_again_has_its_own_receipt_from_a_checkpoint_too() {
    let mut bench = Bench::new();
    let stop = |n: u64| format!(r#"{{"kind":"stop.requested","id":"s{n}","run":"r{n}"}}"#);
    let mut receipts = Vec::new();
    for n in 0..5 {
        bench.started("a", &format!("r{n}"), "").unwrap();
        receipts.push(bench.act("user/ann", &stop(n)).unwrap().receipt.unwrap());
    }
    let checkpoint = bench.state.checkpoint();
    for _ in 0..2 {
        for (n, receipt) in (0..).zip(&receipts) {
            let again = bench.act("user/ann", &stop(n)).unwrap();
            assert_eq!((again.duplicate, again.receipt.as_ref()), (true, Some(receipt)));
            assert_eq!((receipt.id.clone(), receipt.offset), (id(&format!("s{n}")), again.first));
        }
        let other = bench.started("a", "r0", "").unwrap();
        assert_eq!((other.duplicate, other.receipt), (true, None), "it is no stop");
        let log = bench.state.log().clone();
        bench.state = super::State::restore(&checkpoint, &log, &id("assistant")).unwrap();
    }
}
