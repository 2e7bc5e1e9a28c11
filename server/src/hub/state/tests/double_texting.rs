//! Messages to an agent that is at work.

use durable_sessions_protocol::error::ErrorCode;

use super::{Bench, code};

/// The assistant works on `m1`, and has a helper at work for it.
fn at_work() -> Bench {
    let mut bench = Bench::new();
    bench.asked("m1", "").unwrap();
    bench.started("assistant", "r1", r#","in_reply_to":"m1""#).unwrap();
    bench.delegated("assistant", "r1", "d1", "helper").unwrap();
    bench.started("helper", "h1", r#","in_reply_to":"d1""#).unwrap();
    bench
}

#[test]
fn a_queued_message_waits_for_the_open_root_run() {
    let mut bench = at_work();
    bench.asked("m2", r#","if_running":"queue""#).unwrap();
    assert!(bench.offered().is_empty());
    let early = bench.started("assistant", "r2", r#","in_reply_to":"m2""#);
    assert_eq!(code(early), ErrorCode::Busy);
    bench.ended("assistant", "r1").unwrap();
    // The helper is still at work, but for another.
    assert_eq!(bench.offered(), ["m2 to assistant"]);
}

#[test]
fn a_parallel_message_waits_for_nobody_also_after_a_restart() {
    let mut bench = at_work();
    bench.asked("m2", "").unwrap();
    bench.asked("m3", r#","if_running":"parallel""#).unwrap();
    bench.kill();
    assert_eq!(bench.offered(), ["m3 to assistant"]);
    bench.started("assistant", "r3", r#","in_reply_to":"m3""#).unwrap();
    bench.ended("assistant", "r1").unwrap();
    assert!(bench.offered().is_empty());
    bench.ended("assistant", "r3").unwrap();
    assert_eq!(bench.offered(), ["m2 to assistant"]);
}

#[test]
fn delegated_work_waits_for_nobody() {
    let mut bench = at_work();
    bench.delegated("assistant", "r1", "d2", "helper").unwrap();
    bench.delegated("assistant", "r1", "d3", "helper").unwrap();
    bench.asked("m2", r#","to":"helper""#).unwrap();
    bench.asked("m3", r#","to":"helper""#).unwrap();
    // A helper's work for others does not keep it from its own oldest message.
    assert_eq!(bench.offered(), ["d2 to helper", "d3 to helper", "m2 to helper"]);
    bench.started("helper", "h2", r#","in_reply_to":"d3""#).unwrap();
    let polite = r#"{"kind":"message","id":"d4","role":"assistant","run":"r1","to":"helper","text":"x","if_running":"queue"}"#;
    assert_eq!(code(bench.act("agent/assistant", polite)), ErrorCode::Invalid);
}

#[test]
fn a_message_that_rejects_is_refused_while_its_agent_is_at_work() {
    let mut bench = at_work();
    assert_eq!(code(bench.asked("m2", r#","if_running":"reject""#)), ErrorCode::Busy);
    // The helper works for another: of its own it has nothing to do.
    bench.asked("m3", r#","if_running":"reject","to":"helper""#).unwrap();
    bench.asked("m4", r#","if_running":"reject","to":null"#).unwrap();
    bench.ended("assistant", "r1").unwrap();
    bench.asked("m2", r#","if_running":"reject""#).unwrap();
}

#[test]
fn a_message_that_interrupts_stops_first_what_its_agent_does() {
    let mut bench = at_work();
    bench.started("other", "apart", "").unwrap();
    let before = bench.log().len();
    let sent = bench.asked("m2", r#","if_running":"interrupt""#).unwrap();
    let log = bench.log();
    let stop = r#"{"kind":"stop.requested","id":"m2.1","run":"r1","runs":["r1","h1"]}"#;
    assert_eq!(log[before], stop);
    assert!(log[before + 1].contains(r#""kind":"message","id":"m2""#));
    assert_eq!(sent.first.to_string(), (before + 2).to_string());
    let stored = &bench.events()[before];
    assert_eq!(stored.from.as_ref().map(ToString::to_string).as_deref(), Some("user/ann"));
    assert_eq!(code(bench.said("helper", "h1", "x1")), ErrorCode::RunStopped);
    bench.said("other", "apart", "x2").unwrap();
    assert!(bench.offered().is_empty());
    // Sent again it stops nothing again.
    let again = bench.asked("m2", r#","if_running":"interrupt""#).unwrap();
    assert_eq!((again.first, again.duplicate), (sent.first, true));
    bench.pass(5_000);
    assert_eq!(bench.offered(), ["m2 to assistant"]);
}

#[test]
fn an_interrupt_passes_over_ids_that_are_taken() {
    let mut bench = at_work();
    let taken = r#"{"kind":"data","name":"n","id":"m2.1"}"#;
    bench.act("user/ann", taken).unwrap();
    bench.asked("m2", r#","if_running":"interrupt""#).unwrap();
    assert!(bench.log().iter().any(|event| event.contains(r#""id":"m2.2","run":"r1""#)));
    let long = "m".repeat(128);
    bench.asked(&long, r#","if_running":"interrupt""#).unwrap();
}

#[test]
fn a_refused_interrupt_stops_nothing() {
    let mut bench = at_work();
    let before = bench.log();
    let unknown = bench.asked("m2", r#","if_running":"interrupt","replaces":"m9""#);
    assert_eq!(code(unknown), ErrorCode::NotFound);
    let user = super::writer("user/ann", None);
    let interrupt =
        r#"{"kind":"message","id":"m2","role":"user","text":"hi","if_running":"interrupt"}"#;
    let data = r#"{"kind":"data","name":"n"}"#;
    let together = bench.publish(&user, Some(("p", 0, 0)), &[interrupt, data]);
    assert_eq!(code(together), ErrorCode::Invalid);
    assert_eq!(bench.log(), before);
    bench.said("assistant", "r1", "x").unwrap();
}

#[test]
fn a_message_that_interrupts_may_have_the_longest_id_there_is() {
    for letter in ["m", "é", "消"] {
        let mut bench = at_work();
        let id = letter.repeat(128 / letter.len());
        bench.asked(&id, r#","if_running":"interrupt""#).unwrap();
        let stem = letter.repeat(100 / letter.len());
        let stop = format!(r#"{{"kind":"stop.requested","id":"{stem}.1","run":"r1","#);
        assert!(bench.log().iter().any(|event| event.starts_with(&stop)));
    }
}

#[test]
fn what_an_edit_hides_is_not_answered_any_more() {
    let mut bench = at_work();
    bench.asked("m2", "").unwrap();
    bench.asked("m3", r#","to":"helper""#).unwrap();
    bench.delegated("assistant", "r1", "d2", "helper").unwrap();
    bench.asked("m4", r#","replaces":"m2""#).unwrap();
    let log = bench.log();
    let stopped = |id: &str| format!(r#"{{"kind":"input.state","id":"{id}","state":"stopped"}}"#);
    assert_eq!(log[log.len() - 3..], [stopped("m2"), stopped("m3"), stopped("d2")]);
    bench.kill();
    // What a run has claimed goes on.
    bench.said("assistant", "r1", "x").unwrap();
    assert!(bench.offered().is_empty());
    bench.ended("assistant", "r1").unwrap();
    assert_eq!(bench.offered(), ["m4 to assistant"]);
    // An edit of what is hidden already hides the edit before it.
    bench.asked("m5", r#","replaces":"m2""#).unwrap();
    assert_eq!(bench.last_event(), stopped("m4"));
}

#[test]
fn a_refused_publish_cancels_nothing() {
    let mut bench = Bench::new();
    bench.asked("m1", "").unwrap();
    let user = super::writer("user/ann", None);
    let edit = r#"{"kind":"message","id":"m2","role":"user","text":"hi","replaces":"m1"}"#;
    let unknown = r#"{"kind":"steer","id":"s","run":"r9","text":"x"}"#;
    let together = bench.publish(&user, Some(("p", 0, 0)), &[edit, unknown]);
    assert_eq!(code(together), ErrorCode::NotFound);
    assert_eq!((bench.offered(), bench.log().len()), (vec!["m1 to assistant".to_owned()], 1));
}

#[test]
fn a_hidden_input_whose_run_is_lost_is_not_offered_again() {
    let mut bench = at_work();
    bench.asked("m2", r#","replaces":"m1""#).unwrap();
    bench.pass(30_000);
    let lost = r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#;
    let stopped = r#"{"kind":"input.state","id":"m1","state":"stopped"}"#;
    let log = bench.log();
    let end = log.iter().position(|event| event == lost).unwrap();
    assert_eq!(log[end + 1], stopped);
    bench.kill();
    assert_eq!(bench.offered(), ["m2 to assistant"]);
}
