//! Judges a log by itself, when all clocks have run out: invariants 5 to 7, and one final answer for
//! everything that wants one. It knows events and nothing of what decided them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

type Outcome = Result<(), String>;

pub(crate) fn log(events: &[Value]) -> Outcome {
    dense(events)?;
    each_mark_once(events)?;
    no_output_after_end_or_stop(events)?;
    nothing_starts_below_a_stop(events)?;
    every_run_ends_once(events)?;
    every_steer_is_decided_once(events)?;
    every_ask_is_decided_once(events)?;
    every_stop_is_answered(events)?;
    every_input_is_decided_once(events)
}

fn is(event: &Value, kind: &str) -> bool {
    event["kind"] == kind
}

fn of_kind<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| is(event, kind))
}

fn field<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

fn must(is_so: bool, event: &Value, rule: &str) -> Outcome {
    if is_so { Ok(()) } else { Err(format!("{rule}: {event}")) }
}

fn dense(events: &[Value]) -> Outcome {
    let mut at = 0;
    for (index, event) in events.iter().enumerate() {
        must(event["offset"] == index as u64 + 1, event, "offsets are dense")?;
        let now = event["at"].as_u64().unwrap_or_default();
        must(now >= at, event, "time never goes back in a log")?;
        at = now;
    }
    Ok(())
}

/// Invariant 7: whatever was sent again is there once.
fn each_mark_once(events: &[Value]) -> Outcome {
    let mut seen = BTreeSet::new();
    for event in events {
        if let Some(mark) = event["n"].as_u64() {
            must(seen.insert(mark), event, "an act was applied twice")?;
        }
    }
    Ok(())
}

