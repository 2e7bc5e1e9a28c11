//! How much input waits, and who waits for room.

use durable_sessions_protocol::error::ErrorCode;

use super::super::room::{DELEGATED_MAX_INPUTS, PENDING_MAX_MESSAGES};
use super::{Bench, State, Writer, code, id, writer};

fn message(id: &str) -> String {
    format!(r#"{{"kind":"message","id":"{id}","role":"user","text":"hi"}}"#)
}

fn start(run: &str, agent: &str, more: &str) -> String {
    format!(r#"{{"kind":"run.started","run":"{run}","agent":"{agent}"{more}}}"#)
}

fn delegate(id: &str) -> String {
    format!(r#"{{"kind":"message","id":"{id}","role":"assistant","run":"r","to":"b","text":"do"}}"#)
}

/// A session where as many messages wait as may, sent in one publish.
fn full_of_messages(bench: &mut Bench) {
    full_of_messages_but(bench, 0);
}

/// The same, where some wait already.
fn full_of_messages_but(bench: &mut Bench, some: usize) {
    let messages: Vec<String> =
        (some..PENDING_MAX_MESSAGES).map(|n| message(&format!("m{n}"))).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    let person = writer("user/ann", None);
    let first = bench.publish(&person, Some(("tab", 1, 0)), &messages).unwrap();
    // What was admitted before is answered before.
    let again = bench.publish(&person, Some(("tab", 1, 0)), &messages).unwrap();
    assert!(again.duplicate && (again.first, again.last) == (first.first, first.last));
}

/// A run `r` that has delegated as much as waits, sent in one publish after its start.
fn full_of_delegated(bench: &mut Bench, agent: &Writer) {
    bench.publish(agent, Some(("p", 1, 0)), &[&start("r", "a", "")]).unwrap();
    let inputs: Vec<String> =
        (0..DELEGATED_MAX_INPUTS).map(|n| delegate(&format!("d{n}"))).collect();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    bench.publish(agent, Some(("p", 1, 1)), &inputs).unwrap();
}

// DS-7.16
#[test]
fn only_so_many_messages_wait_for_their_agents() {
    let mut bench = Bench::new();
    full_of_messages(&mut bench);
    assert_eq!(code(bench.act("user/ann", &message("more"))), ErrorCode::RateLimited);
    bench.asked("n", r#","to":null"#).unwrap();
    bench.act("agent/a", &start("r1", "assistant", r#","in_reply_to":"m0""#)).unwrap();
    // There is room for one: two at a time are refused, and use no number up.
    let person = writer("user/ann", None);
    for _ in 0..2 {
        let two =
            bench.publish(&person, Some(("tab", 1, 1)), &[&message("more"), &message("other")]);
        assert_eq!(code(two), ErrorCode::RateLimited);
    }
    bench.publish(&person, Some(("tab", 1, 1)), &[&message("more")]).unwrap();
}

// DS-4.11
#[test]
fn who_may_not_write_is_told_so_before_the_room_is_looked_at() {
    let mut bench = Bench::new();
    full_of_messages(&mut bench);
    let data = r#"{"kind":"data","name":"n"}"#;
    let over_http = writer("user/ann", None);
    bench.publish(&over_http, Some(("tab", 2, 0)), &[data]).unwrap();
    let mut refused = |writer: &Writer, epoch, seq| {
        code(bench.publish(writer, Some(("tab", epoch, seq)), &[&message("more")]))
    };
    assert_eq!(refused(&over_http, 1, 1), ErrorCode::Fenced);
    assert_eq!(refused(&writer("user/ann", Some(1)), 3, 0), ErrorCode::Invalid, "never granted");
    assert_eq!(refused(&over_http, 2, 1), ErrorCode::RateLimited);
    assert_eq!(refused(&over_http, 3, 0), ErrorCode::RateLimited, "it declares no epoch");
    bench.publish(&over_http, Some(("tab", 2, 1)), &[data]).unwrap();
}

// DS-7.16
#[test]
fn the_claim_that_makes_room_does_not_wait_behind_an_input_too_many() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    full_of_delegated(&mut bench, &agent);
    let mut publish = |seq, events: &[&str]| bench.publish(&agent, Some(("p", 1, seq)), events);
    let more = delegate("more");

    let refused = publish(2, &[r#"{"kind":"data","name":"n"}"#, &more]).unwrap_err();
    assert_eq!((refused.problem.code, refused.index), (ErrorCode::Invalid, Some(1)));
    // Nobody but this producer serves the agent `b`.
    publish(3, &[&start("r0", "b", r#","in_reply_to":"d0""#)]).unwrap();
    assert_eq!(code(publish(2, &[&more])), ErrorCode::Invalid, "recorded");
    publish(4, &[&more]).unwrap();
    // A claim makes room for what comes behind it in the same publish.
    let claim = start("r1", "b", r#","in_reply_to":"d1""#);
    assert_eq!(code(publish(5, &[&delegate("last"), &claim])), ErrorCode::Invalid);
    publish(6, &[&claim, &delegate("last")]).unwrap();
}

// DS-7.16
#[test]
fn what_agents_delegate_and_what_people_send_do_not_take_each_others_room() {
    let mut bench = Bench::new();
    full_of_delegated(&mut bench, &writer("agent/a", None));
    full_of_messages(&mut bench);
    bench.started("c", "other", "").unwrap();
    for _ in 0..2 {
        assert_eq!(code(bench.act("user/ann", &message("more"))), ErrorCode::RateLimited);
        assert_eq!(code(bench.delegated("c", "other", "more", "b")), ErrorCode::Invalid);
        bench.kill();
    }
    // An agent's message that is none does not wait either.
    let agent = writer("agent/a", None);
    let bad = r#"{"kind":"message","id":"x","role":"assistant","text":"whose?"}"#;
    assert_eq!(code(bench.publish(&agent, Some(("p", 1, 2)), &[bad])), ErrorCode::Invalid);
    bench.stopped("s", r#""run":"r""#).unwrap();
    bench.delegated("c", "other", "fewer", "b").unwrap();
    assert_eq!(code(bench.act("user/ann", &message("more"))), ErrorCode::RateLimited);
    bench.stopped("t", r#""message":"m0""#).unwrap();
    bench.asked("more", "").unwrap();
}

#[test]
fn a_refused_publish_gives_back_the_room_it_took() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    full_of_delegated(&mut bench, &agent);
    let claim = start("r0", "b", r#","in_reply_to":"d0""#);
    let gone = r#"{"kind":"delta","run":"gone","message":"m","text":"x"}"#;
    let refused = bench.publish(&agent, Some(("p", 1, 2)), &[&claim, &delegate("more"), gone]);
    assert_eq!(code(refused), ErrorCode::NotFound);
    assert_eq!(
        code(bench.publish(&agent, Some(("p", 1, 3)), &[&delegate("more")])),
        ErrorCode::Invalid
    );
    bench.publish(&agent, Some(("p", 1, 4)), &[&claim]).unwrap();
    bench.publish(&agent, Some(("p", 1, 5)), &[&delegate("more")]).unwrap();
}

#[test]
fn room_is_counted_the_same_from_a_checkpoint() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    full_of_delegated(&mut bench, &agent);
    bench.asked("m0", "").unwrap();
    let log = bench.state.log().clone();
    let restored = State::restore(&bench.state.checkpoint(), &log, &id("assistant")).unwrap();
    bench.state = restored;
    let refused = bench.publish(&agent, Some(("p", 1, 2)), &[&delegate("more")]);
    assert_eq!(code(refused), ErrorCode::Invalid);
    full_of_messages_but(&mut bench, 1);
    assert_eq!(code(bench.act("user/ann", &message("more"))), ErrorCode::RateLimited);
}
