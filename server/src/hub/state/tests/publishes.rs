use durable_sessions_protocol::error::ErrorCode;

use super::{Bench, code, writer};

const HELLO: &str = r#"{"kind":"message","id":"m1","role":"user","text":"hi"}"#;
const START: &str = r#"{"kind":"run.started","run":"r1","agent":"assistant","in_reply_to":"m1"}"#;

fn delta(text: &str) -> String {
    format!(r#"{{"kind":"delta","run":"r1","message":"a1","text":"{text}"}}"#)
}

// DS-4.3
#[test]
fn the_same_act_is_answered_with_its_first_offset_also_after_a_restart() {
    let mut bench = Bench::new();
    let first = bench.act("user/ann", HELLO).unwrap();
    for _ in 0..2 {
        let again = bench
            .act("user/ann", r#"{ "role":"user", "text":"hi", "id":"m1", "kind":"message" }"#)
            .unwrap();
        assert_eq!((again.first, again.duplicate), (first.first, true));
        bench.kill();
    }
    assert_eq!(bench.log().len(), 1);
    let other = r#"{"kind":"message","id":"m1","role":"user","text":"ho"}"#;
    assert_eq!(code(bench.act("user/ann", other)), ErrorCode::IdConflict);
    assert_eq!(code(bench.act("user/bob", HELLO)), ErrorCode::IdConflict);
}

// DS-4.3
#[test]
fn a_producer_that_writes_an_act_anew_is_told_where_it_stands() {
    let mut bench = Bench::new();
    let user = writer("user/ann", None);
    bench.publish(&user, Some(("p", 0, 0)), &[HELLO]).unwrap();
    // The next process does not know what the one before has written.
    let again = bench.publish(&user, Some(("p", 1, 0)), &[HELLO]).unwrap_err();
    assert_eq!(again.problem.code, ErrorCode::IdConflict);
    assert!(again.problem.to_string().contains("offset 1"), "{}", again.problem);
    let other = r#"{"kind":"message","id":"m1","role":"user","text":"ho"}"#;
    let other = bench.publish(&user, Some(("p", 1, 1)), &[other]).unwrap_err();
    assert!(other.problem.to_string().contains("something else"), "{}", other.problem);
}

// DS-4.2
#[test]
fn without_a_producer_only_data_may_lack_an_id() {
    let mut bench = Bench::new();
    assert!(bench.act("user/ann", r#"{"kind":"data","name":"typing"}"#).is_ok());
    bench.act("user/ann", HELLO).unwrap();
    bench.act("agent/a", START).unwrap();
    assert_eq!(code(bench.act("agent/a", &delta("x"))), ErrorCode::Invalid);
    let with_id = r#"{"kind":"delta","id":"d1","run":"r1","message":"a1","text":"x"}"#;
    assert!(!bench.act("agent/a", with_id).unwrap().duplicate);
    assert!(bench.act("agent/a", with_id).unwrap().duplicate);
    let two = bench.publish(&writer("user/ann", None), None, &[HELLO, HELLO]);
    assert_eq!(code(two), ErrorCode::Invalid);
}

// Section 4: whole or not at all
#[test]
fn a_publish_of_several_events_is_admitted_or_refused_whole() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    bench.act("user/ann", HELLO).unwrap();
    let (good, bad) = (delta("x"), r#"{"kind":"delta","run":"nope","message":"a1","text":"x"}"#);
    let refused = bench.publish(&agent, Some(("p", 0, 0)), &[START, &good, bad]).unwrap_err();
    assert_eq!((refused.problem.code, refused.index), (ErrorCode::NotFound, Some(2)));
    assert_eq!(bench.log().len(), 1);
    // The input is free again and the run's id is not taken.
    let whole = bench.publish(&agent, Some(("p", 0, 1)), &[START, &good]).unwrap();
    assert_eq!((whole.first.as_u64(), whole.last.as_u64()), (2, 3));
}

// DS-4.5, DS-4.7
#[test]
fn a_sequence_number_gets_its_recorded_outcome_again() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    bench.act("user/ann", HELLO).unwrap();
    let (x, y) = (delta("x"), delta("y"));
    let started = bench.publish(&agent, Some(("p", 0, 0)), &[START]).unwrap();
    let refused = bench.publish(&agent, Some(("p", 0, 1)), &["{}"]).unwrap_err();
    let written = bench.publish(&agent, Some(("p", 0, 2)), &[&x, &y]).unwrap();
    for _ in 0..2 {
        let again = bench.publish(&agent, Some(("p", 0, 0)), &[START]).unwrap();
        assert_eq!((again.first, again.duplicate), (started.first, true));
        // Whatever it carries now: the number decides.
        let again = bench.publish(&agent, Some(("p", 0, 1)), &[&x]).unwrap_err();
        assert_eq!(again, refused);
        let again = bench.publish(&agent, Some(("p", 0, 2)), &[&x, &y]).unwrap();
        assert_eq!((again.first, again.last), (written.first, written.last));
        bench.kill();
    }
    assert_eq!(bench.log().len(), 4);
}

// DS-4.6, DS-4.10
#[test]
fn a_gap_or_a_lower_epoch_is_refused_with_what_is_expected_and_uses_nothing_up() {
    let mut bench = Bench::new();
    let agent = writer("agent/a", None);
    let data = r#"{"kind":"data","name":"n"}"#;
    bench.publish(&agent, Some(("p", 3, 0)), &[data]).unwrap();
    let gap = bench.publish(&agent, Some(("p", 3, 2)), &[data]).unwrap_err().problem;
    assert_eq!((gap.code, gap.expected_seq), (ErrorCode::SequenceGap, Some(1)));
    let low = bench.publish(&agent, Some(("p", 2, 0)), &[data]).unwrap_err().problem;
    assert_eq!((low.code, low.expected_epoch), (ErrorCode::Fenced, Some(3)));
    assert!(bench.publish(&agent, Some(("p", 3, 1)), &[data]).is_ok());
    let high = bench.publish(&agent, Some(("p", 4, 1)), &[data]).unwrap_err().problem;
    assert_eq!((high.code, high.expected_seq), (ErrorCode::SequenceGap, Some(0)));
    assert!(bench.publish(&agent, Some(("p", 4, 0)), &[data]).is_ok());
    // Another principal's producer of the same name is another producer.
    assert!(bench.publish(&writer("agent/b", None), Some(("p", 0, 0)), &[data]).is_ok());
}

// DS-4.8, DS-5.2
#[test]
fn a_new_process_fences_the_old_one_and_keeps_the_runs_it_names() {
    let mut bench = Bench::new();
    let (old, new) = (writer("agent/a", Some(1)), writer("agent/a", Some(2)));
    let new = super::Writer {
        connection: new.connection.map(|c| super::Connection { client: None, ..c }),
        ..new
    };
    bench.act("user/ann", HELLO).unwrap();
    let grant = bench.claim(&old, None, &[]).unwrap();
    assert_eq!(grant.seq, 0);
    bench.publish(&old, Some(("p", grant.epoch, 0)), &[START]).unwrap();
    let next = bench.claim(&new, None, &["r1"]).unwrap();
    assert_eq!((next.epoch, next.seq), (grant.epoch + 1, 0));
    let late = bench.publish(&old, Some(("p", grant.epoch, 1)), &[&delta("x")]);
    assert_eq!(code(late), ErrorCode::Fenced);
    bench.publish(&new, Some(("p", next.epoch, 0)), &[&delta("x")]).unwrap();
    assert_eq!(bench.claim(&old, Some(grant.epoch), &[]), Err(ErrorCode::Fenced));
    bench.claim(&new, None, &[]).unwrap();
    assert_eq!(bench.last_event(), r#"{"kind":"run.ended","run":"r1","outcome":"lost"}"#);
}

// DS-5.1, DS-3.7
#[test]
fn only_the_owner_writes_to_a_run() {
    let mut bench = Bench::new();
    bench.act("user/ann", HELLO).unwrap();
    bench.act("agent/a", START).unwrap();
    let stranger = bench.publish(&writer("agent/b", None), Some(("p", 0, 0)), &[&delta("x")]);
    assert_eq!(code(stranger), ErrorCode::NotOwner);
    // Started without a producer, the run is its principal's, who may go on with one.
    bench.publish(&writer("agent/a", None), Some(("p", 0, 0)), &[&delta("x")]).unwrap();
    let end = r#"{"kind":"run.ended","run":"r1","outcome":"completed"}"#;
    assert_eq!(code(bench.act("agent/b", end)), ErrorCode::NotOwner);
    assert_eq!(code(bench.act("user/ann", end)), ErrorCode::Forbidden);
    bench.act("agent/a", end).unwrap();
    assert!(bench.act("agent/a", end).unwrap().duplicate);
    let other_end = r#"{"kind":"run.ended","run":"r1","outcome":"failed"}"#;
    assert_eq!(code(bench.act("agent/a", other_end)), ErrorCode::IdConflict);
    let late = bench.publish(
        &writer("agent/a", None),
        None,
        &[r#"{"kind":"delta","id":"d","run":"r1","message":"a1","text":"x"}"#],
    );
    assert_eq!(code(late), ErrorCode::RunEnded);
}

#[test]
fn each_kind_of_writer_writes_its_own_kinds() {
    let mut bench = Bench::new();
    let as_assistant = r#"{"kind":"message","id":"m","role":"assistant","text":"hi"}"#;
    assert_eq!(code(bench.act("user/ann", as_assistant)), ErrorCode::Forbidden);
    assert_eq!(code(bench.act("agent/a", as_assistant)), ErrorCode::Invalid);
    assert_eq!(code(bench.act("agent/a", HELLO)), ErrorCode::Forbidden);
    assert_eq!(code(bench.act("user/ann", START)), ErrorCode::Forbidden);
    let fate = r#"{"kind":"input.state","id":"m1","state":"expired"}"#;
    assert_eq!(code(bench.act("agent/a", fate)), ErrorCode::Forbidden);
    let steer = r#"{"kind":"steer","id":"s","run":"r1","text":"left"}"#;
    assert_eq!(code(bench.act("user/ann", steer)), ErrorCode::NotFound);
    assert!(bench.log().is_empty());
}

#[test]
fn an_old_title_that_is_sent_again_does_not_come_back() {
    let mut bench = Bench::new();
    let title = |id: &str, title: &str| {
        format!(r#"{{"kind":"session.updated","title":"{title}","id":"{id}"}}"#)
    };
    bench.act("user/ann", &title("t1", "Spring")).unwrap();
    bench.act("user/bob", r#"{"kind":"session.updated","title":"Summer"}"#).unwrap();
    assert!(bench.act("user/ann", &title("t1", "Spring")).unwrap().duplicate);
    assert_eq!(bench.state.describe().title.as_deref(), Some("Summer"));
}

#[test]
fn the_time_stamps_of_a_session_never_go_back() {
    let mut bench = Bench::new();
    let data = r#"{"kind":"data","name":"n"}"#;
    bench.act("user/ann", data).unwrap();
    bench.now -= 500;
    bench.kill();
    bench.act("user/ann", data).unwrap();
    let at: Vec<u64> = bench.events().iter().map(|event| event.at).collect();
    assert_eq!(at, [1_000_000, 1_000_000]);
}
