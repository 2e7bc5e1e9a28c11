//! `tests/fixtures/wire/events`: what each kind looks like as its writer sends it, as the log keeps
//! it, in which other forms it is read, and what is refused. DS-2 and DS-3.

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::event::{
    Address, Data, Delta, Draft, Event, IfRunning, InputFate, InputState, Message, Outcome,
    PrincipalKind, Role, RunEnded, RunResumed, RunStarted, RunSuspended, SessionUpdated, Steer,
    StopRequested, StopTarget, Stored, stamp,
};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::json::Json;
use durable_sessions_protocol::limits::{EVENT_MAX_BYTES, EVENT_MAX_NESTING_LEVELS};
use durable_sessions_protocol::offset::Offset;
use serde::Deserialize;

use crate::fixtures::{self, Raw};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    written: Raw,
    stored: Raw,
    also_read: Vec<Raw>,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    code: String,
    event: Raw,
}

fn cases() -> impl Iterator<Item = (String, Case)> {
    let fixtures = fixtures::all::<Fixture>("wire/events").into_iter();
    fixtures
        .flat_map(|(kind, fixture)| fixture.cases.into_iter().map(move |case| (kind.clone(), case)))
}

// DS-2.1
#[test]
fn an_event_is_read_and_written_to_the_byte() {
    for (kind, case) in cases() {
        let draft = Draft::parse(case.written.get()).unwrap();
        assert_eq!(draft.event.kind(), kind, "{}", case.name);
        assert_eq!(draft.json, case.written.get(), "{}", case.name);
        assert_eq!(draft.event.to_json(), case.written.get(), "{}", case.name);
    }
}

// DS-2.2, DS-2.10
#[test]
fn a_stored_event_is_the_written_one_with_the_servers_stamps() {
    for (kind, case) in cases() {
        let mut draft = Draft::parse(case.written.get()).unwrap();
        let stored = Stored::parse(case.stored.get()).unwrap();
        let runs = if let (Event::StopRequested(sent), Event::StopRequested(kept)) =
            (&mut draft.event, &stored.event)
        {
            sent.runs.clone_from(&kept.runs);
            kept.runs.clone()
        } else {
            None
        };
        assert_eq!(stored.event, draft.event, "{kind}: {}", case.name);
        let stamped =
            stamp(&draft.json, stored.offset, stored.at, stored.from.as_ref(), runs.as_deref());
        assert_eq!(stamped, case.stored.get(), "{kind}: {}", case.name);
    }
}

// DS-2.7, DS-2.9
#[test]
fn an_event_is_read_in_any_order_with_white_space_and_unknown_fields() {
    let mut variants = 0;
    for (kind, case) in cases() {
        let event = Draft::parse(case.written.get()).unwrap().event;
        for variant in case.also_read {
            let read = Draft::parse(variant.get()).unwrap();
            assert_eq!(read.event, event, "{kind}: {}", case.name);
            // The log keeps what the writer said, to the byte but for white space.
            assert!(!read.json.contains(['\n', '\t']), "{kind}: {}", case.name);
            assert_eq!(Draft::parse(&read.json).unwrap(), read, "{kind}: {}", case.name);
            variants += 1;
        }
    }
    assert!(variants >= 10);
}

#[test]
fn a_malformed_event_is_refused_with_its_code() {
    for (kind, fixture) in fixtures::all::<Fixture>("wire/events") {
        for Refused { name, code, event } in fixture.refused {
            let problem = Draft::parse(event.get()).expect_err(&format!("{kind}: {name}"));
            assert_eq!(problem.code.as_str(), code, "{kind}: {name}: {problem}");
        }
    }
}

#[test]
fn every_kind_has_a_fixture() {
    let names: Vec<String> =
        fixtures::all::<Fixture>("wire/events").into_iter().map(|(name, _)| name).collect();
    let kinds: Vec<String> = typed().into_iter().map(|event| event.kind().to_owned()).collect();
    for kind in kinds {
        assert!(names.contains(&kind), "{kind}");
    }
}

/// The events of the fixtures' fullest cases, built by hand.
#[test]
fn the_fields_of_a_kind_mean_what_they_say() {
    let written: Vec<String> = cases().map(|(_, case)| case.written.get().to_owned()).collect();
    for event in typed() {
        let json = event.to_json();
        assert!(written.contains(&json), "no fixture is {json}");
        assert_eq!(Draft::parse(&json).unwrap().event, event);
    }
}

