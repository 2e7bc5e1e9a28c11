//! What the orchestrator says and asks.

use serde_json::Value;

use super::*;

#[test]
fn an_order_that_loses_money_calls_for_no_spend() {
    let text = format!("{SHOP}, {REST}").replace("COGS $12", "COGS $60");
    let results: Vec<_> = Specialist::ALL
        .into_iter()
        .map(|specialist| (specialist, Outcome::Done(report(specialist, &text).figures())))
        .collect();
    assert_eq!(Approval::of(&results), None);
    let summary = sum_up(&results, Decision::NotAsked).text();
    assert!(summary.contains("- bid-cap: no spend: an order loses money before ads."), "{summary}");
    assert!(!summary.contains("Approved"));
}

fn done() -> Vec<(Specialist, Outcome)> {
    let text = all();
    let work = |specialist| (specialist, Outcome::Done(report(specialist, &text).figures()));
    Specialist::ALL.into_iter().map(work).collect()
}

#[test]
fn the_spend_to_approve_is_the_held_cap_and_the_sprint() {
    let results = done();
    let spend = |index: usize, name: &str| -> f64 {
        let Outcome::Done(figures) = &results[index].1 else { unreachable!() };
        let rows = figures["rows"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()["value"].as_f64().unwrap()
    };
    let expected = spend(1, "held_spend") + spend(2, "test_total");
    let ask = Approval::of(&results).unwrap().ask();
    assert_eq!(ask["type"], "confirm");
    assert!((ask["amount"]["value"].as_f64().unwrap() - expected).abs() < 0.005, "{ask}");
    assert_eq!(ask["amount"]["unit"], "USD");
    let detail = ask["detail"].as_str().unwrap();
    assert!(detail.contains("at most $4,679.38 for the test sprint"), "{detail}");
    let text = sum_up(&results, Decision::Approved).text();
    assert!(text.contains("Approved: $"), "{text}");
    assert!(sum_up(&results, Decision::Declined).text().contains("stays unspent"));
}

#[test]
fn the_sum_up_says_which_specialist_is_missing() {
    let mut results = done();
    results[1].1 = Outcome::Stopped;
    results[3].1 = Outcome::Untold(vec!["payout".to_owned()]);
    let text = sum_up(&results, Decision::Approved).text();
    for part in [
        "- bid-cap: missing, it was stopped.",
        "- seo-listicle: missing, it still needs payout.",
        "This plan is without bid-cap and seo-listicle",
        "Approved: $4,679.38 (at most $4,679.38 for the test sprint). Go.",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn the_sum_up_says_whose_figures_were_changed() {
    let mut results = done();
    let Outcome::Done(figures) = &mut results[0].1 else { unreachable!() };
    figures["steered"] = Value::from(vec!["COGS $14.00"]);
    let text = sum_up(&results, Decision::Approved).text();
    assert!(text.contains("for this plan only: unit-economics (COGS $14.00)."), "{text}");
}

#[test]
fn a_plan_is_called_for_by_name_and_once_the_shop_is_known() {
    let calls = |texts: &[&str]| Brief::of(texts.iter().copied()).calls_for_plan();
    assert!(!calls(&[SHOP]));
    assert!(!calls(&[SHOP, "returns 8%"]));
    assert!(calls(&[SHOP, "make a plan"]));
    assert!(calls(&[&format!("Plan: {}", all())]));
    assert!(!calls(&["make me a growth plan"]));
    assert!(calls(&["make me a growth plan", SHOP]));
    assert!(!calls(&["make me a growth plan", SHOP, "COGS 14"]));
    assert!(!calls(&["make me a growth plan", "start over", SHOP]));
    assert!(!calls(&[SHOP, "make a plan", "thanks for the plan"]));
}

#[test]
fn a_shop_described_in_its_own_words_has_all_a_plan_needs() {
    let text = "Growth plan for our candles: we sell them for €24, they cost €7 to make and €4.50 to ship, fees 3%, \
                3% of visitors buy, €4k ad spend a month, CPA €9, 9k listicle visits a month";
    let brief = Brief::of([text]);
    assert!(brief.calls_for_plan());
    for specialist in Specialist::ALL {
        assert!(brief.report(specialist).is_ok(), "{}", specialist.name());
    }
    // 24 - 7 - 4.50 - 0.72; 9,000 visits.
    let order = brief.report(Specialist::UnitEconomics).unwrap();
    assert_rows(&order, &[("contribution_margin", "€11.78"), ("orders", "444.4")]);
    assert_rows(&brief.report(Specialist::SeoListicle).unwrap(), &[("visits", "9,000")]);
}

#[test]
fn the_opening_names_the_figures_and_the_four() {
    let text = Brief::of([all().as_str()]).opening();
    assert!(text.starts_with("I have price $49.90, COGS $12.00, shipping $5.50"), "{text}");
    for specialist in Specialist::ALL {
        assert!(text.contains(specialist.name()));
    }
}
