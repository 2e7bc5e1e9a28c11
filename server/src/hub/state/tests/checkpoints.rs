//! A state from a checkpoint and the log behind it is the state of the whole log.

use std::path::Path;

use durable_sessions_protocol::id::LogId;
use proptest::prelude::*;

use super::super::checkpoint::CheckpointError;
use super::{Bench, State, id, writer};

const AGENTS: [&str; 3] = ["assistant", "a", "b"];
const NAMES: usize = 6;

/// Something happens to a session; the numbers choose whom and what.
#[derive(Debug, Clone, Copy)]
enum Step {
    Message {
        n: usize,
        how: usize,
    },
    Delegation {
        n: usize,
        run: usize,
        to: usize,
    },
    Start {
        run: usize,
        agent: usize,
        input: Option<usize>,
        parent: Option<usize>,
    },
    Say {
        run: usize,
        n: usize,
    },
    End {
        run: usize,
    },
    Stop {
        n: usize,
        what: usize,
    },
    Steer {
        n: usize,
        run: usize,
    },
    Used {
        n: usize,
        run: usize,
    },
    Ask {
        n: usize,
        run: usize,
    },
    Answer {
        n: usize,
        run: usize,
    },
    Title {
        n: usize,
    },
    /// A producer begins a new epoch and keeps one of its runs.
    Claim {
        run: usize,
    },
    /// It publishes; some places and some events are wrong.
    Produce {
        skip: bool,
        run: usize,
        count: usize,
    },
    Pass {
        ms: u64,
    },
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let n = || 0..NAMES;
    let one = prop_oneof![
        4 => (n(), 0..5_usize).prop_map(|(n, how)| Step::Message { n, how }),
        2 => (n(), n(), 0..3_usize).prop_map(|(n, run, to)| Step::Delegation { n, run, to }),
        5 => (n(), 0..3_usize, prop::option::of(n()), prop::option::of(n())).prop_map(
            |(run, agent, input, parent)| Step::Start { run, agent, input, parent }
        ),
        3 => (n(), n()).prop_map(|(run, n)| Step::Say { run, n }),
        2 => n().prop_map(|run| Step::End { run }),
        2 => (n(), 0..4_usize).prop_map(|(n, what)| Step::Stop { n, what }),
        2 => (n(), n()).prop_map(|(n, run)| Step::Steer { n, run }),
        1 => (n(), n()).prop_map(|(n, run)| Step::Used { n, run }),
        2 => (n(), n()).prop_map(|(n, run)| Step::Ask { n, run }),
        1 => (n(), n()).prop_map(|(n, run)| Step::Answer { n, run }),
        1 => n().prop_map(|n| Step::Title { n }),
        1 => n().prop_map(|run| Step::Claim { run }),
        4 => (prop::bool::weighted(0.1), n(), 1..4_usize)
            .prop_map(|(skip, run, count)| Step::Produce { skip, run, count }),
        1 => (0..40_000_u64).prop_map(|ms| Step::Pass { ms }),
    ];
    prop::collection::vec(one, 1..most)
}

/// Takes a step and says all that was answered, in words that can be compared.
fn play(bench: &mut Bench, producer: &mut (u64, u64), step: Step) -> String {
    let agent = |n: usize| AGENTS[n % AGENTS.len()];
    let principal = "agent/w";
    match step {
        Step::Message { n, how } => {
            let how = [
                "",
                r#","if_running":"parallel""#,
                r#","if_running":"interrupt""#,
                r#","if_running":"reject""#,
                r#","to":"a""#,
            ][how];
            format!("{:?}", bench.asked(&format!("m{n}"), how))
        }
        Step::Delegation { n, run, to } => {
            let event = format!(
                r#"{{"kind":"message","id":"m{n}","role":"assistant","run":"r{run}","to":"{}","text":"do"}}"#,
                agent(to)
            );
            format!("{:?}", bench.act(principal, &event))
        }
        Step::Start { run, agent: n, input, parent } => {
            let input = input.map_or(String::new(), |m| format!(r#","in_reply_to":"m{m}""#));
            let parent = parent.map_or(String::new(), |r| format!(r#","parent":"r{r}""#));
            let event = format!(
                r#"{{"kind":"run.started","run":"r{run}","agent":"{}"{input}{parent}}}"#,
                agent(n)
            );
            format!("{:?}", bench.act(principal, &event))
        }
        Step::Say { run, n } => {
            let event = format!(
                r#"{{"kind":"delta","id":"d{n}","run":"r{run}","message":"r{run}-m","text":"x"}}"#
            );
            format!("{:?}", bench.act(principal, &event))
        }
        Step::End { run } => {
            let event = format!(r#"{{"kind":"run.ended","run":"r{run}","outcome":"completed"}}"#);
            format!("{:?}", bench.act(principal, &event))
        }
        Step::Stop { n, what } => {
            let what = [
                format!(r#""run":"r{n}""#),
                format!(r#""run":"r{n}","cascade":false"#),
                format!(r#""message":"m{n}""#),
                r#""all":true"#.to_owned(),
            ][what]
                .clone();
            format!("{:?}", bench.stopped(&format!("s{n}"), &what))
        }
        Step::Steer { n, run } => {
            let event = format!(r#"{{"kind":"steer","id":"t{n}","run":"r{run}","text":"left"}}"#);
            format!("{:?}", bench.act("user/ann", &event))
        }
        Step::Used { n, run } => {
            let event =
                format!(r#"{{"kind":"input.state","id":"t{n}","state":"used","run":"r{run}"}}"#);
            format!("{:?}", bench.act(principal, &event))
        }
        Step::Ask { n, run } => {
            let event = format!(
                r#"{{"kind":"run.suspended","run":"r{run}","ask":"q{n}","body":1,"expires_ms":20000}}"#
            );
            format!("{:?}", bench.act(principal, &event))
        }
        Step::Answer { n, run } => {
            let event =
                format!(r#"{{"kind":"run.resumed","run":"r{run}","ask":"q{n}","answer":1}}"#);
            format!("{:?}", bench.act("user/ann", &event))
        }
        Step::Title { n } => {
            let event = format!(r#"{{"kind":"session.updated","id":"u{n}","title":"title {n}"}}"#);
            format!("{:?}", bench.act("user/ann", &event))
        }
        Step::Claim { run } => {
            let granted = bench.claim(&writer(principal, Some(1)), None, &[&format!("r{run}")]);
            if let Ok(granted) = &granted {
                *producer = (granted.epoch, granted.seq);
            }
            format!("{granted:?}")
        }
        Step::Produce { skip, run, count } => {
            let (epoch, seq) = *producer;
            let event =
                format!(r#"{{"kind":"delta","run":"r{run}","message":"r{run}-m","text":"x"}}"#);
            let start = format!(r#"{{"kind":"run.started","run":"r{run}","agent":"a"}}"#);
            let mut events = vec![event.as_str(); count];
            if count == 1 {
                events = vec![&start];
            }
            let place = seq + u64::from(skip);
            let result =
                bench.publish(&writer(principal, Some(1)), Some(("p", epoch, place)), &events);
            // A refusal by a rule uses its place up, too.
            producer.1 = if skip { seq } else { seq + 1 };
            format!("{result:?}")
        }
        Step::Pass { ms } => {
            bench.pass(ms);
            String::new()
        }
    }
}

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
