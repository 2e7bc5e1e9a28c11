//! A plan from typed numbers.

use durable_sessions_protocol::fold::RunState;
use serde_json::json;

use crate::support::{REST, SHOP, SPECIALISTS, Stage, plan};

/// What an order leaves before ads, by the figures of `SHOP`.
fn margin(goods: f64) -> f64 {
    49.90 - 49.90 * 0.08 - goods - 5.50 - (49.90 * 0.029 + 0.30)
}

/// The spend that needs approval: the step of the cap that leaves most, and the test sprint.
fn spend(goods: f64) -> f64 {
    let margin = margin(goods);
    let cap = margin - 4.99;
    let steps = [100.0, 90.0, 80.0, 70.0, 60.0, 50.0].map(|percent: f64| {
        let cap = cap * percent / 100.0;
        let spend = 30_000.0 * (cap / 25.0).powi(2);
        (spend, spend / cap * margin - spend)
    });
    let best = steps.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap();
    best.0 + 12.0 * 150.0 + 12.0 * 3.0 * 3.0 * margin
}

#[tokio::test]
async fn typed_numbers_become_a_plan_by_five_agents_at_once() {
    let stage = Stage::open().await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    stage.four_at_once().await;

    let ask = stage.asked_by("assistant").await;
    assert_eq!(ask.body["type"], "confirm");
    let amount = ask.body["amount"]["value"].as_f64().unwrap();
    assert!((amount - spend(12.0)).abs() < 0.01, "{amount}");
    stage.answer(&ask, json!({"approved": true})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);

    let figures = |agent: &str| stage.figures_of(&stage.newest_run(agent).id);
    let order = figures("unit-economics");
    order.assert_close("contribution_margin", margin(12.0));
    order.assert_close("break_even_roas", 49.90 / margin(12.0));
    order.assert_close("profit", 1_200.0 * margin(12.0) - 30_000.0);
    let cap = figures("bid-cap");
    cap.assert_close("bid_cap", margin(12.0) - 4.99);
    cap.assert_close("budget", 1_000_000.0);
    cap.assert_close("spend_at_50", 30_000.0 * ((margin(12.0) - 4.99) / 2.0 / 25.0).powi(2));
    cap.assert_close("cpa_after_cpm_effect", 15.0);
    cap.assert_close("cpa_after_cpm_effect_high", 12.5);
    let test = figures("test-plan");
    test.assert_close("test_fees", 1_800.0);
    test.assert_close("test_media", 108.0 * margin(12.0));
    test.assert_close("cbo_daily", (margin(12.0) - 4.99) * 50.0 / 7.0);
    let page = figures("seo-listicle");
    page.assert_close("revenue_per_url", 1_200.0);
    page.assert_close("own_funnel", 150.0 * margin(12.0));
    page.assert_close("switch_visits", (3_000.0 / (0.3 * 0.025 * margin(12.0))).ceil());

    let text = stage.said_by(&lead);
    for part in ["Four of us work on it at once", "The plan in short", "Approved: $12,794.55"] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    for agent in SPECIALISTS {
        assert_eq!(stage.newest_run(agent).state, RunState::Completed, "{agent}");
    }
}

#[tokio::test]
async fn specialists_write_for_themselves_below_the_assistant() {
    let stage = Stage::at(1_000).await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    stage.asked_by("assistant").await;
    let parents = stage.session.transcript(|transcript| {
        let runs = transcript.runs();
        let below = runs.iter().filter(|run| run.parent.is_some());
        below
            .map(|run| (run.agent.clone(), runs[run.parent.unwrap()].id.clone()))
            .collect::<Vec<_>>()
    });
    let mut parents = parents.unwrap();
    parents.sort();
    let mut expected = SPECIALISTS.map(|agent| (agent.to_owned(), lead.clone()));
    expected.sort();
    assert_eq!(parents, expected);
    // Nobody repeats what a specialist says.
    assert!(!stage.said_by(&lead).contains("Break-even ROAS"));
    assert!(stage.said_by(&stage.newest_run("unit-economics").id).contains("Break-even ROAS"));
}