fn typed() -> Vec<Event> {
    vec![
        Event::Message(Message {
            id: id("m2"),
            role: Role::User,
            run: None,
            text: None,
            parts: Some(json(
                r#"[{"type":"text","text":"And with this?"},{"type":"file","url":"https://files.example/costs.csv"}]"#,
            )),
            to: Address::Agent(id("analyst")),
            if_running: Some(IfRunning::Queue),
            replaces: Some(id("m1")),
            data: Some(json(r#"{"draft":2}"#)),
        }),
        Event::Message(Message {
            id: id("m3"),
            role: Role::User,
            run: None,
            text: Some("note to self".to_owned()),
            parts: None,
            to: Address::Nobody,
            if_running: None,
            replaces: None,
            data: None,
        }),
        Event::RunStarted(RunStarted {
            run: id("r2"),
            agent: id("assistant"),
            parent: Some(id("r1")),
            in_reply_to: Some(id("m2")),
            lease_ms: Some(60_000),
            data: Some(json(r#"{"model":"small"}"#)),
        }),
        Event::Delta(Delta {
            run: id("r1"),
            message: id("a1"),
            part: 1,
            part_type: "reasoning".to_owned(),
            text: "tribution \"margin\"\n".to_owned(),
            end: true,
            id: None,
        }),
        Event::Data(Data {
            name: "table".to_owned(),
            data: Some(json(r#"{"type":"table","rows":[[1,2]]}"#)),
            id: Some(id("d-2")),
            run: Some(id("r1")),
            message: Some(id("a1")),
            part: Some(2),
        }),
        Event::RunSuspended(RunSuspended {
            run: id("r1"),
            ask: id("k1"),
            body: json(r#"{"approve":"raise the bid cap"}"#),
            expires_ms: Some(3_600_000),
        }),
        Event::RunResumed(RunResumed {
            run: id("r1"),
            ask: id("k1"),
            answer: json(r#"{"approved":true}"#),
        }),
        Event::StopRequested(StopRequested {
            id: id("s3"),
            target: StopTarget::All { seen: Offset::new(17) },
            cascade: false,
            reason: None,
            runs: None,
        }),
        Event::Steer(Steer {
            id: id("t1"),
            run: id("r1"),
            text: Some("in euro please".to_owned()),
            parts: None,
            data: None,
        }),
        Event::InputState(InputState { id: id("m1"), state: InputFate::Used }),
        Event::RunEnded(RunEnded {
            run: id("r2"),
            outcome: Outcome::Failed,
            error: Some(json(r#"{"code":"no_price","detail":"the price is missing"}"#)),
            usage: None,
            data: None,
        }),
        Event::SessionUpdated(SessionUpdated {
            id: None,
            title: Some("Unit economics".to_owned()),
            data: Some(json(r#"{"pinned":true}"#)),
        }),
    ]
}

#[test]
fn the_stamps_of_a_stored_event_are_read() {
    let case = cases().find(|(_, case)| case.name == "a stop of one run").unwrap().1;
    let stored = Stored::parse(case.stored.get()).unwrap();
    assert_eq!((stored.offset.as_u64(), stored.at), (16, 1_767_225_600_016));
    let from = stored.from.unwrap();
    assert_eq!((from.kind, from.id.as_str()), (PrincipalKind::User, "ann"));
    let Event::StopRequested(stop) = stored.event else { panic!("another kind") };
    assert_eq!(stop.runs, Some(vec![id("r1")]));
}

#[test]
fn an_event_without_its_stamps_is_no_stored_one() {
    for text in [
        r#"{"kind":"data","name":"x"}"#,
        r#"{"offset":1,"kind":"data","name":"x"}"#,
        r#"{"offset":null,"at":1,"kind":"data","name":"x"}"#,
        r#"{"offset":9007199254740992,"at":1,"kind":"data","name":"x"}"#,
    ] {
        assert_eq!(Stored::parse(text).unwrap_err().code, ErrorCode::Invalid, "{text}");
    }
}

#[test]
fn a_log_with_a_steer_that_says_nothing_is_read() {
    let text = r#"{"offset":1,"at":1,"kind":"steer","id":"t","run":"r"}"#;
    assert_eq!(Stored::parse(text).unwrap().event.kind(), "steer");
}

// DS-2.6
#[test]
fn an_event_is_measured_without_its_white_space() {
    let event = |length: usize| {
        let filler = "x".repeat(length - r#"{"kind":"data","name":""}"#.len());
        format!(r#"{{"kind":"data",{}"name":"{filler}"}}"#, " ".repeat(100))
    };
    assert_eq!(Draft::parse(&event(EVENT_MAX_BYTES)).unwrap().json.len(), EVENT_MAX_BYTES);
    let problem = Draft::parse(&event(EVENT_MAX_BYTES + 1)).unwrap_err();
    assert_eq!(problem.code, ErrorCode::TooLarge);
}

// DS-2.5
#[test]
fn an_event_is_nested_no_deeper_than_every_reader_can_read() {
    let event = |levels: usize| {
        // The event itself is the first level.
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"kind":"data","name":"x","data":{open}{close}}}"#)
    };
    assert!(Draft::parse(&event(EVENT_MAX_NESTING_LEVELS)).is_ok());
    let problem = Draft::parse(&event(EVENT_MAX_NESTING_LEVELS + 1)).unwrap_err();
    assert_eq!(problem.code, ErrorCode::Invalid);
    assert!(Draft::parse(&event(200_000)).is_err());
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}
