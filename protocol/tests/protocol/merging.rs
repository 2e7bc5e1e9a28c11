//! Merged batches: fewer events, the same transcript. DS-8.

use durable_sessions_protocol::event::Stored;
use durable_sessions_protocol::fold::Transcript;
use durable_sessions_protocol::id::LogId;
use durable_sessions_protocol::merge::Merge;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::arbitrary::config;
use crate::arbitrary_log::log;

fn merge<'a>(events: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut merge = Merge::new();
    for event in events {
        assert!(merge.push(event, usize::MAX));
    }
    merge.into_events().collect()
}

fn apply(transcript: &mut Transcript, events: &[String]) {
    for event in events {
        transcript.apply(&serde_json::from_str(event).unwrap());
    }
}

fn empty() -> Transcript {
    Transcript::new(LogId::parse("log").unwrap())
}

fn texts(events: &[String]) -> impl Iterator<Item = &str> {
    events.iter().map(String::as_str)
}

/// The log between the cuts, as batches.
fn batches(events: &[String], cuts: &[prop::sample::Index]) -> Vec<Vec<String>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(events.len() + 1)).collect();
    cuts.extend([0, events.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| events[pair[0]..pair[1]].to_vec()).collect()
}

/// The offsets that an event stands for.
fn range(event: &str) -> (u64, u64) {
    let event: Value = serde_json::from_str(event).unwrap();
    let last = event["offset"].as_u64().unwrap();
    (event["first"].as_u64().unwrap_or(last), last)
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn merged_batches_fold_to_the_same_transcript_at_every_boundary(
        log in log(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let (mut raw, mut merged, mut twice) = (empty(), empty(), empty());
        for batch in batches(&log.events, &cuts) {
            apply(&mut raw, &batch);
            let once = merge(texts(&batch));
            apply(&mut merged, &once);
            prop_assert_eq!(merged.snapshot(), raw.snapshot());
            let (left, right) = once.split_at(once.len() / 2);
            let parts = [merge(texts(left)), merge(texts(right))].concat();
            apply(&mut twice, &merge(texts(&parts)));
            prop_assert_eq!(twice.snapshot(), raw.snapshot());
        }
    }

    #[test]
    fn a_run_s_events_stay_in_order_and_stand_for_every_offset_once(log in log()) {
        let merged = merge(texts(&log.events));
        let mut firsts: Vec<u64> = merged.iter().map(|event| range(event).0).collect();
        prop_assert!(firsts.is_sorted());
        for event in &merged {
            if let Ok(stored) = Stored::parse(event) {
                prop_assert_eq!(stored.offset.as_u64(), range(event).1);
            }
        }
        // What is joined is no place of its own any more.
        firsts.dedup();
        prop_assert_eq!(firsts.len(), merged.len());
        let of_run = |events: &[String], run: &str| -> Vec<String> {
            let mut out: Vec<String> = Vec::new();
            for event in events {
                let mut event: Value = serde_json::from_str(event).unwrap();
                if event["run"] != *run {
                    continue;
                }
                for name in ["offset", "at", "first"] {
                    event.as_object_mut().unwrap().remove(name);
                }
                // Joined or not, the same words come in the same order.
                if event["kind"] == "delta" {
                    for letter in event["text"].as_str().unwrap().chars() {
                        out.push(format!("{}/{} {letter}", event["message"], event["part"]));
                    }
                } else {
                    out.push(event.to_string());
                }
            }
            out
        };
        for run in (0..8).map(|n| format!("r{n}")) {
            prop_assert_eq!(of_run(&merged, &run), of_run(&log.events, &run));
        }
    }

    #[test]
    fn what_is_merged_keeps_its_limit_of_bytes(log in log(), max_bytes in 1_usize..4000) {
        let mut events = texts(&log.events).peekable();
        let mut transcript = empty();
        while events.peek().is_some() {
            let mut merge = Merge::new();
            let mut count = 0;
            while let Some(event) = events.peek() {
                if !merge.push(event, max_bytes) {
                    break;
                }
                count += 1;
                events.next();
            }
            let told = merge.bytes();
            let merged: Vec<String> = merge.into_events().collect();
            let bytes: usize = merged.iter().map(|event| event.len() + 1).sum();
            prop_assert!(bytes <= told, "{} is more than {}", bytes, told);
            prop_assert!(told <= max_bytes || count == 1);
            apply(&mut transcript, &merged);
        }
        let mut raw = empty();
        apply(&mut raw, &log.events);
        prop_assert_eq!(transcript.to_json(), raw.to_json());
    }
}

fn delta(offset: u64, run: &str, message: &str, text: &str) -> String {
    format!(
        r#"{{"offset":{offset},"at":{offset},"from":{{"kind":"agent","id":"a"}},"kind":"delta","run":"{run}","message":"{message}","text":"{text}"}}"#
    )
}

#[test]
fn joined_deltas_stand_at_the_first_ones_place_with_their_range_and_spelling() {
    let events = [
        delta(1, "r", "m", r"a\u00fc"),
        r#"{"offset":2,"at":2,"kind":"data","name":"n"}"#.to_owned(),
        delta(3, "r", "m", r#"\""#),
        r#"{"offset":4,"at":4,"from":{"kind":"user","id":"u"},"kind":"message","id":"m2","role":"user","text":"hi"}"#.to_owned(),
        // Another order of fields, an id, and the end.
        r#"{"offset":5,"at":5,"from":{"kind":"agent","id":"a"},"text":"ß","id":"x","part":0,"end":true,"message":"m","run":"\u0072","type":"text","kind":"delta"}"#.to_owned(),
        delta(6, "r", "m", "after the end"),
    ];
    let merged = merge(texts(&events));
    assert_eq!(
        merged[0],
        r#"{"first":1,"offset":5,"at":1,"from":{"kind":"agent","id":"a"},"kind":"delta","run":"r","message":"m","part":0,"type":"text","text":"a\u00fc\"ß","end":true}"#
    );
    assert_eq!(merged[1..], [events[1].clone(), events[3].clone(), events[5].clone()]);
    let joined_once = merge([&*delta(7, "r", "m", "a"), &*delta(8, "r", "m", "b")]);
    let again = merge([&*joined_once[0], &*delta(9, "r", "m", "c")]);
    assert_eq!(again.iter().map(|event| range(event)).collect::<Vec<_>>(), [(7, 9)]);
}

#[test]
fn runs_that_write_at_once_are_joined_each_by_itself() {
    let events: Vec<String> = (1..=600)
        .map(|n| delta(n, &format!("r{}", n % 20), &format!("m{}", n % 20), "x"))
        .collect();
    let merged = merge(texts(&events));
    assert_eq!(merged.len(), 20);
    assert_eq!(range(&merged[0]), (1, 581));
}

#[test]
fn nothing_is_joined_across_what_concerns_it() {
    let between = [
        (json!({"kind": "data", "name": "n", "run": "r"}), false),
        (json!({"kind": "data", "name": "n", "run": "other"}), true),
        (json!({"kind": "message", "id": "x", "role": "user", "text": "hi"}), true),
        (
            json!({"kind": "message", "id": "x", "role": "user", "text": "hi", "replaces": "y"}),
            false,
        ),
        (
            json!({"kind": "message", "id": "x", "role": "assistant", "run": "r", "text": "hi"}),
            false,
        ),
        (json!({"kind": "run.started", "run": "below", "agent": "a", "parent": "r"}), false),
        (json!({"kind": "run.started", "run": "beside", "agent": "a"}), true),
        (json!({"kind": "run.ended", "run": "other", "outcome": "completed"}), true),
        (json!({"kind": "run.suspended", "run": "r", "ask": "k", "body": 1}), false),
        (json!({"kind": "run.resumed", "run": "r", "ask": "k", "answer": 1}), false),
        (json!({"kind": "steer", "id": "s", "run": "r", "text": "left"}), false),
        (json!({"kind": "input.state", "id": "s", "state": "used"}), false),
        (json!({"kind": "stop.requested", "id": "s", "run": "above", "runs": ["above"]}), false),
        (json!({"kind": "session.updated", "title": "t"}), true),
        (json!({"kind": "delta", "run": "r", "message": "m", "part": 1, "text": "x"}), false),
        (json!({"kind": "delta", "run": "r", "message": "m", "text": "x", "of_later": 1}), false),
        (json!({"kind": "of.later"}), false),
        (json!({"kind": "of.later", "run": 7}), false),
    ];
    for (event, joins) in between {
        let mut event = event;
        event["offset"] = 2.into();
        let events = [delta(1, "r", "m", "a"), event.to_string(), delta(3, "r", "m", "b")];
        assert_eq!(merge(texts(&events)).len(), if joins { 2 } else { 3 }, "{event}");
    }
}

#[test]
fn the_words_of_two_writers_are_not_put_into_one_mouth() {
    let other = delta(2, "r", "m", "b").replace(r#""id":"a""#, r#""id":"b""#);
    assert_eq!(merge([&*delta(1, "r", "m", "a"), &*other]).len(), 2);
}

#[test]
fn what_is_no_event_passes_as_it_is() {
    let odd = ["null", "", r#"{"kind":"delta"}"#, r#"{"kind":"delta","text":1}"#, "[\"delta\"]"];
    assert_eq!(merge(odd), odd);
}
