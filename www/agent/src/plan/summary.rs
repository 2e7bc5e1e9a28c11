//! What the orchestrator makes of its specialists' results.

use num_traits::{Signed, ToPrimitive};
use serde_json::{Value, json};

use super::report::{Report, Rows};
use super::specialist::Specialist;
use crate::money::{Currency, Exact};

/// How a specialist's work ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With its figures, as [`Report::figures`] makes them.
    Done(Value),
    /// It was not told what it needs.
    Untold(Vec<String>),
    /// Someone stopped it.
    Stopped,
    /// It broke, or nobody serves it.
    Broken,
}

/// What people said to the spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be spent.
    Approved,
    /// It may not.
    Declined,
    /// There was nothing to spend.
    NotAsked,
}

/// The spend that needs a word from people.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    total: Exact,
    text: String,
    unit: String,
    detail: String,
}

impl Approval {
    /// `None` when no result calls for money.
    #[must_use]
    pub fn of(results: &[(Specialist, Outcome)]) -> Option<Self> {
        let scaling = figure(results, Specialist::BidCap, "held_spend");
        let tests = figure(results, Specialist::TestPlan, "test_total");
        let spends: Vec<&Figure<'_>> = [&scaling, &tests].into_iter().flatten().collect();
        let total = spends.iter().map(|spend| &spend.value).sum::<Exact>();
        let unit = spends.first()?.unit.to_owned();
        let mut rows = Rows::new(Currency::of_code(&unit));
        let text = rows.total("spend", "Spend to approve", &total);
        let ads = figure(results, Specialist::BidCap, "held_cap").zip(scaling);
        let mut detail = Vec::new();
        detail.extend(ads.map(|(cap, spend)| {
            format!("{} of ads in the first month at a bid cap of {}", spend.text, cap.text)
        }));
        detail.extend(tests.map(|tests| format!("at most {} for the test sprint", tests.text)));
        total.is_positive().then(|| Self { total, text, unit, detail: detail.join(", and ") })
    }

    /// The body of the ask.
    #[must_use]
    pub fn ask(&self) -> Value {
        let value = self.total.to_f64();
        json!({
            "type": "confirm",
            "title": format!("Approve {} of spend?", self.text),
            "detail": format!("{}. Nothing is spent before you approve.", self.detail),
            "confirm": "Approve",
            "decline": "Not now",
            "amount": {"value": value, "unit": self.unit, "text": self.text},
        })
    }
}

/// The last word of a plan.
#[must_use]
pub fn sum_up(results: &[(Specialist, Outcome)], decision: Decision) -> Report {
    let approval = Approval::of(results);
    let unit = approval.as_ref().map(|approval| approval.unit.as_str()).unwrap_or_default();
    let mut rows = Rows::new(Currency::of_code(unit));
    let mut lines = Vec::new();
    for (specialist, outcome) in results {
        let line = match outcome {
            Outcome::Done(_) => finding(results, *specialist),
            Outcome::Untold(needs) => {
                Some(format!("missing, it still needs {}.", needs.join(" and ")))
            }
            Outcome::Stopped => Some("missing, it was stopped.".to_owned()),
            Outcome::Broken => Some("missing, it broke off.".to_owned()),
        };
        let line = line.unwrap_or_else(|| "no spend: an order loses money before ads.".to_owned());
        lines.push(format!("- {}: {line}", specialist.name()));
    }
    let mut parts = vec![format!("The plan in short:\n\n{}", lines.join("\n"))];
    parts.extend(missing(results));
    parts.extend(steered(results));
    if let Some(approval) = &approval {
        let total = rows.total("spend", "Spend of the plan", &approval.total);
        parts.push(match decision {
            Decision::Approved => format!("Approved: {total} ({}). Go.", approval.detail),
            Decision::Declined => {
                format!("Not approved: {total} stays unspent until someone says otherwise.")
            }
            Decision::NotAsked => format!("Nobody was asked for {total}."),
        });
    }
    Report { agent: "assistant", text: parts.join("\n\n"), rows: rows.into_rows(), assumed: vec![] }
}

/// One line of a specialist's figures; `None` when they call for no spend.
fn finding(results: &[(Specialist, Outcome)], specialist: Specialist) -> Option<String> {
    let of = |name: &str| Some(figure(results, specialist, name)?.text);
    Some(match specialist {
        Specialist::UnitEconomics => format!(
            "an order leaves {}; break-even is a CPA of {} and a ROAS of {}.",
            of("contribution_margin")?,
            of("break_even_cpa")?,
            of("break_even_roas")?
        ),
        Specialist::BidCap => format!(
            "start at {}, hold at {}: {} orders on {} a month leave {}.",
            of("bid_cap")?,
            of("held_cap")?,
            of("held_orders")?,
            of("held_spend")?,
            of("held_left")?
        ),
        Specialist::TestPlan => format!(
            "{} editors for at most {}, then {} a day on the winners.",
            of("candidates")?,
            of("test_total")?,
            of("cbo_daily")?
        ),
        Specialist::SeoListicle => {
            let switch = of("switch_visits").map_or_else(
                || "your own funnel leaves nothing there".to_owned(),
                |at| format!("switch at {at} visits a month"),
            );
            format!(
                "{} of affiliate revenue, {} for the #1 slot or {} of your own; {switch}.",
                of("revenue_per_url")?,
                of("slot_price")?,
                of("own_funnel")?
            )
        }
    })
}

/// Says what the plan lacks.
fn missing(results: &[(Specialist, Outcome)]) -> Option<String> {
    let lacking = results.iter().filter(|(_, outcome)| !matches!(outcome, Outcome::Done(_)));
    let names: Vec<&str> = lacking.map(|(specialist, _)| specialist.name()).collect();
    (!names.is_empty()).then(|| {
        format!("This plan is without {}: ask for it again to complete it.", names.join(" and "))
    })
}

/// Says who worked with figures that someone changed on the way: they may differ.
fn steered(results: &[(Specialist, Outcome)]) -> Option<String> {
    let mut lines = Vec::new();
    for (specialist, outcome) in results {
        let Outcome::Done(figures) = outcome else { continue };
        let said = figures.get("steered").and_then(Value::as_array).into_iter().flatten();
        let said: Vec<&str> = said.filter_map(Value::as_str).collect();
        if !said.is_empty() {
            lines.push(format!("{} ({})", specialist.name(), said.join(", ")));
        }
    }
    (!lines.is_empty()).then(|| {
        format!(
            "Changed on the way, for this plan only: {}. Send a figure as a message to keep it.",
            lines.join("; ")
        )
    })
}

/// A figure of a specialist's result.
#[derive(Clone, Debug)]
struct Figure<'a> {
    value: Exact,
    unit: &'a str,
    text: &'a str,
}

fn figure<'a>(
    results: &'a [(Specialist, Outcome)],
    specialist: Specialist,
    name: &str,
) -> Option<Figure<'a>> {
    let (_, outcome) = results.iter().find(|(of, _)| *of == specialist)?;
    let Outcome::Done(figures) = outcome else { return None };
    let mut rows = figures.get("rows")?.as_array()?.iter();
    let row = rows.find(|row| row.get("name").and_then(Value::as_str) == Some(name))?;
    Some(Figure {
        value: Exact::from_float(row.get("value")?.as_f64()?)?,
        unit: row.get("unit")?.as_str()?,
        text: row.get("text")?.as_str()?,
    })
}
