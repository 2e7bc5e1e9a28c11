//! Anything the types of the wire can hold.

use std::num::{NonZeroU32, NonZeroU64};

use durable_sessions_protocol::event::{
    Address, Data, Delta, Event, IfRunning, InputFate, InputState, Message, Outcome, Principal,
    PrincipalKind, Role, RunEnded, RunResumed, RunStarted, RunSuspended, SessionUpdated, Steer,
    StopRequested, StopTarget,
};
use durable_sessions_protocol::frame::{
    Attach, ClientFrame, Detach, Fetch, Hello, Ping, Pong, ProducerClaim, ProducerSeq, Seen, Serve,
    Token,
};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::json::Json;
use durable_sessions_protocol::offset::{Offset, Position};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

/// Properties leave no files behind: a failure prints its shrunk input, which then becomes a test.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

pub(crate) fn id() -> impl Strategy<Value = Id> {
    prop_oneof!["[a-z0-9-]{1,20}", "\\PC{1,10}"]
        .prop_filter_map("a control character", |text| Id::parse(&text).ok())
}

pub(crate) fn session() -> impl Strategy<Value = SessionId> {
    "[A-Za-z0-9._~-]{1,128}".prop_map(|text| SessionId::parse(&text).unwrap())
}

pub(crate) fn log() -> impl Strategy<Value = LogId> {
    "[A-Za-z0-9._~-]{1,128}".prop_map(|text| LogId::parse(&text).unwrap())
}

pub(crate) fn offset() -> impl Strategy<Value = Offset> {
    (0..=Offset::MAX.as_u64()).prop_map(|value| Offset::new(value).unwrap())
}

pub(crate) fn principal() -> impl Strategy<Value = Principal> {
    let kind = prop_oneof![Just(PrincipalKind::User), Just(PrincipalKind::Agent)];
    (kind, id()).prop_map(|(kind, id)| Principal { kind, id })
}

/// JSON of a few levels.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Opaque JSON. Not `null`, which is the same as leaving the field out.
fn json() -> impl Strategy<Value = Json> {
    value().prop_filter("null", |value| !value.is_null()).prop_map(|value| Json::from(&value))
}

fn parts() -> impl Strategy<Value = Json> {
    prop::collection::vec(value(), 0..4).prop_map(|parts| Json::from(&Value::from(parts)))
}

/// Every event a client may send.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        message().prop_map(Event::Message),
        run_started().prop_map(Event::RunStarted),
        delta().prop_map(Event::Delta),
        data().prop_map(Event::Data),
        (id(), id(), json(), option::of(any::<u64>())).prop_map(|(run, ask, body, expires_ms)| {
            Event::RunSuspended(RunSuspended { run, ask, body, expires_ms })
        }),
        (id(), id(), json()).prop_map(|(run, ask, answer)| Event::RunResumed(RunResumed {
            run,
            ask,
            answer
        })),
        stop().prop_map(Event::StopRequested),
        steer().prop_map(Event::Steer),
        (id(), fate()).prop_map(|(id, state)| Event::InputState(InputState { id, state })),
        run_ended().prop_map(Event::RunEnded),
        (option::of(any::<String>()), option::of(json())).prop_map(|(title, data)| {
            Event::SessionUpdated(SessionUpdated { title, id: None, data })
        }),
    ]
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    Parts(Json),
    None,
}

fn message() -> impl Strategy<Value = Message> {
    let content = prop_oneof![
        any::<String>().prop_map(Content::Text),
        parts().prop_map(Content::Parts),
        Just(Content::None),
    ];
    let to =
        prop_oneof![Just(Address::Default), Just(Address::Nobody), id().prop_map(Address::Agent)];
    let if_running = prop_oneof![
        Just(IfRunning::Queue),
        Just(IfRunning::Parallel),
        Just(IfRunning::Interrupt),
        Just(IfRunning::Reject),
    ];
    let role = prop_oneof![Just(Role::User), Just(Role::Assistant)];
    let optional = (option::of(id()), option::of(if_running), option::of(id()), option::of(json()));
    (id(), role, content, to, optional, json()).prop_map(|(id, role, content, to, rest, own)| {
        let (run, if_running, replaces, data) = rest;
        let (text, parts, data) = match content {
            Content::Text(text) => (Some(text), None, data),
            Content::Parts(parts) => (None, Some(parts), data),
            // A message says something, if only to the app.
            Content::None => (None, None, Some(data.unwrap_or(own))),
        };
        Message { id, role, run, text, parts, to, if_running, replaces, data }
    })
}

fn run_started() -> impl Strategy<Value = RunStarted> {
    let optional =
        (option::of(id()), option::of(id()), option::of(any::<u64>()), option::of(json()));
    (id(), id(), optional).prop_map(|(run, agent, (parent, in_reply_to, lease_ms, data))| {
        RunStarted { run, agent, parent, in_reply_to, lease_ms, data }
    })
}

