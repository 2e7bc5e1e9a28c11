//! Stops and steers while the agents work.

use durable_sessions_protocol::fold::RunState;
use serde_json::json;

use crate::support::{SPECIALISTS, Stage, plan};

#[tokio::test]
async fn one_stopped_specialist_is_missing_and_the_others_go_on() {
    let stage = Stage::open().await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let stopped = stage.writing("bid-cap", 40).await;
    stage.stop(&stopped).await;
    assert_eq!(stage.ended(&stopped).await, RunState::Stopped);
    let length = stage.said_by(&stopped).len();

    let ask = stage.asked_by("assistant").await;
    assert_eq!(ask.body["amount"]["text"], "$4,679.38");
    stage.answer(&ask, json!({"approved": true})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
    for agent in SPECIALISTS.iter().filter(|agent| **agent != "bid-cap") {
        assert_eq!(stage.newest_run(agent).state, RunState::Completed, "{agent}");
    }
    assert_eq!(stage.said_by(&stopped).len(), length, "nothing behind the stop");
    let text = stage.said_by(&lead);
    assert!(text.contains("- bid-cap: missing, it was stopped."), "{text}");
}

#[tokio::test]
async fn a_stop_of_the_assistant_stops_all_five() {
    let stage = Stage::open().await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let four = stage.four_at_once().await;
    stage.stop(&lead).await;
    assert_eq!(stage.ended(&lead).await, RunState::Stopped);
    for run in four {
        assert_eq!(stage.ended(&run).await, RunState::Stopped);
    }
}

#[tokio::test]
async fn a_steer_makes_one_specialist_work_it_out_anew() {
    let stage = Stage::open().await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let run = stage.writing("unit-economics", 40).await;
    stage.figures_of(&run).assert_close("contribution_margin", 26.6609);
    stage.steer(&run, "assume COGS 14").await;
    assert_eq!(stage.ended(&run).await, RunState::Completed);
    stage.figures_of(&run).assert_close("contribution_margin", 24.6609);
    let text = stage.said_by(&run);
    let (before, after) = text.split_once("Changed: COGS $14.00. I work it out anew.").unwrap();
    assert!(before.contains("goods $12.00"), "{before}");
    assert!(after.contains("Contribution margin: $24.66 an order"), "{after}");

    // The others were told nothing.
    let ask = stage.asked_by("assistant").await;
    assert_eq!(ask.body["amount"]["text"], "$12,794.55");
    stage.answer(&ask, json!({"approved": true})).await;
    stage.ended(&lead).await;
    let text = stage.said_by(&lead);
    assert!(text.contains("for this plan only: unit-economics (COGS $14.00)."), "{text}");
}

#[tokio::test]
async fn a_steer_of_the_assistant_reaches_every_specialist() {
    let stage = Stage::open().await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let four = stage.four_at_once().await;
    stage.steer(&lead, "assume COGS 14").await;
    for run in &four {
        assert_eq!(stage.ended(run).await, RunState::Completed);
    }
    let ask = stage.asked_by("assistant").await;
    // Who was done already is asked anew; who was not is told.
    let was_told =
        |run: &String| stage.said_by(run).contains("Changed: COGS $14.00. I work it out anew.");
    assert!(four.iter().any(was_told));
    let margin = 24.6609;
    let figures = |agent: &str| stage.figures_of(&stage.newest_run(agent).id);
    figures("unit-economics").assert_close("contribution_margin", margin);
    figures("bid-cap").assert_close("bid_cap", margin - 4.99);
    figures("test-plan").assert_close("break_even_cpa", margin);
    figures("seo-listicle").assert_close("own_funnel", 150.0 * margin);
    stage.answer(&ask, json!({"approved": true})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
}

#[tokio::test]
async fn a_figure_changed_before_the_approval_is_approved_anew() {
    let stage = Stage::at(1_000).await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let first = stage.asked_by("assistant").await;
    stage.steer(&lead, "12 editors? no, editors: 6").await;
    stage
        .until("the old question to be marked", |transcript| {
            let said =
                transcript.messages().iter().filter(|message| message.run.as_ref() == Some(&lead));
            said.map(|message| &message.text)
                .any(|text| text.contains("about the old figures"))
                .then_some(())
        })
        .await;
    stage.answer(&first, json!({"approved": true})).await;
    let second = stage.asked_but("assistant", &first.id).await;
    let [before, after] =
        [&first, &second].map(|ask| ask.body["amount"]["value"].as_f64().unwrap());
    // Six editors less: their fees, and what 18 creatives may spend.
    let less = 6.0 * 150.0 + 18.0 * 3.0 * 26.6609;
    assert!((before - after - less).abs() < 0.01, "{before} {after}");
    stage.answer(&second, json!({"approved": false})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
    assert!(stage.said_by(&lead).contains("Not approved"));
}

#[tokio::test]
async fn a_steer_without_a_figure_is_answered_and_changes_nothing() {
    let stage = Stage::open().await;
    stage.say(&plan()).await;
    let run = stage.writing("seo-listicle", 40).await;
    stage.steer(&run, "hurry up").await;
    assert_eq!(stage.ended(&run).await, RunState::Completed);
    let text = stage.said_by(&run);
    assert!(text.contains("I find no figure in \"hurry up\", so nothing changes."), "{text}");
    assert_eq!(text.matches("A month of the URL").count(), 1, "{text}");
}
