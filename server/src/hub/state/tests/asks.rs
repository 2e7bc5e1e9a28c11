//! Asks and their answers.

use durable_sessions_protocol::error::ErrorCode;

use super::super::asks::RUN_MAX_ASKS;
use super::{Bench, Published, Refusal, code, writer};

fn ask(bench: &mut Bench, id: &str, more: &str) -> Result<Published, Refusal> {
    let event =
        format!(r#"{{"kind":"run.suspended","run":"r1","ask":"{id}","body":{{"q":1}}{more}}}"#);
    bench.act("agent/a", &event)
}

fn answer(bench: &mut Bench, who: &str, ask: &str, answer: u32) -> Result<Published, Refusal> {
    let event =
        format!(r#"{{"kind":"run.resumed","run":"r1","ask":"{ask}","answer":{{"yes":{answer}}}}}"#);
    bench.act(who, &event)
}

fn running() -> Bench {
    let mut bench = Bench::new();
    bench.started("a", "r1", r#","lease_ms":86400000"#).unwrap();
    bench
}

fn state(bench: &Bench) -> &'static str {
    bench.state.describe().runs.first().map_or("none", |run| run.state)
}

#[test]
fn a_run_is_suspended_until_all_its_asks_are_answered() {
    let mut bench = running();
    ask(&mut bench, "q1", "").unwrap();
    ask(&mut bench, "q2", "").unwrap();
    assert_eq!(code(ask(&mut bench, "q1", r#","expires_ms":5000"#)), ErrorCode::IdConflict);
    answer(&mut bench, "user/ann", "q2", 1).unwrap();
    bench.kill();
    assert_eq!(state(&bench), "suspended");
    answer(&mut bench, "user/bob", "q1", 1).unwrap();
    assert_eq!(state(&bench), "running");
}

#[test]
fn an_ask_is_answered_once_from_any_device() {
    let mut bench = running();
    ask(&mut bench, "q1", "").unwrap();
    assert_eq!(code(answer(&mut bench, "user/ann", "q0", 1)), ErrorCode::NotFound);
    let first = answer(&mut bench, "user/ann", "q1", 1).unwrap();
    bench.kill();
    let again = answer(&mut bench, "user/ann", "q1", 1).unwrap();
    assert_eq!((again.first, again.duplicate), (first.first, true));
    assert_eq!(code(answer(&mut bench, "user/ann", "q1", 2)), ErrorCode::AlreadyAnswered);
    assert_eq!(code(answer(&mut bench, "user/bob", "q1", 1)), ErrorCode::AlreadyAnswered);
    bench.ended("a", "r1").unwrap();
    assert_eq!(code(answer(&mut bench, "user/bob", "q1", 1)), ErrorCode::AlreadyAnswered);
}

#[test]
fn an_ask_of_a_stopped_or_ended_run_takes_no_answer() {
    let mut bench = running();
    ask(&mut bench, "q1", "").unwrap();
    bench.stopped("s", r#""run":"r1""#).unwrap();
    assert_eq!(state(&bench), "stopping");
    assert_eq!(code(answer(&mut bench, "user/ann", "q1", 1)), ErrorCode::RunStopped);
    assert_eq!(code(ask(&mut bench, "q2", "")), ErrorCode::RunStopped);
    bench.pass(5_000);
    assert_eq!(code(answer(&mut bench, "user/ann", "q1", 1)), ErrorCode::RunEnded);
}

#[test]
fn an_ask_nobody_answers_ends_its_run_also_through_restarts() {
    let mut bench = running();
    ask(&mut bench, "q1", r#","expires_ms":60000"#).unwrap();
    bench.pass(59_000);
    bench.kill();
    assert_eq!(bench.state.deadline(), Some(bench.now + 1_000));
    bench.pass(999);
    assert_eq!(state(&bench), "suspended");
    bench.pass(1);
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
}

#[test]
fn an_ask_waits_neither_for_a_moment_nor_for_ever() {
    let mut bench = running();
    for ms in [0, 999, 31 * 24 * 60 * 60 * 1000_u64] {
        let asked = ask(&mut bench, "q1", &format!(r#","expires_ms":{ms}"#));
        assert_eq!(code(asked), ErrorCode::Invalid);
    }
    ask(&mut bench, "q1", "").unwrap();
    assert_eq!(bench.state.deadline(), Some(bench.now + 24 * 60 * 60 * 1000));
}

#[test]
fn only_the_runs_owner_asks() {
    let mut bench = running();
    let event = r#"{"kind":"run.suspended","run":"r1","ask":"q","body":1}"#;
    assert_eq!(code(bench.act("agent/b", event)), ErrorCode::NotOwner);
    assert_eq!(code(bench.act("user/ann", event)), ErrorCode::Forbidden);
}

#[test]
fn a_run_has_only_so_many_asks_and_the_answer_that_makes_room_never_waits_behind_one_too_many() {
    let mut bench = Bench::new();
    let ask = |id: &str| format!(r#"{{"kind":"run.suspended","run":"r1","ask":"{id}","body":1}}"#);
    let answer =
        |id: &str| format!(r#"{{"kind":"run.resumed","run":"r1","ask":"{id}","answer":1}}"#);
    let mut events = vec![r#"{"kind":"run.started","run":"r1","agent":"a"}"#.to_owned()];
    events.extend((0..RUN_MAX_ASKS).map(|n| ask(&format!("q{n}"))));
    events.push(ask("more"));
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let agent = writer("agent/a", None);

    let refused = bench.publish(&agent, Some(("p", 0, 0)), &events).unwrap_err();
    assert_eq!((refused.problem.code, refused.index), (ErrorCode::Invalid, Some(65)));
    bench.publish(&agent, Some(("p", 0, 1)), &events[..65]).unwrap();
    assert_eq!(
        code(bench.publish(&agent, Some(("p", 0, 2)), &[&ask("more")])),
        ErrorCode::Invalid,
        "it has used its number up: what stands behind it does not wait"
    );
    bench.publish(&agent, Some(("p", 0, 3)), &[&answer("q0"), &ask("more")]).unwrap();
    let again = bench.publish(&agent, Some(("p", 0, 2)), &[&ask("more")]);
    assert_eq!(code(again), ErrorCode::Invalid, "recorded");
}
