//! `tests/fixtures/wire/frames`: the frames of both sides, and what is refused. DS-8.

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::frame::{
    ClientFrame, Limits, ServerFrame, events_frame, page_frame,
};
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use serde::Deserialize;
use serde_json::Value;

use crate::fixtures::{self, Raw};

#[derive(Deserialize)]
struct Fixture {
    #[serde(default)]
    written: Vec<Raw>,
    #[serde(default)]
    also_read: Vec<Variant>,
    #[serde(default)]
    refused: Vec<Refused>,
    #[serde(default)]
    ignored: Vec<Raw>,
}

#[derive(Deserialize)]
struct Variant {
    /// Which of `written` it says.
    #[serde(rename = "as")]
    same: usize,
    frame: Raw,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    /// The request the refusal answers.
    request: Option<u64>,
    frame: Raw,
}

fn client(text: &str) -> ClientFrame<'_> {
    ClientFrame::parse(text).unwrap_or_else(|bad| panic!("{text}: {}", bad.problem))
}

fn server(text: &str) -> ServerFrame {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_clients_frame_is_read_and_written_to_the_byte() {
    for (name, fixture) in fixtures::all::<Fixture>("wire/frames/client") {
        for written in &fixture.written {
            let frame = client(written.get());
            assert_eq!(frame.to_json(), written.get());
            assert_eq!(type_of(written.get()), name);
        }
        // DS-8.3: any order of keys, white space, unknown fields.
        for Variant { same, frame } in &fixture.also_read {
            assert_eq!(client(frame.get()).to_json(), fixture.written[*same].get(), "{name}");
        }
    }
}

#[test]
fn a_servers_frame_is_read_and_written_to_the_byte() {
    for (name, fixture) in fixtures::all::<Fixture>("wire/frames/server") {
        for written in &fixture.written {
            let frame = server(written.get());
            // An events frame is put together around stored text; the typed one only reads it.
            if !matches!(frame, ServerFrame::Events { .. } | ServerFrame::Page { .. }) {
                assert_eq!(frame.to_json(), written.get());
            }
            assert_eq!(type_of(written.get()), name);
            assert_eq!(server(&frame.to_json()), frame);
        }
        for Variant { same, frame } in &fixture.also_read {
            let frame = server(frame.get());
            assert_eq!(frame, server(fixture.written[*same].get()), "{name}");
        }
    }
}

// DS-8.4
#[test]
fn a_frame_that_cannot_be_read_names_its_request() {
    for (name, fixture) in fixtures::all::<Fixture>("wire/frames/client") {
        for refused in fixture.refused {
            let bad = ClientFrame::parse(refused.frame.get()).expect_err(&refused.name);
            assert_eq!(bad.request, refused.request, "{name}: {}", refused.name);
            assert_eq!(bad.problem.code, ErrorCode::Invalid, "{name}: {}", refused.name);
        }
    }
}

// DS-8.3
#[test]
fn a_frame_of_a_later_version_is_read_as_unknown() {
    let fixture: Fixture = fixtures::one("wire/frames/client", "unknown");
    assert!(!fixture.ignored.is_empty());
    for frame in fixture.ignored {
        assert!(matches!(client(frame.get()), ClientFrame::Unknown), "{frame}");
    }
}

#[test]
fn frames_of_events_hold_the_stored_bytes() {
    #[derive(Deserialize)]
    struct Range {
        request: Option<u64>,
        session: SessionId,
        log: Option<LogId>,
        first: Offset,
        last: Offset,
        events: Vec<Raw>,
    }
    for name in ["events", "page"] {
        let fixture: Fixture = fixtures::one("wire/frames/server", name);
        for written in fixture.written {
            let Range { request, session, log, first, last, events } =
                serde_json::from_str(written.get()).unwrap();
            let events = events.iter().map(|event| event.get());
            let frame = match &log {
                Some(log) => page_frame(request, &session, log, first, last, events),
                None => events_frame(&session, first, last, events),
            };
            assert_eq!(frame, written.get());
        }
    }
}

#[test]
fn welcome_tells_the_limits_of_this_version() {
    let fixture: Fixture = fixtures::one("wire/frames/server", "welcome");
    let ServerFrame::Welcome { limits, .. } = server(fixture.written[0].get()) else {
        panic!("another frame")
    };
    assert_eq!(limits, Limits::default());
}

#[test]
fn every_frame_has_a_fixture() {
    let names = |side| -> Vec<String> {
        let fixtures = fixtures::all::<Fixture>(side).into_iter();
        fixtures.filter(|(_, fixture)| !fixture.written.is_empty()).map(|(name, _)| name).collect()
    };
    assert_eq!(
        names("wire/frames/client"),
        ["attach", "detach", "fetch", "hello", "ping", "pong", "publish", "seen", "serve", "token"]
    );
    assert_eq!(
        names("wire/frames/server"),
        [
            "ack",
            "attached",
            "detached",
            "draining",
            "error",
            "events",
            "page",
            "ping",
            "pong",
            "presence",
            "refused",
            "reset",
            "token_expiring",
            "wake",
            "welcome",
        ]
    );
}

fn type_of(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    value["type"].as_str().unwrap().to_owned()
}
