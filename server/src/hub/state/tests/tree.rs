//! Runs below runs, and stops that reach them.

use durable_sessions_protocol::error::ErrorCode;

use super::{Bench, code};

/// `root` of lead, `mid` of helper below it by delegation, `leaf` of scout below that by name.
fn grown() -> Bench {
    let mut bench = Bench::new();
    bench.started("lead", "root", "").unwrap();
    bench.delegated("lead", "root", "d1", "helper").unwrap();
    bench.started("helper", "mid", r#","in_reply_to":"d1""#).unwrap();
    bench.started("scout", "leaf", r#","parent":"mid""#).unwrap();
    bench.started("other", "apart", "").unwrap();
    bench
}

fn parents(bench: &Bench) -> Vec<(String, Option<String>)> {
    let name = |id: &super::Id| id.as_str().to_owned();
    let mut runs: Vec<_> = bench
        .state
        .describe()
        .runs
        .iter()
        .map(|run| (name(&run.id), run.parent.as_ref().map(name)))
        .collect();
    runs.sort();
    runs
}

#[test]
fn a_run_works_for_the_run_that_delegated_its_input_or_that_it_names() {
    let mut bench = grown();
    let wanted = [("apart", None), ("leaf", Some("mid")), ("mid", Some("root")), ("root", None)];
    let wanted = wanted.map(|(run, parent)| (run.to_owned(), parent.map(str::to_owned)));
    assert_eq!(parents(&bench), wanted);
    bench.kill();
    assert_eq!(parents(&bench), wanted);
    let nobody = bench.started("scout", "r", r#","parent":"nobody""#);
    assert_eq!(code(nobody), ErrorCode::NotFound);
    bench.delegated("lead", "root", "d2", "helper").unwrap();
    let elsewhere = bench.started("helper", "r", r#","in_reply_to":"d2","parent":"mid""#);
    assert_eq!(code(elsewhere), ErrorCode::Invalid);
    bench.started("helper", "r", r#","in_reply_to":"d2","parent":"root""#).unwrap();
}

#[test]
fn only_an_agent_with_an_open_run_delegates() {
    let mut bench = grown();
    let foreign = bench.delegated("other", "root", "d2", "helper");
    assert_eq!(code(foreign), ErrorCode::NotOwner);
    bench.ended("lead", "root").unwrap();
    assert_eq!(code(bench.delegated("lead", "root", "d2", "helper")), ErrorCode::RunEnded);
    let note = r#"{"kind":"message","id":"n","role":"assistant","run":"apart","text":"just so"}"#;
    bench.act("agent/other", note).unwrap();
    assert!(bench.offered().is_empty());
}

#[test]
fn a_stop_of_a_run_reaches_all_below_it_and_nothing_beside_it() {
    let mut bench = grown();
    bench.delegated("helper", "mid", "d2", "scout").unwrap();
    assert_eq!(bench.stopped("s", r#""run":"root""#).unwrap(), ["root", "mid", "leaf"]);
    assert_eq!(bench.last_event(), r#"{"kind":"input.state","id":"d2","state":"stopped"}"#);
    for (agent, run) in [("lead", "root"), ("helper", "mid"), ("scout", "leaf")] {
        assert_eq!(code(bench.said(agent, run, "x1")), ErrorCode::RunStopped);
    }
    bench.said("other", "apart", "x2").unwrap();
    // Nothing new begins below it, whoever starts it.
    for parent in ["root", "mid", "leaf"] {
        let child = bench.started("scout", "late", &format!(r#","parent":"{parent}""#));
        assert_eq!(code(child), ErrorCode::RunStopped);
    }
    bench.pass(5_000);
    bench.kill();
    let child = bench.started("scout", "late", r#","parent":"leaf""#);
    assert_eq!(code(child), ErrorCode::RunStopped);
    bench.said("other", "apart", "x3").unwrap();
}

#[test]
fn a_stop_in_the_middle_spares_what_is_above() {
    let mut bench = grown();
    assert_eq!(bench.stopped("s", r#""run":"mid""#).unwrap(), ["mid", "leaf"]);
    bench.said("lead", "root", "x").unwrap();
    bench.started("scout", "other-leaf", r#","parent":"root""#).unwrap();
}

#[test]
fn a_stop_without_cascade_fences_its_run_alone() {
    let mut bench = grown();
    bench.delegated("lead", "root", "d2", "helper").unwrap();
    bench.delegated("helper", "mid", "d3", "scout").unwrap();
    assert_eq!(bench.stopped("s", r#""run":"root","cascade":false"#).unwrap(), ["root"]);
    // What it had delegated and nobody took is cancelled; the rest goes on.
    assert_eq!(bench.offered(), ["d3 to scout"]);
    bench.said("helper", "mid", "x").unwrap();
    bench.started("scout", "more", r#","parent":"root""#).unwrap();
}

#[test]
fn an_ended_root_with_work_below_it_can_be_stopped() {
    let mut bench = grown();
    bench.ended("lead", "root").unwrap();
    assert_eq!(bench.stopped("s0", r#""run":"root","cascade":false"#), Err(ErrorCode::RunEnded));
    assert_eq!(bench.stopped("s1", r#""run":"root""#).unwrap(), ["mid", "leaf"]);
    bench.pass(5_000);
    assert_eq!(bench.stopped("s2", r#""run":"root""#), Err(ErrorCode::RunEnded));
    // Delegated and not yet claimed is work below it, too.
    let mut bench = Bench::new();
    bench.started("lead", "root", "").unwrap();
    bench.delegated("lead", "root", "d1", "helper").unwrap();
    bench.ended("lead", "root").unwrap();
    assert_eq!(bench.offered(), ["d1 to helper"]);
    let alone = bench.stopped("alone", r#""run":"root","cascade":false"#);
    assert_eq!(alone, Err(ErrorCode::RunEnded));
    assert!(bench.stopped("s", r#""run":"root""#).unwrap().is_empty());
    let late = bench.started("helper", "mid", r#","in_reply_to":"d1""#);
    assert_eq!(code(late), ErrorCode::RunStopped);
}

#[test]
fn a_stop_of_a_delegated_message_stops_the_run_it_became() {
    let mut bench = grown();
    assert_eq!(bench.stopped("s1", r#""message":"d1""#).unwrap(), ["mid", "leaf"]);
    bench.delegated("lead", "root", "d2", "helper").unwrap();
    assert!(bench.stopped("s2", r#""message":"d2""#).unwrap().is_empty());
    assert_eq!(bench.last_event(), r#"{"kind":"input.state","id":"d2","state":"stopped"}"#);
    bench.said("lead", "root", "x").unwrap();
}

#[test]
fn a_stop_of_all_reaches_what_old_work_has_begun_since() {
    let mut bench = grown();
    let seen = bench.events().first().unwrap().offset;
    // `root` stood at the press, all below it came after; `apart` is new.
    let all = format!(r#""all":true,"seen":{seen}"#);
    assert_eq!(bench.stopped("s", &all).unwrap(), ["root", "mid", "leaf"]);
    bench.said("other", "apart", "x").unwrap();
    bench.kill();
    let child = bench.started("scout", "late", r#","parent":"root""#);
    assert_eq!(code(child), ErrorCode::RunStopped);
    bench.started("scout", "late", r#","parent":"apart""#).unwrap();
}

#[test]
fn a_stop_of_all_that_has_seen_the_future_spares_what_begins_after_it() {
    let mut bench = grown();
    bench.stopped("s", r#""all":true,"seen":9007199254740991"#).unwrap();
    bench.started("lead", "new", "").unwrap();
    bench.started("helper", "below", r#","parent":"new""#).unwrap();
    bench.kill();
    bench.started("scout", "deep", r#","parent":"below""#).unwrap();
}

#[test]
fn a_line_of_runs_has_an_end() {
    let mut bench = Bench::new();
    bench.started("a", "r1", "").unwrap();
    for level in 2..=super::super::tree::RUN_MAX_LEVELS {
        let parent = format!(r#","parent":"r{}""#, level - 1);
        bench.started("a", &format!("r{level}"), &parent).unwrap();
    }
    assert_eq!(code(bench.started("a", "deep", r#","parent":"r64""#)), ErrorCode::Invalid);
    // What nobody could claim is not delegated either.
    assert_eq!(code(bench.delegated("a", "r64", "d", "a")), ErrorCode::Invalid);
    assert_eq!(bench.stopped("s", r#""run":"r1""#).unwrap().len(), 64);
}

#[test]
fn only_so_many_runs_are_open() {
    let mut bench = Bench::new();
    for n in 0..super::super::runs::OPEN_MAX_RUNS {
        bench.started("a", &format!("r{n}"), "").unwrap();
    }
    assert_eq!(code(bench.started("a", "more", "")), ErrorCode::Invalid);
    bench.ended("a", "r0").unwrap();
    bench.started("a", "more", "").unwrap();
    // And what meets them all is one step.
    bench.asked("m", r#","if_running":"interrupt","to":"a""#).unwrap();
    assert_eq!(bench.log().iter().filter(|event| event.contains("stop.requested")).count(), 1024);
}

#[test]
fn the_end_that_makes_room_never_waits_behind_a_start_too_many() {
    let mut bench = Bench::new();
    let agent = super::writer("agent/a", None);
    let start = |run: &str| format!(r#"{{"kind":"run.started","run":"{run}","agent":"a"}}"#);
    let end = |run: &str| format!(r#"{{"kind":"run.ended","run":"{run}","outcome":"completed"}}"#);
    let starts: Vec<String> =
        (0..super::super::runs::OPEN_MAX_RUNS).map(|n| start(&format!("r{n}"))).collect();
    let starts: Vec<&str> = starts.iter().map(String::as_str).collect();
    bench.publish(&agent, Some(("p", 0, 0)), &starts).unwrap();

    let one_more = bench.publish(&agent, Some(("p", 0, 1)), &[&start("more")]);
    assert_eq!(code(one_more), ErrorCode::Invalid);
    bench.publish(&agent, Some(("p", 0, 2)), &[&end("r0")]).unwrap();
    // Of one publish the end counts before the start behind it.
    bench.publish(&agent, Some(("p", 0, 3)), &[&start("r0-again")]).unwrap();
    bench.publish(&agent, Some(("p", 0, 4)), &[&end("r1"), &start("r1-again")]).unwrap();
    assert_eq!(bench.state.describe().runs.len(), super::super::runs::OPEN_MAX_RUNS);
}