fn delta() -> impl Strategy<Value = Delta> {
    let part_type = prop_oneof![Just("text".to_owned()), any::<String>()];
    (id(), id(), 0_u32..1024, part_type, any::<String>(), any::<bool>(), option::of(id())).prop_map(
        |(run, message, part, part_type, text, end, id)| Delta {
            run,
            message,
            part,
            part_type,
            text,
            end,
            id,
        },
    )
}

fn data() -> impl Strategy<Value = Data> {
    let place = option::of((id(), 0_u32..1024));
    (any::<String>(), option::of(json()), option::of(id()), option::of(id()), place).prop_map(
        |(name, data, id, run, place)| {
            let (message, part) = place.unzip();
            Data { name, data, id, run, message, part }
        },
    )
}

fn stop() -> impl Strategy<Value = StopRequested> {
    let target = prop_oneof![
        id().prop_map(StopTarget::Run),
        id().prop_map(StopTarget::Message),
        option::of(offset()).prop_map(|seen| StopTarget::All { seen }),
    ];
    (id(), target, any::<bool>(), option::of(any::<String>())).prop_map(
        |(id, target, cascade, reason)| StopRequested { id, target, cascade, reason, runs: None },
    )
}

fn steer() -> impl Strategy<Value = Steer> {
    let content = prop_oneof![
        (any::<String>(), option::of(json())).prop_map(|(text, data)| (Some(text), None, data)),
        (parts(), option::of(json())).prop_map(|(parts, data)| (None, Some(parts), data)),
        json().prop_map(|data| (None, None, Some(data))),
    ];
    (id(), id(), content).prop_map(|(id, run, (text, parts, data))| Steer {
        id,
        run,
        text,
        parts,
        data,
    })
}

fn fate() -> impl Strategy<Value = InputFate> {
    prop_oneof![Just(InputFate::Used), Just(InputFate::Expired), Just(InputFate::Stopped)]
}

fn run_ended() -> impl Strategy<Value = RunEnded> {
    let outcome = prop_oneof![
        Just(Outcome::Completed),
        Just(Outcome::Failed),
        Just(Outcome::Stopped),
        Just(Outcome::Lost),
    ];
    (id(), outcome, option::of(json()), option::of(json()), option::of(json())).prop_map(
        |(run, outcome, error, usage, data)| RunEnded { run, outcome, error, usage, data },
    )
}

/// Every frame a client sends but `publish`, which borrows its events.
pub(crate) fn client_frame() -> impl Strategy<Value = ClientFrame<'static>> {
    let request = || option::of(any::<u64>());
    let texts = || option::of(any::<String>());
    prop_oneof![
        (texts(), texts(), option::of(id()), option::of(id())).prop_map(
            |(token, principal, client, group)| ClientFrame::Hello(Hello {
                token,
                principal,
                client,
                group
            })
        ),
        attach().prop_map(ClientFrame::Attach),
        (request(), session())
            .prop_map(|(request, session)| ClientFrame::Detach(Detach { request, session })),
        (request(), session(), log(), offset(), option::of(any::<NonZeroU64>()), any::<bool>())
            .prop_map(|(request, session, log, after, limit, merge)| ClientFrame::Fetch(Fetch {
                request,
                session,
                log,
                after,
                limit,
                merge
            })),
        (session(), offset(), option::of(any::<NonZeroU32>()))
            .prop_map(|(session, offset, tabs)| ClientFrame::Seen(Seen { session, offset, tabs })),
        (
            request(),
            id(),
            option::of(prop::collection::vec(any::<String>(), 0..3)),
            any::<u32>(),
            option::of(id())
        )
            .prop_map(|(request, agent, sessions, slots, producer)| ClientFrame::Serve(
                Serve { request, agent, sessions, slots, producer }
            )),
        (request(), prop::collection::vec(id(), 0..3))
            .prop_map(|(request, runs)| ClientFrame::Ping(Ping { request, runs })),
        request().prop_map(|request| ClientFrame::Pong(Pong { request })),
        any::<String>().prop_map(|token| ClientFrame::Token(Token { token })),
    ]
}

fn attach() -> impl Strategy<Value = Attach> {
    let position = option::of((log(), offset()).prop_map(|(log, offset)| Position { log, offset }));
    let producer = (id(), option::of(any::<u64>()), prop::collection::vec(id(), 0..3))
        .prop_map(|(id, epoch, runs)| ProducerClaim { id, epoch, runs });
    let request = option::of(any::<u64>());
    let last = option::of(any::<u64>());
    (request, session(), position, last, any::<bool>(), option::of(producer)).prop_map(
        |(request, session, position, last, merge, producer)| Attach {
            request,
            session,
            position,
            last,
            merge,
            producer,
        },
    )
}

/// The fields of a publish beside its events.
pub(crate) fn publish()
-> impl Strategy<Value = (Option<u64>, SessionId, Option<LogId>, Option<ProducerSeq>)> {
    let producer = (id(), any::<u64>(), any::<u64>()).prop_map(|(id, epoch, seq)| ProducerSeq {
        id,
        epoch,
        seq,
    });
    (option::of(any::<u64>()), session(), option::of(log()), option::of(producer))
}
