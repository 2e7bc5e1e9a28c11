//! Every figure against one worked by hand.

mod summary;

use super::basis::Basis;
use super::bid_cap::Walk;
use super::seo_listicle::Listicle;
use super::test_plan::Sprint;
use super::*;
use crate::Brief;
use crate::economics::Month;
use crate::figures::{Figures, read};
use crate::money::exact;

const SHOP: &str = "price $49.90, COGS $12, shipping $5.50, fees 2.9% + $0.30, conversion rate 2.5%, 1.2k orders \
                    and $30k ad spend a month";
const REST: &str = "returns 8%, CPM $18, CPM effect 40-50%, 12 video editors, test fee $150, 20k listicle visits \
                    a month, click-through 30%, payout $8, the #1 slot sells for $3,000 a month";

fn figures(text: &str) -> Figures {
    let reading = read(text, &[]);
    assert_eq!(reading.refusals, [], "{text}");
    assert_eq!(reading.unplaced, [""; 0], "{text}");
    reading.figures
}

fn all() -> String {
    format!("{SHOP}, {REST}")
}

fn report(specialist: Specialist, text: &str) -> Report {
    specialist.work(&figures(text)).unwrap()
}

fn text_of(report: &Report, name: &str) -> String {
    let figures = report.figures();
    let rows = figures["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name);
    let row = row.unwrap_or_else(|| panic!("no {name} in {rows:#?}"));
    row["text"].as_str().unwrap().to_owned()
}

fn assert_rows(report: &Report, expected: &[(&str, &str)]) {
    for (name, text) in expected {
        assert_eq!(text_of(report, name), *text, "{name}");
    }
}

#[test]
fn unit_economics_are_those_of_the_hand() {
    let report = report(Specialist::UnitEconomics, &all());
    assert_rows(
        &report,
        &[
            ("order_value", "$49.90"),
            // 49.90 - 3.992 - 12 - 5.50 - 1.7471 = 26.6609.
            ("contribution_margin", "$26.66"),
            ("contribution_share", "53.43%"),
            ("break_even_cpa", "$26.66"),
            // 49.90 / 26.6609 = 1.8716.
            ("break_even_roas", "1.88"),
            // 26.6609 - 4.99 = 21.6709.
            ("target_cpa", "$21.67"),
            // 49.90 / 21.6709 = 2.3026.
            ("target_roas", "2.31"),
            ("cpa", "$25.00"),
            ("orders", "1,200"),
            ("roas", "2.00"),
            // 1,200 x 26.6609 - 30,000 = 1,993.08.
            ("profit", "$1,993.08"),
        ],
    );
}

#[test]
fn profit_at_a_given_spend_and_cpa_needs_no_orders() {
    let text = SHOP.replace("1.2k orders", "CPA $20");
    let report = report(Specialist::UnitEconomics, &text);
    // 30,000 / 20 = 1,500 orders; x 30.6529 = 45,979.35; - 30,000.
    assert_rows(&report, &[("orders", "1,500"), ("profit", "$15,979.35")]);
}

#[test]
fn the_cap_is_walked_down_from_the_most_an_order_may_cost() {
    let figures = figures(SHOP);
    let basis = Basis::of(&figures).unwrap();
    let cap = basis.cap().unwrap();
    assert_eq!(cap.cpa, exact(256_629, 10_000));
    let walk = Walk::new(&basis, &cap, &Month::of(&basis.shop, &figures).unwrap());
    let caps: Vec<i64> = walk.steps.iter().map(|step| step.percent).collect();
    assert_eq!(caps, [100, 90, 80, 70, 60, 50]);
    let top = &walk.steps[0];
    // 30,000 x (25.6629 / 25)^2.
    let ratio = exact(256_629, 250_000);
    assert_eq!(top.spend, exact(30_000, 1) * &ratio * &ratio);
    assert_eq!(top.orders, &top.spend / exact(256_629, 10_000));
    assert_eq!(top.left, &top.orders * exact(306_529, 10_000) - &top.spend);
    // A quarter of the spend at half the cap.
    assert_eq!(walk.steps[5].spend, &top.spend / exact(4, 1));
}

#[test]
fn the_bid_cap_report_says_what_each_step_spends() {
    let report = report(Specialist::BidCap, &all());
    assert_rows(
        &report,
        &[
            ("bid_cap", "$21.67"),
            ("budget", "$1,000,000"),
            // 30,000 x (21.6709 / 25)^2 = 22,542.13...
            ("spend_at_100", "$22,542.14"),
            // 22,542.14 / 21.6709 = 1,040.2.
            ("orders_at_100", "1,040.2"),
            // 1,040.2032 x (26.6609 - 21.6709) = 5,190.61.
            ("left_at_100", "$5,190.61"),
            ("budget_used", "2.25%"),
            // 0.8 x 21.6709 = 17.33672.
            ("cap_at_80", "$17.33"),
            // 0.64 x 22,542.14.
            ("spend_at_80", "$14,426.97"),
            // 25 x 0.6 and 25 x 0.5; 18 x 0.6 and 18 x 0.5.
            ("cpa_after_cpm_effect", "$15.00"),
            ("cpa_after_cpm_effect_high", "$12.50"),
            ("cpm_after_cpm_effect", "$10.80"),
            ("cpm_after_cpm_effect_high", "$9.00"),
        ],
    );
    let text = report.text();
    for part in [
        "the cap is the only brake",
        "If CPMs fall by 40-50% (your figure and not a promise",
        "Assumed, because you did not say:",
        "spend follows the square of the cap",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

#[test]
fn the_held_step_is_the_one_that_leaves_most() {
    let figures = figures(SHOP);
    let basis = Basis::of(&figures).unwrap();
    let walk = Walk::new(&basis, &basis.cap().unwrap(), &Month::of(&basis.shop, &figures).unwrap());
    let best = walk.best().unwrap();
    assert!(walk.steps.iter().all(|step| step.left <= best.left));
    // What is left grows with c x (30.6529 - c), whose top is at 15.33: 60% of 25.6629 is 15.40.
    assert_eq!(best.percent, 60);
}

#[test]
fn a_budget_that_is_too_small_is_called_the_brake() {
    let report = report(Specialist::BidCap, &format!("{SHOP}, campaign budget $20k"));
    assert_rows(&report, &[("spend_at_100", "$20,000"), ("budget_used", "100%")]);
    assert!(report.text().contains("the budget is the brake"));
}

#[test]
fn no_effect_on_the_cpm_is_counted_unless_it_is_told() {
    let report = report(Specialist::BidCap, SHOP);
    assert!(report.text().contains("I count on no lower CPM."));
    assert!(!report.figures().to_string().contains("cpm_effect"));
}

#[test]
fn the_test_sprint_costs_its_fees_and_what_its_creatives_may_spend() {
    let figures = figures(&all());
    let sprint = Sprint::of(&Basis::of(&figures).unwrap(), &mut vec![]).unwrap();
    assert_eq!(sprint.fees, exact(1_800, 1));
    // 3 x 26.6609 a creative; 36 creatives.
    assert_eq!(sprint.creative_budget, exact(799_827, 10_000));
    assert_eq!(sprint.media, exact(36 * 799_827, 10_000));
    assert_eq!(sprint.daily, exact(36 * 266_609, 10_000));
    assert_eq!(sprint.winners, exact(3, 1));
    let report = report(Specialist::TestPlan, &all());
    assert_rows(
        &report,
        &[
            ("test_fees", "$1,800"),
            ("creative_budget", "$79.98"),
            ("test_media", "$2,879.38"),
            ("test_total", "$4,679.38"),
            ("abo_daily", "$959.79"),
            ("winners", "3"),
            // 21.6709 x 50 / 7 = 154.792...
            ("cbo_daily", "$154.79"),
            // x 1.2^7 = 3.5831808: 554.65.
            ("cbo_daily_raised", "$554.65"),
        ],
    );
}

#[test]
fn points_fall_from_the_target_to_break_even() {
    let figures = figures(&all());
    let sprint = Sprint::of(&Basis::of(&figures).unwrap(), &mut vec![]).unwrap();
    let middle = (&sprint.target + &sprint.break_even) / exact(2, 1);
    assert_eq!(sprint.cost_points(&exact(1, 1)), exact(60, 1));
    assert_eq!(sprint.cost_points(&sprint.target), exact(60, 1));
    assert_eq!(sprint.cost_points(&middle), exact(30, 1));
    assert_eq!(sprint.cost_points(&sprint.break_even), exact(0, 1));
}

#[test]
fn winners_are_never_more_than_candidates() {
    let figures = figures(&format!("{SHOP}, candidates 2, test fee $100, winners 5"));
    let sprint = Sprint::of(&Basis::of(&figures).unwrap(), &mut vec![]).unwrap();
    assert_eq!(sprint.winners, exact(2, 1));
}

#[test]
fn a_listicle_is_worth_its_payouts_its_slot_or_its_own_orders() {
    let figures = figures(&all());
    let page = Listicle::of(&Basis::of(&figures).unwrap(), &mut vec![]);
    // 20,000 x 30% x 2.5%.
    assert_eq!(page.orders, exact(150, 1));
    assert_eq!(page.payouts, exact(1_200, 1));
    // 150 x 26.6609.
    assert_eq!(page.own, exact(3_999_135, 1_000));
    // 3,000 / (0.3 x 0.025 x 26.6609) = 15,003.2: the first whole visit at which it pays.
    assert_eq!(page.switch, Some(exact(15_004, 1)));
    let report = report(Specialist::SeoListicle, &all());
    assert_rows(
        &report,
        &[
            ("revenue_per_url", "$1,200"),
            ("slot_price", "$3,000"),
            ("own_funnel", "$3,999.14"),
            ("switch_visits", "15,004"),
        ],
    );
    assert!(
        report
            .text()
            .contains("Best now: keep the #1 slot for yourself, $3,999.14 against $3,000.")
    );
}

#[test]
fn a_small_listicle_sells_its_first_slot() {
    let text = all().replace("20k listicle visits", "10k listicle visits");
    let report = report(Specialist::SeoListicle, &text);
    assert!(report.text().contains("Best now: sell the #1 slot, $3,000 against $1,999.57."));
}

#[test]
fn a_figure_that_nothing_stands_in_for_is_asked_for() {
    let names = |specialist: Specialist, text: &str| -> Vec<&str> {
        specialist.work(&figures(text)).unwrap_err().iter().map(|need| need.name()).collect()
    };
    let shop = SHOP.replace(", 1.2k orders and $30k ad spend a month", "");
    assert!(Specialist::UnitEconomics.work(&figures(&shop)).is_ok());
    assert_eq!(names(Specialist::BidCap, &shop), ["ad spend", "CPA"]);
    assert_eq!(names(Specialist::BidCap, &format!("{shop}, 1.2k orders")), ["ad spend"]);
    assert_eq!(
        names(Specialist::UnitEconomics, "price 40, COGS 12, no fees"),
        ["shipping", "conversion rate"]
    );
}

#[test]
fn what_stands_in_for_a_figure_is_named() {
    let names = |specialist: Specialist, parts: &[&str]| {
        let report = report(specialist, SHOP);
        let text = report.text();
        let (_, assumed) = text.split_once("Assumed, because you did not say: ").unwrap();
        for part in parts {
            assert!(assumed.contains(part), "no {part:?} in:\n{assumed}");
        }
        report
    };
    let test = names(
        Specialist::TestPlan,
        &[
            "10 candidates",
            "$150.00 for each test",
            "3 creatives",
            "1 candidate of 4 is kept, here 3",
        ],
    );
    assert_rows(&test, &[("test_fees", "$1,500"), ("candidates", "10"), ("test_fee", "$150.00")]);
    let page = names(
        Specialist::SeoListicle,
        &[
            "10,000 visits of the page a month",
            "20% of them click through",
            "buy as often as the shop's, 2.5%",
            "a payout of 10% of an order, $4.99",
            "the #1 slot sells for $2,000 a month",
            "no order is returned",
        ],
    );
    // 10,000 x 20% x 2.5% = 50 orders; x 4.99; x 30.6529.
    assert_rows(&page, &[("revenue_per_url", "$249.50"), ("own_funnel", "$1,532.65")]);
    let told = report(Specialist::SeoListicle, &all()).text();
    assert!(!told.contains("sells for $3,000 a month;"), "{told}");
}

#[test]
fn what_is_asked_for_is_read_again_by_its_name() {
    let mut brief = Brief::of([SHOP]);
    for (name, value) in [
        ("candidates", "12"),
        ("test fee", "$150"),
        ("listicle visits", "20k"),
        ("click-through", "30%"),
        ("payout", "8"),
        ("slot price", "3000"),
        ("ad spend", "31k"),
        ("CPA", "24"),
        ("shipping", "5"),
        ("conversion rate", "2"),
    ] {
        let change = brief.steer(&format!("{name} {value}"));
        assert_eq!((change.changed.len(), change.refused.len()), (1, 0), "{name}");
        assert!(change.changed[0].starts_with(name), "{change:?}");
    }
    for specialist in Specialist::ALL {
        assert!(brief.report(specialist).is_ok(), "{}", specialist.name());
    }
}

#[test]
fn a_steer_changes_figures_and_says_which() {
    let mut brief = Brief::of([SHOP]);
    let change = brief.steer("assume COGS 14");
    assert_eq!(change.changed, ["COGS $14.00"]);
    let report = brief.report(Specialist::UnitEconomics).unwrap();
    // 30.6529 - 2.
    assert_rows(&report, &[("contribution_margin", "$28.65")]);
    assert_eq!(brief.steer("hurry up"), crate::Change::default());
    assert_eq!(brief.steer("COGS 14 €").changed, [""; 0]);
}
