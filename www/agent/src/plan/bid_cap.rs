//! A bid cap as the only brake: the budget is far above what the cap lets through, and the cap is
//! walked down.

use num_traits::Signed;

use super::basis::{Basis, Cap, CapSource, NO_CPA};
use super::report::{Report, Rows};
use super::specialist::Specialist;
use crate::answer::ask::range;
use crate::economics::Month;
use crate::figures::Subject;
use crate::money::{Exact, exact, percent};
use crate::table::table;

/// A month's budget that is to stay unspent, when none is told.
const DEFAULT_BUDGET: i64 = 1_000_000;
/// The walk down, in percent of the cap.
const STEP_PERCENTS: [i64; 6] = [100, 90, 80, 70, 60, 50];
/// From one step to the next.
const STEP_DAYS: u32 = 3;

pub(super) fn report(basis: &Basis<'_>) -> Report {
    let mut rows = Rows::new(basis.figures.currency);
    let cap = basis.cap();
    let month = Month::of(&basis.shop, basis.figures);
    let mut assumed = basis.assumed(cap.as_ref());
    let text = match (&cap, &month) {
        (Some(cap), Some(month)) => {
            let walk = Walk::new(basis, cap, month);
            let text = words(basis, cap, month, &walk, &mut rows);
            if basis.told(Subject::CampaignBudget).is_none() {
                let budget = basis.purse().total(&walk.budget);
                assumed.push(format!("a budget of {budget} a month that nothing else limits"));
            }
            assumed.push(
                "spend follows the square of the cap: half the cap, a quarter of the spend"
                    .to_owned(),
            );
            assumed.push("every order costs the whole cap, which is the worst case".to_owned());
            text
        }
        (None, _) | (_, None) => NO_CPA.to_owned(),
    };
    Report { agent: Specialist::BidCap.name(), text, rows: rows.into_rows(), assumed }
}

/// The steps of a walk down.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) budget: Exact,
    pub(super) steps: Vec<Step>,
}

/// A month at one cap.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) percent: i64,
    pub(super) cap: Exact,
    pub(super) spend: Exact,
    pub(super) orders: Exact,
    /// What the orders leave after ads.
    pub(super) left: Exact,
}

impl Walk {
    pub(super) fn new(basis: &Basis<'_>, cap: &Cap, now: &Month) -> Self {
        let told = basis.told(Subject::CampaignBudget).cloned();
        let budget = told.unwrap_or_else(|| exact(DEFAULT_BUDGET, 1));
        let margin = basis.shop.margin();
        let steps = STEP_PERCENTS.map(|percent| {
            let cap = &cap.cpa * exact(percent, 100);
            let ratio = &cap / &now.cpa;
            let let_through = &now.spend * &ratio * &ratio;
            let spend = if let_through > budget { budget.clone() } else { let_through };
            let orders = &spend / &cap;
            let left = &orders * &margin - &spend;
            Step { percent, cap, spend, orders, left }
        });
        Self { budget, steps: steps.into() }
    }

    /// Where most is left; of equals the highest cap, which brings more orders.
    pub(super) fn best(&self) -> Option<&Step> {
        self.steps.iter().rev().max_by(|one, other| one.left.cmp(&other.left))
    }
}

