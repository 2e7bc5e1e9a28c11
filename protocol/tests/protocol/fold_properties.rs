//! What holds for the fold of any log, and of anything that is none. DS-13.

use durable_sessions_protocol::event::Stored;
use durable_sessions_protocol::fold::{MessageState, RunState, Transcript};
use durable_sessions_protocol::id::LogId;
use durable_sessions_protocol::limits::MESSAGE_MAX_PARTS;
use proptest::prelude::*;
use serde_json::Value;

use crate::arbitrary::{config, value};
use crate::arbitrary_log::log;

fn empty() -> Transcript {
    Transcript::new(LogId::parse("log").unwrap())
}

fn fold<'a>(events: impl IntoIterator<Item = &'a str>) -> Transcript {
    let mut transcript = empty();
    for event in events {
        transcript.apply(&serde_json::from_str(event).unwrap());
    }
    transcript
}

fn texts(events: &[String]) -> impl Iterator<Item = &str> {
    events.iter().map(String::as_str)
}

/// What must hold of every transcript, whatever it was made of.
fn check_shape(transcript: &Transcript) -> Result<(), TestCaseError> {
    for message in transcript.messages() {
        prop_assert!(message.parts.len() <= MESSAGE_MAX_PARTS as usize);
        let joined: String = message
            .parts
            .iter()
            .filter(|part| part.get("type").and_then(Value::as_str) == Some("text"))
            .filter_map(|part| part.get("text")?.as_str())
            .collect();
        prop_assert_eq!(&message.text, &joined);
    }
    for (index, run) in transcript.runs().iter().enumerate() {
        prop_assert!(run.parent.is_none_or(|parent| parent < index), "a run under a later one");
    }
    for ids in [
        transcript.messages().iter().map(|message| &message.id).collect::<Vec<_>>(),
        transcript.runs().iter().map(|run| &run.id).collect(),
    ] {
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), ids.len(), "an id stands twice");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn folding_event_by_event_is_folding_the_logs_text(log in log()) {
        let one_by_one = fold(texts(&log.events));
        let Value::Array(whole) = serde_json::from_str(&log.text()).unwrap() else {
            panic!("no array")
        };
        let mut of_text = empty();
        whole.iter().for_each(|event| of_text.apply(event));
        prop_assert_eq!(one_by_one.to_json(), of_text.to_json());
        prop_assert_eq!(one_by_one.offset().as_u64(), log.events.len() as u64);
        check_shape(&one_by_one)?;
    }

    #[test]
    fn what_was_read_and_written_again_folds_the_same(log in log()) {
        let mut again = empty();
        for text in &log.events {
            let mut event: Value = match Stored::parse(text) {
                Ok(stored) => serde_json::from_str(&stored.event.to_json()).unwrap(),
                // A kind of a later version has no typed form.
                Err(_) => serde_json::from_str(text).unwrap(),
            };
            let stamped: Value = serde_json::from_str(text).unwrap();
            event["offset"] = stamped["offset"].clone();
            event["at"] = stamped["at"].clone();
            again.apply(&event);
        }
        prop_assert_eq!(again.to_json(), fold(texts(&log.events)).to_json());
    }

    // DS-13.3
    #[test]
    fn deltas_split_anywhere_give_the_same_transcript(
        log in log(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let mut split = Vec::new();
        for (nth, text) in log.events.iter().enumerate() {
            let event: Value = serde_json::from_str(text).unwrap();
            let written = event["text"].as_str().filter(|_| event["kind"] == "delta");
            let Some(written) = written else {
                split.push(text.clone());
                continue;
            };
            let chars: Vec<char> = written.chars().collect();
            let cut = cuts[nth % cuts.len()].index(chars.len() + 1);
            for piece in [&chars[..cut], &chars[cut..]] {
                let mut event = event.clone();
                event["text"] = piece.iter().collect::<String>().into();
                split.push(event.to_string());
            }
        }
        prop_assert_eq!(fold(texts(&split)).to_json(), fold(texts(&log.events)).to_json());
    }

    // DS-13.2
    #[test]
    fn a_replaced_message_and_all_after_it_never_show_again(log in log()) {
        let transcript = fold(texts(&log.events));
        let shown: Vec<&str> =
            transcript.messages().iter().map(|message| message.id.as_str()).collect();
        prop_assert_eq!(shown, log.visible);
    }

    // DS-13.4
    #[test]
    fn a_message_streams_as_long_as_its_run_is_open(log in log()) {
        let transcript = fold(texts(&log.events));
        for message in transcript.messages() {
            let is_steer = message.role == "user";
            let is_open =
                !is_steer && message.run.as_ref().is_some_and(|run| log.open.contains(run));
            prop_assert_eq!(message.state == MessageState::Streaming, is_open, "{:?}", message);
        }
        for run in transcript.runs() {
            prop_assert_eq!(!run.state.has_ended(), log.open.contains(&run.id), "{:?}", run);
            if run.state == RunState::Suspended {
                prop_assert!(!run.asks.is_empty());
            }
            if run.state.has_ended() {
                prop_assert!(run.asks.is_empty());
            }
        }
    }

    // DS-2.7, DS-2.8
    #[test]
    fn unknown_fields_and_kinds_change_nothing(log in log(), more in value()) {
        let mut transcript = empty();
        for text in &log.events {
            let mut event: Value = serde_json::from_str(text).unwrap();
            event["x_later"] = more.clone();
            transcript.apply(&event);
            event["kind"] = "of.later".into();
            transcript.apply(&event);
        }
        prop_assert_eq!(transcript.to_json(), fold(texts(&log.events)).to_json());
    }

    #[test]
    fn anything_at_all_can_be_folded(
        log in log(),
        hostile in prop::collection::vec(hostile(), 0..20),
        rest in prop::collection::vec(value(), 0..4),
    ) {
        let mut transcript = fold(texts(&log.events));
        hostile.iter().chain(&rest).for_each(|event| transcript.apply(event));
        check_shape(&transcript)?;
        let _ = transcript.to_json();
    }
}