#[tokio::test]
async fn each_agent_writes_under_its_own_name() {
    let stage = Stage::at(1_000).await;
    stage.say(&plan()).await;
    stage.asked_by("assistant").await;
    let authors = stage.session.transcript(|transcript| {
        let runs = transcript.runs();
        let by_run = |id: &str| runs.iter().find(|run| run.id == id).unwrap().agent.clone();
        let messages = transcript.messages().iter();
        let answers = messages.filter_map(|message| Some((by_run(message.run.as_ref()?), message)));
        answers.map(|(agent, message)| (agent, message.from.clone().unwrap())).collect::<Vec<_>>()
    });
    let authors = authors.unwrap();
    for agent in SPECIALISTS.iter().chain(&["assistant"]) {
        assert!(authors.iter().any(|(by, _)| by == agent), "{agent} has written");
    }
    for (agent, from) in authors {
        assert_eq!(from, json!({"kind": "agent", "id": agent}));
    }
}

#[tokio::test]
async fn without_approval_nothing_is_spent() {
    let stage = Stage::at(1_000).await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let ask = stage.asked_by("assistant").await;
    stage.answer(&ask, json!({"approved": false})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
    assert!(stage.said_by(&lead).contains("Not approved: $12,794.55 stays unspent"));
}

#[tokio::test]
async fn what_is_no_plan_gets_the_short_answer_of_one_agent() {
    let stage = Stage::at(1_000).await;
    let lead = stage.run_for(&stage.say(SHOP).await).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
    assert!(stage.said_by(&lead).contains("Contribution margin: $26.66 an order"));
    let runs = stage.session.transcript(|transcript| transcript.runs().len()).unwrap();
    assert_eq!(runs, 1);
}

#[tokio::test]
async fn a_specialist_asks_for_the_figures_it_lacks() {
    let stage = Stage::at(1_000).await;
    let lead = stage.run_for(&stage.say(&format!("Plan: {}", without_ads())).await).await;
    let form = stage.asked_by("bid-cap").await;
    assert_eq!(form.body["type"], "form");
    let fields = form.body["fields"].as_array().unwrap();
    assert_eq!(fields.iter().map(|field| &field["name"]).collect::<Vec<_>>(), ["ad spend", "CPA"]);
    stage.answer(&form, json!({"ad spend": "$30k", "CPA": "25"})).await;
    let ask = stage.asked_by("assistant").await;
    stage.figures_of(&form.run).assert_close("bid_cap", margin(12.0) - 4.99);
    stage.answer(&ask, json!({"approved": true})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
}

#[tokio::test]
async fn a_steer_tells_what_a_specialist_asks_for() {
    let stage = Stage::at(1_000).await;
    stage.say(&format!("Plan: {}", without_ads())).await;
    let form = stage.asked_by("bid-cap").await;
    stage.steer(&form.run, "ad spend 30k, CPA 25").await;
    assert_eq!(stage.ended(&form.run).await, RunState::Completed);
    stage.figures_of(&form.run).assert_close("bid_cap", margin(12.0) - 4.99);
}

#[tokio::test]
async fn a_figure_that_nobody_can_tell_is_missing_from_the_plan_and_no_more() {
    let stage = Stage::at(1_000).await;
    let lead = stage.run_for(&stage.say(&format!("Plan: {}", without_ads())).await).await;
    let form = stage.asked_by("bid-cap").await;
    stage.answer(&form, json!({"ad spend": "", "CPA": ""})).await;
    stage.answer(&stage.asked_by("assistant").await, json!({"approved": true})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
    let text = stage.said_by(&lead);
    assert!(text.contains("- bid-cap: missing, it still needs ad spend and CPA."), "{text}");
}

fn without_ads() -> String {
    format!("{}, {REST}", SHOP.replace(", 1.2k orders and $30k ad spend a month", ""))
}

#[tokio::test]
async fn a_specialist_can_be_asked_directly() {
    let stage = Stage::at(1_000).await;
    let run = stage.run_for(&stage.say_to("unit-economics", SHOP).await).await;
    assert_eq!(stage.ended(&run).await, RunState::Completed);
    assert_eq!(stage.figures_of(&run).text("break_even_cpa"), "$26.66");
}
