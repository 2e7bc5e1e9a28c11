//! A state from a checkpoint and the log behind it is the state of the whole log.

use std::path::Path;

use durable_sessions_protocol::id::LogId;
use proptest::prelude::*;

use super::super::checkpoint::CheckpointError;
use super::steps::{play, steps};
use super::{Bench, State, id, writer};

fn log() -> LogId {
    LogId::parse("log").unwrap()
}

/// The state of a bench's log from an entry on, on top of a checkpoint if there is one.
fn rebuilt(bench: &Bench, checkpoint: Option<(&[u8], usize)>) -> State {
    let (mut state, from) = match checkpoint {
        Some((bytes, from)) => (State::restore(bytes, &log(), &id("assistant")).unwrap(), from),
        None => (State::new(log(), id("assistant")), 0),
    };
    for entry in &bench.entries[from..] {
        state.replay(entry).unwrap();
    }
    state.finish_replay(bench.now);
    state
}

/// What a checkpoint keeps of a state.
fn kept(state: &State) -> State {
    State::restore(&state.checkpoint(), &log(), &id("assistant")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_state_of_a_checkpoint_and_what_is_behind_it_is_that_of_the_whole_log(
        before in steps(60),
        behind in steps(30),
        later in steps(30),
    ) {
        let (mut bench, mut producer) = (Bench::new(), (0, 0));
        for step in before {
            play(&mut bench, &mut producer, step);
        }
        let (checkpoint, from) = (bench.state.checkpoint(), bench.entries.len());
        for step in behind {
            play(&mut bench, &mut producer, step);
        }
        let whole = rebuilt(&bench, None);
        let restored = rebuilt(&bench, Some((&checkpoint, from)));
        prop_assert_eq!(kept(&restored), kept(&whole));
        prop_assert_eq!(restored.deadline(), whole.deadline());
        prop_assert_eq!(restored.leases(), whole.leases());
        prop_assert_eq!(restored.offers(), whole.offers());
        prop_assert_eq!(restored.describe(), whole.describe());
        prop_assert_eq!(restored.indexes(), whole.indexes());

        let entries = bench.entries.clone();
        let mut two = [whole, restored].map(|state| {
            let bench = Bench { state, entries: entries.clone(), now: bench.now };
            (bench, producer)
        });
        for step in later {
            let answers = two.each_mut().map(|(bench, producer)| play(bench, producer, step));
            prop_assert_eq!(&answers[0], &answers[1], "{:?}", step);
        }
        prop_assert_eq!(&two[0].0.entries, &two[1].0.entries);
    }
}

/// One of each thing a state can hold.
fn sample() -> Bench {
    let mut bench = Bench::new();
    let worker = writer("agent/w", Some(1));
    bench.asked("m", "").unwrap();
    bench.asked("waits", r#","to":"a""#).unwrap();
    bench.asked("note", r#","to":null"#).unwrap();
    bench.asked("edited", r#","to":null,"replaces":"note""#).unwrap();
    bench.claim(&worker, None, &[]).unwrap();
    let start = r#"{"kind":"run.started","run":"r","agent":"assistant","in_reply_to":"m"}"#;
    bench.publish(&worker, Some(("p", 1, 0)), &[start]).unwrap();
    let nothing = r#"{"kind":"delta","run":"x","message":"x","text":"x"}"#;
    bench.publish(&worker, Some(("p", 1, 1)), &[nothing]).unwrap_err();
    let asks = [
        r#"{"kind":"run.suspended","run":"r","ask":"q1","body":1}"#,
        r#"{"kind":"run.suspended","run":"r","ask":"q2","body":1}"#,
        r#"{"kind":"message","id":"d","role":"assistant","run":"r","to":"b","text":"do"}"#,
    ];
    bench.publish(&worker, Some(("p", 1, 2)), &asks).unwrap();
    bench.act("user/ann", r#"{"kind":"run.resumed","run":"r","ask":"q1","answer":1}"#).unwrap();
    bench.act("user/ann", r#"{"kind":"steer","id":"t","run":"r","text":"left"}"#).unwrap();
    bench.act("user/ann", r#"{"kind":"session.updated","id":"u","title":"title"}"#).unwrap();
    bench.started("a", "child", r#","parent":"r""#).unwrap();
    bench.stopped("s", r#""run":"child""#).unwrap();
    bench.started("b", "done", "").unwrap();
    bench.ended("b", "done").unwrap();
    bench
}

#[test]
fn a_checkpoint_that_is_not_whole_or_of_something_else_is_refused() {
    let bytes = sample().state.checkpoint();
    let restore = |bytes: &[u8], name: &str, agent: &str| {
        State::restore(bytes, &LogId::parse(name).unwrap(), &id(agent)).map(drop)
    };
    assert_eq!(restore(&bytes, "log", "assistant"), Ok(()));
    assert_eq!(restore(&bytes, "other", "assistant"), Err(CheckpointError::Foreign));
    assert_eq!(restore(&bytes, "log", "other"), Err(CheckpointError::Foreign));
    assert_eq!(restore(&[], "log", "assistant"), Err(CheckpointError::Version(None)));
    let older = [&[bytes[0] - 1], &bytes[1..]].concat();
    let version = Some(bytes[0] - 1);
    assert_eq!(restore(&older, "log", "assistant"), Err(CheckpointError::Version(version)));
    for (n, _) in bytes.iter().enumerate() {
        let mut flipped = bytes.to_vec();
        flipped[n] ^= 1;
        let error = restore(&flipped, "log", "assistant").unwrap_err();
        assert!(!matches!(error, CheckpointError::Foreign), "byte {n}: {error}");
        assert!(restore(&bytes[..n], "log", "assistant").is_err(), "cut at {n}");
    }
}

#[test]
fn leases_of_a_session_that_was_out_of_memory_go_on_and_those_of_a_new_server_start_anew() {
    let mut bench = Bench::new();
    bench.started("assistant", "r", r#","lease_ms":60000"#).unwrap();
    let leases = bench.state.leases().unwrap();
    assert_eq!(leases, [(id("r"), bench.now + 60_000)]);
    bench.now += 50_000;
    let mut state = rebuilt(&bench, None);
    assert_eq!(state.deadline(), Some(bench.now + 60_000));
    state.resume_leases(&leases);
    assert_eq!(state.deadline(), Some(bench.now + 10_000));
}

#[test]
fn leases_are_not_told_while_a_connection_holds_one() {
    let bench = sample();
    assert_eq!(bench.state.leases(), None);
    let mut state = bench.state;
    state.leave(&writer("agent/w", Some(1)).connection.unwrap(), bench.now);
    let runs: Vec<_> = state.leases().unwrap().into_iter().map(|(run, _)| run).collect();
    assert_eq!(runs, [id("child"), id("r")]);
}

/// The bytes of a checkpoint do not say what they are: a change of any type in it has to raise the
/// version, and a checkpoint of that version is then kept too.
#[test]
fn a_checkpoint_of_this_version_is_read_as_it_was_written() {
    let bytes = sample().state.checkpoint();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/store");
    let path = fixtures.join(format!("checkpoint-{}", bytes[0]));
    let Ok(written) = std::fs::read(&path) else {
        std::fs::write(&path, &bytes).unwrap();
        panic!("{} was not there; it is now", path.display());
    };
    let state = State::restore(&written, &log(), &id("assistant"));
    assert_eq!(state, Ok(kept(&sample().state)), "{}", path.display());
}
