//! What an order leaves, and what may be paid to win it.

use super::basis::{Basis, NO_CPA};
use super::report::{Report, Rows};
use super::specialist::Specialist;
use crate::answer::worked::Writer;
use crate::economics::Month;
use crate::money::percent;

pub(super) fn report(basis: &Basis<'_>) -> Report {
    let shop = &basis.shop;
    let mut rows = Rows::new(basis.figures.currency);
    rows.amount("order_value", "Order value", &shop.order_value);
    rows.amount("contribution_margin", "Contribution margin", &shop.margin());
    rows.share("contribution_share", "Contribution margin share", &shop.margin_share());
    let words = Writer::new(shop, basis.figures);
    let mut parts = vec![words.order()];
    parts.push(limits(basis, &mut rows).unwrap_or_else(|| NO_CPA.to_owned()));
    spend(basis, &mut rows);
    parts.extend(words.month());
    parts.push(words.sensitivity());
    parts.extend(words.lever());
    Report {
        agent: Specialist::UnitEconomics.name(),
        text: parts.join("\n\n"),
        rows: rows.into_rows(),
        assumed: basis.assumed(None),
    }
}

fn limits(basis: &Basis<'_>, rows: &mut Rows) -> Option<String> {
    let shop = &basis.shop;
    let break_even = shop.break_even()?;
    let cpa = rows.ceiling("break_even_cpa", "Break-even CPA", &break_even.cpa);
    let roas = rows.floor("break_even_roas", "Break-even ROAS", &break_even.roas);
    let mut text = format!(
        "- Break-even CPA: {cpa}. Above it, each order loses money.\n\
         - Break-even ROAS: {roas}. Below it, ads cost more than they bring in."
    );
    let target = percent(&shop.target_profit);
    text.push_str(&match shop.limits(&shop.target_profit) {
        Some(limits) => {
            let cpa = rows.ceiling("target_cpa", "Target CPA", &limits.cpa);
            let roas = rows.floor("target_roas", "Target ROAS", &limits.roas);
            format!("\n- To keep {target} of sales as profit: CPA up to {cpa}, ROAS from {roas}.")
        }
        None => {
            format!("\n- A profit of {target} of sales is out of reach: the margin is smaller.")
        }
    });
    Some(text)
}

/// What the ads of a month earn, at the spend and CPA that were told.
fn spend(basis: &Basis<'_>, rows: &mut Rows) {
    let Some(month) = Month::of(&basis.shop, basis.figures) else { return };
    rows.total("spend", "Ad spend a month", &month.spend);
    rows.amount("cpa", "CPA", &month.cpa);
    rows.count("orders", "Orders a month", &month.orders);
    rows.ratio("roas", "ROAS", &month.roas);
    rows.total("profit", "Profit a month", &month.profit);
}