/// Invariant 5
fn no_output_after_end_or_stop(events: &[Value]) -> Outcome {
    let mut ended = BTreeSet::new();
    let mut stopped = BTreeSet::new();
    for event in events {
        let run = field(event, "run");
        match field(event, "kind") {
            "run.ended" => {
                must(ended.insert(run), event, "a run ended twice")?;
                let is_plain = matches!(field(event, "outcome"), "stopped" | "failed");
                let passes = is_plain && event.get("data").is_none();
                must(passes || !stopped.contains(run), event, "a stopped run ended with a result")?;
            }
            "stop.requested" => {
                stopped.extend(
                    event["runs"].as_array().into_iter().flatten().filter_map(Value::as_str),
                );
            }
            // Also what others send to a run comes too late.
            _ if !run.is_empty() => {
                must(!ended.contains(run), event, "something of an ended run")?;
                must(!stopped.contains(run), event, "something of a stopped run")?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Who each run works for, from the log alone.
fn parents(events: &[Value]) -> BTreeMap<&str, &str> {
    let asked_by: BTreeMap<&str, &str> =
        of_kind(events, "message").map(|it| (field(it, "id"), field(it, "run"))).collect();
    of_kind(events, "run.started")
        .map(|it| {
            let by_input = asked_by.get(field(it, "in_reply_to")).copied();
            (field(it, "run"), by_input.unwrap_or_else(|| field(it, "parent")))
        })
        .collect()
}

fn nothing_starts_below_a_stop(events: &[Value]) -> Outcome {
    let parents = parents(events);
    let mut cut = BTreeSet::new();
    for event in events {
        if is(event, "stop.requested") && event["cascade"] != false {
            cut.insert(field(event, "run"));
            cut.extend(event["runs"].as_array().into_iter().flatten().filter_map(Value::as_str));
        }
        if is(event, "run.started") {
            let mut run = field(event, "run");
            while let Some(parent) = parents.get(run).filter(|parent| !parent.is_empty()) {
                must(!cut.contains(parent), event, "a run started below a stop")?;
                run = parent;
            }
        }
    }
    Ok(())
}

/// Invariant 6
fn every_run_ends_once(events: &[Value]) -> Outcome {
    for started in of_kind(events, "run.started") {
        let ends = of_kind(events, "run.ended").filter(|it| it["run"] == started["run"]).count();
        must(ends == 1, started, "a run that does not end once")?;
    }
    Ok(())
}

fn every_steer_is_decided_once(events: &[Value]) -> Outcome {
    for steer in of_kind(events, "steer") {
        let fates = of_kind(events, "input.state").filter(|it| it["id"] == steer["id"]).count();
        must(fates == 1, steer, "a steer that is not decided once")?;
    }
    Ok(())
}

fn every_ask_is_decided_once(events: &[Value]) -> Outcome {
    for ask in of_kind(events, "run.suspended") {
        let answers = of_kind(events, "run.resumed").filter(|it| it["ask"] == ask["ask"]).count();
        // Without an answer its run's end decides it, which is there once.
        must(answers <= 1, ask, "an ask that was answered twice")?;
    }
    Ok(())
}

fn every_stop_is_answered(events: &[Value]) -> Outcome {
    for stop in of_kind(events, "stop.requested") {
        for run in stop["runs"].as_array().into_iter().flatten() {
            let ends = of_kind(events, "run.ended").filter(|end| {
                end["run"] == *run && end["offset"].as_u64() > stop["offset"].as_u64()
            });
            must(ends.count() == 1, stop, "a stop whose runs do not end once after it")?;
        }
    }
    Ok(())
}

fn every_input_is_decided_once(events: &[Value]) -> Outcome {
    for input in of_kind(events, "message") {
        let is_input = match (input.get("to"), input["run"].is_string()) {
            (Some(to), _) => to.is_string(),
            (None, is_agents) => !is_agents,
        };
        if !is_input {
            continue;
        }
        let claims: Vec<&Value> =
            of_kind(events, "run.started").filter(|it| it["in_reply_to"] == input["id"]).collect();
        let mut answered = 0;
        let mut free_from = 0;
        for claim in &claims {
            must(
                claim["offset"].as_u64() > Some(free_from),
                claim,
                "an input claimed twice at a time",
            )?;
            let end = of_kind(events, "run.ended").find(|it| it["run"] == claim["run"]);
            let end = end.ok_or_else(|| format!("no end: {claim}"))?;
            free_from = end["offset"].as_u64().unwrap_or_default();
            answered += usize::from(end["outcome"] != "lost");
        }
        let decided = of_kind(events, "input.state")
            .filter(|it| it["id"] == input["id"] && it["state"] != "used")
            .count();
        must(claims.len() <= 3, input, "an input with more than three attempts")?;
        must(answered + decided == 1, input, "an input that is not decided once")?;
    }
    Ok(())
}

/// A log that is right, and one break of each rule.
#[test]
fn each_rule_is_seen_to_be_broken() {
    fn stamped(lines: &[&str]) -> Vec<Value> {
        let numbered = lines
            .iter()
            .enumerate()
            .map(|(index, line)| format!(r#"{{"offset":{},"at":1,{line}}}"#, index + 1));
        numbered.map(|line| serde_json::from_str(&line).unwrap()).collect()
    }
    const ASKED: &str = r#""kind":"message","id":"m","role":"user","n":1"#;
    const CLAIMED: &str = r#""kind":"run.started","run":"r","agent":"a","in_reply_to":"m""#;
    const SAID: &str = r#""kind":"delta","run":"r","message":"x","text":"","n":2"#;
    const STEERED: &str = r#""kind":"steer","id":"t","run":"r","text":"""#;
    const STOPPED: &str = r#""kind":"stop.requested","id":"s","run":"r","runs":["r"]"#;
    const FATE: &str = r#""kind":"input.state","id":"t","state":"stopped""#;
    const ENDED: &str = r#""kind":"run.ended","run":"r","outcome":"stopped""#;
    const CHILD: &str = r#""kind":"run.started","run":"c","agent":"a","parent":"r""#;
    const CHILD_ENDED: &str = r#""kind":"run.ended","run":"c","outcome":"lost""#;
    assert_eq!(log(&stamped(&[ASKED, CLAIMED, SAID, STEERED, STOPPED, FATE, ENDED])), Ok(()));
    for (broken, rule) in [
        (&[ASKED, CLAIMED, SAID, SAID, ENDED][..], "applied twice"),
        (&[ASKED, CLAIMED, ENDED, SAID], "of an ended run"),
        (&[ASKED, CLAIMED, STOPPED, SAID, ENDED], "of a stopped run"),
        (&[ASKED, CLAIMED, STOPPED, ENDED, CHILD, CHILD_ENDED], "below a stop"),
        (&[ASKED, CLAIMED, ENDED, ENDED], "ended twice"),
        (&[ASKED, CLAIMED], "does not end"),
        (&[ASKED, CLAIMED, STEERED, ENDED], "steer that is not decided"),
        (&[ASKED, CLAIMED, STEERED, FATE, FATE, ENDED], "steer that is not decided"),
        (&[ASKED, CLAIMED, ENDED, STOPPED], "stop whose runs"),
        (&[ASKED], "input that is not decided"),
    ] {
        let wrong = log(&stamped(broken)).unwrap_err();
        assert!(wrong.contains(rule), "{rule}: {wrong}");
    }
}
