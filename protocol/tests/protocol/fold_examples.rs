//! `tests/fixtures/fold`: logs and the transcripts people see of them. Any fold of any language must
//! agree. DS-13.

use durable_sessions_protocol::event::Stored;
use durable_sessions_protocol::fold::Transcript;
use durable_sessions_protocol::id::LogId;
use serde::Deserialize;
use serde_json::Value;

use crate::fixtures::{self, Raw};

#[derive(Deserialize)]
struct Example {
    log: LogId,
    /// What is folded, in order, and what the transcript is after it.
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    events: Vec<Raw>,
    transcript: Value,
}

#[test]
fn every_example_folds_to_its_transcript() {
    let examples = fixtures::all::<Example>("fold");
    for (name, example) in &examples {
        let mut transcript = Transcript::new(example.log.clone());
        for (nth, step) in example.steps.iter().enumerate() {
            for event in &step.events {
                Stored::parse(event.get()).unwrap_or_else(|problem| panic!("{name}: {problem}"));
                transcript.apply(&serde_json::from_str(event.get()).unwrap());
            }
            let (is, wanted) = (transcript.to_json(), &step.transcript);
            assert_eq!(&is, wanted, "{name}, step {nth}:\nis     {is}\nwanted {wanted}");
        }
    }
    assert!(examples.len() >= 6);
}
