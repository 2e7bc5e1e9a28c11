//! Random lives of a session.

use proptest::prelude::*;

use super::{Bench, writer};

const AGENTS: [&str; 3] = ["assistant", "a", "b"];
const NAMES: usize = 6;

/// Something happens to a session; the numbers choose whom and what.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
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
    /// It starts, edits and ends in one publish, which a last event may spoil.
    Together {
        run: usize,
        n: usize,
        spoil: bool,
    },
    Pass {
        ms: u64,
    },
}

pub(super) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let n = || 0..NAMES;
    let one = prop_oneof![
        5 => (n(), 0..7_usize).prop_map(|(n, how)| Step::Message { n, how }),
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
        3 => (n(), n(), prop::bool::weighted(0.5))
            .prop_map(|(run, n, spoil)| Step::Together { run, n, spoil }),
        1 => (0..40_000_u64).prop_map(|ms| Step::Pass { ms }),
    ];
    prop::collection::vec(one, 1..most)
}

/// Takes a step and says all that was answered, in words that can be compared.
pub(super) fn play(bench: &mut Bench, producer: &mut (u64, u64), step: Step) -> String {
    let agent = |n: usize| AGENTS[n % AGENTS.len()];
    let principal = "agent/w";
    match step {
        Step::Message { n, how } => {
            let (other, edit) = ((n + 1) % NAMES, ["", r#","to":null"#][how % 2]);
            let edit = format!(r#","replaces":"m{other}"{edit}"#);
            let how = [
                "",
                r#","if_running":"parallel""#,
                r#","if_running":"interrupt""#,
                r#","if_running":"reject""#,
                r#","to":"a""#,
                &edit,
                &edit,
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
        Step::Together { run, n, spoil } => {
            if producer.0 == 0 {
                play(bench, producer, Step::Claim { run });
            }
            let start = format!(r#"{{"kind":"run.started","run":"t{run}","agent":"a"}}"#);
            let edit = format!(
                r#"{{"kind":"message","id":"e{run}","role":"assistant","run":"t{run}","text":"x","replaces":"m{n}"}}"#
            );
            let says = |run: &str, message: &str| {
                format!(r#"{{"kind":"delta","run":"{run}","message":"{message}","text":"x"}}"#)
            };
            let others =
                [says(&format!("t{run}"), &format!("t{run}-m")), says(&format!("r{n}"), "z")];
            let end = |run: &str| {
                format!(r#"{{"kind":"run.ended","run":"{run}","outcome":"completed"}}"#)
            };
            let ends = [end(&format!("t{run}")), end(&format!("r{n}"))];
            let mut events = vec![start.as_str(), &edit, &others[0], &ends[0]];
            if spoil {
                // Of a run that the producer had before, too.
                events.splice(3..4, [ends[1].as_str(), &ends[0], &others[1]]);
            }
            let (epoch, seq) = *producer;
            producer.1 += 1;
            format!(
                "{:?}",
                bench.publish(&writer(principal, Some(1)), Some(("p", epoch, seq)), &events)
            )
        }
        Step::Pass { ms } => {
            bench.pass(ms);
            String::new()
        }
    }
}
