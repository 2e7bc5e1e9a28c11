//! Folds that begin in the middle of a log: what was folded before and goes on, and pages of older
//! messages. DS-13.

use durable_sessions_protocol::fold::{Fold, Patch, Transcript};
use durable_sessions_protocol::id::LogId;
use durable_sessions_protocol::offset::Offset;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::arbitrary::{config, value};
use crate::arbitrary_log::{Log, log};

fn fold(events: &[Value]) -> Transcript {
    let mut transcript = Transcript::new(LogId::parse("log").unwrap());
    events.iter().for_each(|event| transcript.apply(event));
    transcript
}

fn values(log: &Log) -> Vec<Value> {
    log.events.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// The offset at which a message begins.
fn begun(events: &[Value], id: &str) -> u64 {
    let begins = |event: &&Value| event["id"] == *id || event["message"] == *id;
    events.iter().find(begins).unwrap()["offset"].as_u64().unwrap()
}

/// The messages of a transcript from one place on, up to those that begin at an offset, as a server
/// answers them.
fn cut(whole: &Transcript, events: &[Value], from: usize, before: u64) -> Value {
    let mut json = whole.snapshot();
    let hidden = json["unlisted"].as_array().cloned().unwrap_or_default();
    let listed = json["messages"].as_array().unwrap();
    let to =
        listed.partition_point(|message| begun(events, message["id"].as_str().unwrap()) < before);
    let first = match listed.get(from) {
        _ if from == 0 => 1,
        Some(first) => begun(events, first["id"].as_str().unwrap()),
        None => whole.offset().next().as_u64(),
    };
    let mut unlisted: Vec<Value> = Vec::new();
    for message in &whole.messages()[..from] {
        let run = message.run.as_ref().filter(|_| message.role != "user");
        unlisted.push(json!({"id": message.id, "run": run}));
    }
    for mut hidden in hidden {
        let at = begun(events, hidden["id"].as_str().unwrap());
        if at < first {
            hidden.as_object_mut().unwrap().remove("place");
        } else if at < before {
            hidden["place"] = (hidden["place"].as_u64().unwrap() - from as u64).into();
        } else {
            continue;
        }
        unlisted.push(hidden);
    }
    json["messages"] = listed[from..to].into();
    json["unlisted"] = unlisted.into();
    json["first"] = first.into();
    json["hasOlder"] = (from > 0).into();
    json
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn a_transcript_goes_on_from_its_snapshot_at_any_event(log in log()) {
        let events = values(&log);
        let whole = fold(&events);
        for split in 0..=events.len() {
            let mut transcript = Transcript::resume(&fold(&events[..split]).snapshot()).unwrap();
            events[split..].iter().for_each(|event| transcript.apply(event));
            prop_assert_eq!(transcript.to_json(), whole.to_json(), "split at {}", split);
            prop_assert_eq!(transcript.snapshot(), whole.snapshot(), "split at {}", split);
        }
    }

    #[test]
    fn the_fold_of_the_rest_takes_in_the_fold_of_the_beginning_at_any_event(log in log()) {
        let events = values(&log);
        let whole = fold(&events);
        for split in 0..=events.len() {
            let then = fold(&events[..split]);
            let count = then.messages().len();
            // Nothing of the beginning but what is still written to.
            let mut rest = Transcript::resume(&cut(&then, &events, count, u64::MAX)).unwrap();
            let mut behind = Vec::new();
            for event in &events[split..] {
                if rest.names_older(event) {
                    behind.push(event);
                }
                rest.apply(event);
            }
            if count > 0 {
                if rest.older(&cut(&then, &events, 0, u64::MAX)) {
                    behind.into_iter().for_each(|event| rest.apply(event));
                } else {
                    // It was hidden, or its run has ended: the beginning as of now is taken.
                    let beginning = cut(&whole, &events, 0, split as u64 + 1);
                    prop_assert!(rest.older(&beginning), "split at {}", split);
                }
            }
            prop_assert_eq!(rest.to_json(), whole.to_json(), "split at {}", split);
        }
    }

    #[test]
    fn older_pages_make_the_newest_messages_the_whole_transcript(
        log in log(),
        marks in prop::array::uniform3(any::<prop::sample::Index>()),
        last in 0_usize..4,
        each in 1_usize..4,
    ) {
        let events = values(&log);
        let mut marks = marks.map(|mark| mark.index(events.len() + 1));
        marks.sort_unstable();
        let [begin, asked, arrived] = marks;
        // The newest messages as of some event, and on from there.
        let then = fold(&events[..begin]);
        let from = then.messages().len().saturating_sub(last);
        if from == then.messages().len() && from > 0 {
            // Nothing is shown, so there is no first event.
            return Ok(());
        }
        let newest = cut(&then, &events, from, u64::MAX);
        let mut first = newest["first"].as_u64().unwrap();
        let mut transcript = Transcript::resume(&newest).unwrap();
        let mut behind = Vec::new();
        for (at, event) in events.iter().enumerate().take(arrived).skip(begin) {
            if at >= asked && transcript.names_older(event) {
                behind.push(event.clone());
            }
            transcript.apply(event);
        }
        // The first page is as of before it arrives, the others are of now.
        let mut as_of = asked;
        while first > 1 {
            let server = fold(&events[..as_of]);
            let to = server.messages().partition_point(|message| begun(&events, &message.id) < first);
            let page_from = to.saturating_sub(each);
            if page_from == to && page_from > 0 {
                return Ok(());
            }
            let page = cut(&server, &events, page_from, first);
            if transcript.older(&page) {
                behind.drain(..).for_each(|event| transcript.apply(&event));
                first = page["first"].as_u64().unwrap();
            } else {
                prop_assert!(as_of < arrived, "a page of now is always taken");
                behind.clear();
            }
            as_of = arrived;
        }
        for event in &events[arrived..] {
            transcript.apply(event);
        }
        prop_assert_eq!(transcript.to_json(), fold(&events).to_json());
    }

    #[test]
    fn anything_at_all_can_be_gone_on_with(log in log(), first in value(), hostile in value()) {
        let mut snapshot = fold(&values(&log)).snapshot();
        snapshot["first"] = first;
        snapshot["unlisted"] = json!([hostile.clone(), {"id": "m0", "place": 1}, {"id": "m1"}]);
        snapshot["runs"].as_array_mut().unwrap().push(hostile.clone());
        let mut transcript = Transcript::resume(&snapshot).unwrap();
        let _ = transcript.older(&hostile);
        let _ = transcript.older(&snapshot);
        values(&log).iter().for_each(|event| transcript.apply(event));
        let _ = transcript.to_json();
    }
}

#[test]
fn a_fold_of_the_middle_shows_what_begins_there_and_ends_what_ends_there() {
    let mut transcript = Transcript::part(LogId::parse("log").unwrap(), Offset::new(10).unwrap());
    for event in [
        json!({"offset": 10, "kind": "delta", "run": "r0", "message": "a0", "text": "Yes"}),
        json!({"offset": 11, "kind": "run.ended", "run": "r0", "outcome": "failed", "error": "x"}),
        json!({"offset": 12, "kind": "message", "id": "m1", "role": "user", "text": "No"}),
    ] {
        transcript.apply(&event);
    }
    let json = transcript.to_json();
    assert_eq!(json["messages"][0]["state"], "failed");
    assert_eq!(json["messages"][0]["error"], "x");
    assert_eq!(json["runs"], json!([]), "nobody knows whose run it was");
    transcript.apply(&json!({"offset": 13, "kind": "message", "id": "m2", "role": "user", "text": "?", "replaces": "m0"}));
    assert_eq!(transcript.messages().len(), 1, "what began before hides all after it");
}

#[test]
fn a_page_from_before_a_message_of_it_was_hidden_is_not_taken() {
    let events = [
        json!({"offset": 1, "kind": "message", "id": "m1", "role": "user", "text": "a"}),
        json!({"offset": 2, "kind": "message", "id": "m2", "role": "user", "text": "b"}),
        json!({"offset": 3, "kind": "message", "id": "m3", "role": "user", "text": "c", "replaces": "m1"}),
    ];
    let then = fold(&events[..2]);
    let mut patches = 0;
    let mut fold = Fold::resume(&cut(&then, &events, 1, u64::MAX));
    fold.apply(&events[2], &mut |_: Patch<Value>| patches += 1);
    assert_eq!(patches, 2, "all that is shown is hidden, and the new one shown");
    assert!(!fold.older(&cut(&then, &events, 0, 2), &mut |_| patches += 1));
    assert_eq!(patches, 2);
}

#[test]
fn an_edit_of_an_older_page_hides_from_there_on() {
    let say = |offset: u64, replaces: Option<&str>| {
        let id = format!("m{offset}");
        json!({"offset": offset, "kind": "message", "id": id, "role": "user", "text": "x", "replaces": replaces})
    };
    let events: Vec<Value> = (1..=6).map(|offset| say(offset, None)).collect();
    let whole = fold(&events);
    for (replaced, left) in [("m1", 0), ("m2", 1), ("m4", 3), ("m6", 5)] {
        let mut transcript = Transcript::resume(&cut(&whole, &events, 4, u64::MAX)).unwrap();
        assert!(transcript.older(&cut(&whole, &events, 2, 5)));
        assert!(transcript.older(&cut(&whole, &events, 0, 3)));
        transcript.apply(&say(7, Some(replaced)));
        assert_eq!(transcript.messages().len(), left + 1, "{replaced}");
    }
}
