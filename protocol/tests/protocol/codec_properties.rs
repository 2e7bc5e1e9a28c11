//! What holds for any event, any frame and any text.

use durable_sessions_protocol::event::{Draft, Event, Stored, stamp};
use durable_sessions_protocol::frame::{ClientFrame, Publish, ServerFrame, events_frame};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::json::{self, Json};
use durable_sessions_protocol::offset::Offset;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::arbitrary::{client_frame, config, event, offset, principal, publish, session, value};

/// The same object with its keys in another order and white space around everything.
fn rearranged(text: &str, turn: usize) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    let mut fields: Vec<(String, Value)> = value.as_object().unwrap().clone().into_iter().collect();
    let turn = turn % fields.len().max(1);
    fields.rotate_left(turn);
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("\n\t{} : {:#}", Value::from(name), value))
        .collect();
    format!(" {{{} \r\n}} ", fields.join(" ,"))
}

/// The same object with one more field at its end.
fn with_field(text: &str, name: &str, value: &Value) -> String {
    let open = text.strip_suffix('}').unwrap();
    let comma = if open.ends_with('{') { "" } else { "," };
    format!("{open}{comma}{}:{value}}}", Value::from(name))
}

fn read_anyhow(text: &str) {
    let _ = Draft::parse(text);
    let _ = Stored::parse(text);
    let _ = ClientFrame::parse(text);
    let _ = serde_json::from_str::<ServerFrame>(text);
    let _ = Json::parse(text);
    let _ = json::check(text);
    let _ = json::compact(text);
    let _ = (Id::parse(text), SessionId::parse(text), LogId::parse(text));
    let _ = Offset::parse_http(text);
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn an_event_survives_writing_and_reading(event in event()) {
        let written = event.to_json();
        let draft = Draft::parse(&written).unwrap();
        prop_assert_eq!(&draft.event, &event);
        prop_assert_eq!(&draft.json, &written);
        prop_assert_eq!(Draft::from(event), draft);
    }

    #[test]
    fn an_event_says_the_same_in_any_layout(event in event(), turn in 0_usize..8) {
        let draft = Draft::parse(&rearranged(&event.to_json(), turn)).unwrap();
        prop_assert_eq!(&draft.event, &event);
        prop_assert_eq!(json::compact(&draft.json), draft.json.clone());
    }

    // DS-2.7
    #[test]
    fn an_unknown_field_changes_nothing(event in event(), name in "x_[a-z]{1,8}", more in value()) {
        let draft = Draft::parse(&with_field(&event.to_json(), &name, &more)).unwrap();
        prop_assert_eq!(draft.event, event);
    }

    // DS-2.8
    #[test]
    fn an_unknown_kind_is_not_supported_whatever_else_it_says(
        event in event(),
        name in "[a-z_]{1,12}",
        more in value(),
    ) {
        let Value::Object(mut fields) = serde_json::from_str::<Value>(&event.to_json()).unwrap()
        else { panic!("no object") };
        let stamps = ["offset", "at", "from", "first", "runs"];
        if !stamps.contains(&name.as_str()) {
            fields.insert(name, more);
        }
        fields.insert("kind".to_owned(), "of.later".into());
        let problem = Draft::parse(&Value::Object(fields).to_string()).unwrap_err();
        prop_assert_eq!(problem.code.as_str(), "not_supported");
    }

    // DS-2.2
    #[test]
    fn a_stamped_event_is_the_draft_and_its_stamps(
        event in event(),
        at_offset in offset(),
        at in any::<u64>(),
        from in prop::option::of(principal()),
        session in session(),
    ) {
        let draft = Draft::from(event);
        let runs = matches!(draft.event, Event::StopRequested(_)).then(|| vec![
            Id::parse("r\"1").unwrap(),
            Id::parse("r2").unwrap(),
        ]);
        let text = stamp(&draft.json, at_offset, at, from.as_ref(), runs.as_deref());
        prop_assert!(json::check(&text).is_ok());
        let stored = Stored::parse(&text).unwrap();
        prop_assert_eq!((stored.offset, stored.at, stored.from), (at_offset, at, from));
        let mut event = draft.event;
        if let Event::StopRequested(stop) = &mut event {
            stop.runs = runs;
        }
        prop_assert_eq!(stored.event, event);

        // Whatever is stored can be read in the frame it travels in.
        let frame = events_frame(&session, at_offset, at_offset, [text.as_str()].into_iter());
        let read: ServerFrame = serde_json::from_str(&frame).unwrap();
        let wanted: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(
            read,
            ServerFrame::Events { session, first: at_offset, last: at_offset, events: vec![wanted] }
        );
    }

    #[test]
    fn a_clients_frame_survives_writing_and_reading(frame in client_frame(), turn in 0_usize..8) {
        let written = frame.to_json();
        prop_assert_eq!(ClientFrame::parse(&written).unwrap().to_json(), written.clone());
        let rearranged = rearranged(&written, turn);
        prop_assert_eq!(ClientFrame::parse(&rearranged).unwrap().to_json(), written.clone());
        let more = with_field(&written, "x_later", &Value::from(7));
        prop_assert_eq!(ClientFrame::parse(&more).unwrap().to_json(), written);
    }

    #[test]
    fn a_publish_carries_its_events_untouched(
        values in prop::collection::vec(value(), 0..4),
        (request, session, log, producer) in publish(),
    ) {
        let events: Vec<Box<RawValue>> = values
            .iter()
            .map(|value| RawValue::from_string(format!("{value:#}")).unwrap())
            .collect();
        let events: Vec<&RawValue> = events.iter().map(|event| &**event).collect();
        let frame = Publish { request, session, log, producer, events: events.clone() };
        let frame = ClientFrame::Publish(frame).to_json();
        let ClientFrame::Publish(read) = ClientFrame::parse(&frame).unwrap() else {
            panic!("another frame")
        };
        let texts: Vec<&str> = read.events.iter().map(|event| event.get()).collect();
        prop_assert_eq!(texts, events.iter().map(|event| event.get()).collect::<Vec<_>>());
        prop_assert_eq!(ClientFrame::Publish(read).to_json(), frame.clone());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_anyhow(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        read_anyhow(&text);
    }

    #[test]
    fn arbitrary_json_never_panics(value in value()) {
        read_anyhow(&value.to_string());
    }

    #[test]
    fn a_damaged_event_or_frame_never_panics(
        text in prop_oneof![
            event().prop_map(|event| event.to_json()),
            client_frame().prop_map(|frame| frame.to_json()),
        ],
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_anyhow(&String::from_utf8_lossy(&bytes));
        read_anyhow(&String::from_utf8_lossy(&bytes[..cut.index(bytes.len())]));
    }

    #[test]
    fn known_fields_of_any_type_never_panic(
        kind in prop::sample::select(vec![
            "message", "run.started", "delta", "data", "run.suspended", "run.resumed",
            "stop.requested", "steer", "input.state", "run.ended", "session.updated",
            "hello", "attach", "publish", "fetch", "seen", "serve", "ping",
        ]),
        fields in prop::collection::btree_map(
            prop::sample::select(vec![
                "id", "role", "run", "text", "parts", "to", "if_running", "replaces", "data",
                "agent", "parent", "in_reply_to", "lease_ms", "message", "part", "end", "name",
                "ask", "body", "answer", "all", "seen", "cascade", "state", "outcome", "title",
                "offset", "at", "from", "first", "runs", "request", "session", "log", "events",
                "producer", "position", "last", "merge", "slots", "sessions", "after", "limit", "tabs",
                "group",
            ]),
            value(),
            0..8,
        ),
    ) {
        for tag in ["kind", "type"] {
            let mut object: serde_json::Map<String, Value> =
                fields.iter().map(|(&name, value)| (name.to_owned(), value.clone())).collect();
            object.insert(tag.to_owned(), kind.into());
            read_anyhow(&Value::Object(object).to_string());
        }
    }
}