fn words(basis: &Basis<'_>, cap: &Cap, now: &Month, walk: &Walk, rows: &mut Rows) -> String {
    let purse = basis.purse();
    let written = rows.ceiling("bid_cap", "Bid cap", &cap.cpa);
    let budget = rows.total("budget", "Campaign budget a month", &walk.budget);
    let mut parts = vec![format!("{} {}", why(basis, cap, &written), against_now(basis, cap, now))];
    if let Some(top) = walk.steps.first() {
        let share = rows.share(
            "budget_used",
            "Share of the budget used at the cap",
            &(&top.spend / &walk.budget),
        );
        parts.push(if top.spend < walk.budget {
            format!(
                "Budget: {budget} a month, far more than the cap lets through ({share} of it), so the cap is the \
                 only brake."
            )
        } else {
            format!(
                "Budget: {budget} a month is less than the cap would let through, so the budget is the brake: \
                 raise it."
            )
        });
    }
    let head = ["Cap", "Bid cap", "Spend", "Orders", "Left"].map(str::to_owned);
    let mut lines = vec![head];
    for step in &walk.steps {
        let percent = step.percent;
        let name = |what: &str| format!("{what}_at_{percent}");
        let label = |what: &str| format!("{what} at {percent}% of the cap");
        lines.push([
            format!("{percent}%"),
            rows.ceiling(&name("cap"), &label("Bid cap"), &step.cap),
            rows.total(&name("spend"), &label("Spend"), &step.spend),
            rows.count(&name("orders"), &label("Orders"), &step.orders),
            rows.total(&name("left"), &label("Left after ads"), &step.left),
        ]);
    }
    parts.push(format!(
        "The walk down, one step every {STEP_DAYS} days while spend holds (a month at each step):\n\n{}",
        table(&lines)
    ));
    if let Some(best) = walk.best() {
        let held = rows.ceiling("held_cap", "Bid cap to hold", &best.cap);
        let spend = rows.total("held_spend", "Spend a month at it", &best.spend);
        let orders = rows.count("held_orders", "Orders a month at it", &best.orders);
        rows.total("held_left", "Left after ads a month at it", &best.left);
        let left = purse.total(&best.left.abs());
        let verb = if best.left.is_negative() { "you lose only" } else { "you keep most," };
        parts.push(format!(
            "Hold at {held}: there {verb} {left} a month, with {orders} orders on {spend} of ads."
        ));
    }
    parts.push(cpm(basis, now, rows));
    parts.join("\n\n")
}

fn why(basis: &Basis<'_>, cap: &Cap, written: &str) -> String {
    let target = percent(&basis.shop.target_profit);
    let break_even = basis.purse().ceiling(&basis.shop.margin());
    match cap.source {
        CapSource::Told if cap.cpa > basis.shop.margin() => format!(
            "Bid cap: {written}, as you said. It is above break-even ({break_even}): every order at the cap loses \
             money."
        ),
        CapSource::Told => format!("Bid cap: {written}, as you said; break-even is {break_even}."),
        CapSource::Target => format!(
            "Bid cap: {written}, the most an order may cost so that {target} of sales stay as profit (break-even \
             is {break_even})."
        ),
        CapSource::BreakEven => format!(
            "Bid cap: {written}, which is break-even: a profit of {target} of sales is out of reach."
        ),
    }
}

fn against_now(basis: &Basis<'_>, cap: &Cap, now: &Month) -> String {
    let (spend, cpa) = (basis.purse().total(&now.spend), basis.purse().amount(&now.cpa));
    let side = if now.cpa > cap.cpa { "above" } else { "within" };
    format!("Now {spend} a month win orders at {cpa}, {side} the cap.")
}

/// What lower CPMs would do, by the user's own figure.
fn cpm(basis: &Basis<'_>, now: &Month, rows: &mut Rows) -> String {
    let Some(low) = basis.told(Subject::CpmEffect) else {
        return "I count on no lower CPM. If you expect one, say by how much, such as \"CPM effect 45%\"."
            .to_owned();
    };
    let high = basis.figures.cpm_effect_high.as_ref();
    let effect = high.map_or_else(|| percent(low), |high| range(low, high));
    let after = |value: &Exact, effect: &Exact| value * (exact(1, 1) - effect);
    let mut ends = vec![("", low)];
    ends.extend(high.map(|high| ("_high", high)));
    let (mut cpas, mut cpms) = (Vec::new(), Vec::new());
    for (suffix, effect) in ends {
        let label = |what: &str| format!("{what} if CPMs fall by {}", percent(effect));
        let name = format!("cpa_after_cpm_effect{suffix}");
        cpas.push(rows.amount(&name, &label("CPA"), &after(&now.cpa, effect)));
        if let Some(cpm) = basis.told(Subject::Cpm) {
            let name = format!("cpm_after_cpm_effect{suffix}");
            cpms.push(rows.amount(&name, &label("CPM"), &after(cpm, effect)));
        }
    }
    let cpm = match (basis.told(Subject::Cpm), cpms.is_empty()) {
        (Some(cpm), false) => {
            format!("the CPM from {} to {}, and ", basis.purse().amount(cpm), cpms.join("-"))
        }
        _ => String::new(),
    };
    format!(
        "If CPMs fall by {effect} (your figure and not a promise; clicks and conversion as now), that takes {cpm}\
         the CPA from {} to {}. It is not counted above.",
        basis.purse().amount(&now.cpa),
        cpas.join("-")
    )
}