/// Something like an event, with fields of any type and ids that meet those of the logs.
fn hostile() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec![
        "message",
        "run.started",
        "delta",
        "data",
        "run.suspended",
        "run.resumed",
        "stop.requested",
        "input.state",
        "steer",
        "run.ended",
        "session.updated",
    ]);
    let name = prop::sample::select(vec![
        "id",
        "role",
        "run",
        "text",
        "parts",
        "replaces",
        "data",
        "agent",
        "parent",
        "message",
        "part",
        "type",
        "ask",
        "body",
        "runs",
        "state",
        "outcome",
        "error",
        "title",
        "offset",
        "at",
        "from",
        "in_reply_to",
        "usage",
    ]);
    let field = prop_oneof![
        3 => prop::sample::select(vec!["r0", "r1", "m0", "m1", "r0-0", "k1", "text", "completed", "stopped"])
            .prop_map(Value::from),
        1 => prop::sample::select(vec![0, 1, 1023, 1024, u64::from(u32::MAX), (1 << 53) - 1, u64::MAX])
            .prop_map(Value::from),
        1 => value(),
    ];
    (kind, prop::collection::btree_map(name, field, 0..9)).prop_map(|(kind, fields)| {
        let mut object: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        object.insert("kind".to_owned(), kind.into());
        Value::Object(object)
    })
}

#[test]
fn a_part_past_the_limit_takes_no_room_and_makes_no_message() {
    for part in [u64::from(MESSAGE_MAX_PARTS), u64::from(u32::MAX), (1 << 53) - 1] {
        let transcript = fold([
            r#"{"offset":1,"kind":"run.started","run":"r1","agent":"a"}"#,
            &format!(
                r#"{{"offset":2,"kind":"delta","run":"r1","message":"m","part":{part},"text":"x"}}"#
            ),
            &format!(
                r#"{{"offset":3,"kind":"data","run":"r1","message":"m","part":{part},"data":1}}"#
            ),
        ]);
        assert!(transcript.messages().is_empty(), "part {part}");
        assert_eq!(transcript.offset().as_u64(), 3);
    }
}

#[test]
fn a_session_of_many_runs_is_written_in_linear_time() {
    let events: Vec<String> = (0..20_000)
        .map(|n| format!(r#"{{"offset":{},"kind":"run.started","run":"r{n}","agent":"a"}}"#, n + 1))
        .collect();
    let json = fold(texts(&events)).to_json();
    assert_eq!(json["runs"].as_array().unwrap().len(), 20_000);
}
