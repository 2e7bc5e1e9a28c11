//! What must hold of a conversation's log whatever happened on the way to it.

use serde_json::Value;

use super::conversation::{Conversation, FIRST_DELTAS, SECOND_DELTAS};

/// One run of the log.
struct Run<'a> {
    outcome: &'a str,
    deltas: usize,
}

/// Every act once and in order, every run begun and ended once with its words in order between,
/// none behind its stop; one good answer to the first input, none to the second after its stop.
/// Runs may be `lost` before, when their agent was away for too long. Returns whether any was.
pub(crate) fn judge(conversation: &mut Conversation) -> bool {
    let log = conversation.log();
    let acts: Vec<&Value> =
        log.iter().filter(|event| event["from"]["kind"] == "user").map(|it| &it["id"]).collect();
    assert_eq!(acts, ["m1", "m2", "stop"], "{log:#?}");
    assert_eq!(conversation.user.sent, ["m1", "m2", "stop"]);
    let read = conversation.user.transcript.to_json();
    assert_eq!(read, conversation.stored_transcript().to_json());

    let first = runs(&log, "m1");
    let second = runs(&log, "m2");
    let (answer, lost) = first.split_last().expect("a run");
    assert_eq!((answer.outcome, answer.deltas), ("completed", FIRST_DELTAS), "{log:#?}");
    assert!(lost.iter().all(|run| run.outcome == "lost"), "{log:#?}");
    let is_canceled = |event: &Value| {
        event["kind"] == "input.state" && event["id"] == "m2" && event["state"] == "stopped"
    };
    // Stopped while it ran, or while it waited for another try.
    let lost = match second.split_last() {
        Some((run, lost)) if run.outcome == "stopped" => lost,
        _ => {
            assert!(log.iter().any(is_canceled), "{log:#?}");
            &second
        }
    };
    assert!(lost.iter().all(|run| run.outcome == "lost"), "{log:#?}");
    assert!(second.iter().any(|run| run.deltas == SECOND_DELTAS), "{log:#?}");
    first.iter().chain(&second).any(|run| run.outcome == "lost")
}

/// The runs on an input, in order, each of them checked.
fn runs<'a>(log: &'a [Value], input: &str) -> Vec<Run<'a>> {
    let starts = log.iter().filter(|event| event["in_reply_to"] == input);
    starts.map(|start| run(log, &start["run"], input)).collect()
}

fn run<'a>(log: &'a [Value], id: &Value, input: &str) -> Run<'a> {
    let mut outcome = None;
    let mut deltas = 0;
    let mut is_begun = false;
    let mut is_stopped = false;
    for event in log {
        let is_stop = event["runs"].as_array().is_some_and(|runs| runs.contains(id));
        is_stopped |= is_stop;
        if event["run"] != *id {
            continue;
        }
        assert_eq!(outcome, None, "nothing follows its end: {log:#?}");
        match event["kind"].as_str() {
            Some("run.started") => assert!(!std::mem::replace(&mut is_begun, true), "{log:#?}"),
            Some("delta") => {
                assert!(is_begun && !is_stopped, "{log:#?}");
                assert_eq!(event["text"], format!("{input}:{deltas} "), "{log:#?}");
                deltas += 1;
            }
            Some("run.ended") => outcome = event["outcome"].as_str(),
            kind => panic!("{kind:?} in {log:#?}"),
        }
    }
    Run { outcome: outcome.expect("an end"), deltas }
}
