//! A crash of the agents.

use std::collections::BTreeSet;

use durable_sessions_protocol::fold::RunState;
use serde_json::json;

use crate::support::{SPECIALISTS, Stage, plan};

/// More than the sentence that must not be said twice.
const BEGUN_CHARS: usize = 40;

#[tokio::test]
async fn agents_that_crash_go_on_where_they_were() {
    let mut stage = Stage::open().await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let before = stage.four_at_once().await;
    stage.writing("seo-listicle", BEGUN_CHARS).await;
    stage.crash_and_restart().await;
    they_went_on(&stage, &lead, &before).await;
}

#[tokio::test]
async fn agents_that_are_ended_leave_their_runs_to_the_next() {
    let mut stage = Stage::open().await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let before = stage.four_at_once().await;
    stage.writing("seo-listicle", BEGUN_CHARS).await;
    stage.end_and_restart().await;
    they_went_on(&stage, &lead, &before).await;
}

async fn they_went_on(stage: &Stage, lead: &str, before: &BTreeSet<String>) {
    let ask = stage.asked_by("assistant").await;
    stage.answer(&ask, json!({"approved": true})).await;
    assert_eq!(stage.ended(lead).await, RunState::Completed);

    let runs = stage.session.transcript(|transcript| transcript.runs().len()).unwrap();
    assert_eq!(runs, 5, "no work is given out twice");
    for agent in SPECIALISTS {
        let run = stage.newest_run(agent);
        assert!(before.contains(&run.id), "{agent} went on with its run");
        assert_eq!(run.state, RunState::Completed, "{agent}");
    }
    // What a crash cut off goes on at the same letter.
    let text = stage.said_by(&stage.newest_run("seo-listicle").id);
    assert_eq!(text.matches("A month of the URL").count(), 1, "{text}");
    assert!(text.contains("The switch is at 15,004 visits a month"), "{text}");
    assert_eq!(stage.said_by(lead).matches("Four of us work on it at once").count(), 1);
}

#[tokio::test]
async fn a_crash_while_the_approval_is_open_asks_once() {
    let mut stage = Stage::at(1_000).await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let ask = stage.asked_by("assistant").await;
    stage.crash_and_restart().await;
    stage.answer(&ask, json!({"approved": true})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
    assert!(stage.said_by(&lead).contains("Approved: $12,794.55"));
    let runs = stage.session.transcript(|transcript| transcript.runs().len()).unwrap();
    assert_eq!(runs, 5);
}

#[tokio::test]
async fn edits_that_replace_each_other_while_nobody_serves_hold_nothing_up() {
    let mut stage = Stage::at(1_000).await;
    stage.crash().await;
    let first = stage.say("price 40").await;
    stage.edit(&first, "price 41").await;
    let last = stage.edit(&first, "price 42").await;
    stage.restart().await;
    let run = stage.run_for(&last).await;
    assert_eq!(stage.ended(&run).await, RunState::Completed);
    assert!(stage.said_by(&run).contains("price 42.00"));
}
