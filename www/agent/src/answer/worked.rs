//! The worked answer.

use num_traits::{Signed, Zero};

use super::ask::{cost, unplaced};
use crate::economics::{Change, Limits, Month, Shop};
use crate::figures::{Figures, Reading};
use crate::money::{Currency, Exact, Rounding, decimal, exact, money, percent, trimmed};

/// The whole answer for a shop whose figures are complete.
pub(super) fn answer(shop: &Shop, figures: &Figures, reading: &Reading) -> String {
    let writer = Writer { shop, figures, currency: figures.currency };
    let mut parts = vec![writer.order(), writer.limits()];
    parts.extend(writer.month());
    parts.push(writer.sensitivity());
    parts.extend(writer.lever());
    let mut text = parts.join("\n\n");
    text.push_str(&unplaced(reading));
    text
}

struct Writer<'a> {
    shop: &'a Shop,
    figures: &'a Figures,
    currency: Option<Currency>,
}

impl Writer<'_> {
    fn amount(&self, amount: &Exact) -> String {
        money(amount, self.currency, Rounding::Nearest)
    }

    /// A monthly amount, without decimals where it has none.
    fn total(&self, amount: &Exact) -> String {
        let text = self.amount(amount);
        text.strip_suffix(".00").map_or(text.clone(), str::to_owned)
    }

    /// A ceiling: what is printed may be paid.
    fn ceiling(&self, amount: &Exact) -> String {
        money(amount, self.currency, Rounding::Down)
    }

    fn order(&self) -> String {
        let shop = self.shop;
        let goods = if shop.units == exact(1, 1) {
            String::new()
        } else {
            format!(" ({} units an order)", trimmed(&shop.units, 2))
        };
        let fees = if shop.fees.share.is_zero() {
            String::new()
        } else {
            format!(" ({})", cost(&shop.fees, self.currency))
        };
        format!(
            "Per order: value {}, goods {}{goods}, shipping {}, fees {}{fees}.\n\n\
             Contribution margin: {} an order, {} of its value.",
            self.amount(&shop.order_value),
            self.amount(&shop.goods),
            self.amount(&shop.shipping),
            self.amount(&shop.fees_amount()),
            self.amount(&shop.margin()),
            percent(&shop.margin_share()),
        )
    }

    fn limits(&self) -> String {
        let Some(break_even) = self.shop.break_even() else {
            return "Every order loses money before a cent goes into ads, so there is no break-even CPA, ROAS \
                    or bid: no bid is low enough. Raise the price or cut the costs first; the table shows what \
                    helps."
                .to_owned();
        };
        let mut text = format!(
            "- Break-even CPA: {}. Above it, each order loses money.\n\
             - Break-even ROAS: {}. Below it, ads cost more than they bring in.\n\
             - Maximum bid cap: {} a click, at a conversion rate of {}.\n",
            self.ceiling(&break_even.cpa),
            decimal(&break_even.roas, 2, Rounding::Up),
            self.ceiling(&break_even.bid),
            percent(&self.shop.conversion_rate),
        );
        text.push_str(&self.target());
        if let Some(click) = &self.figures.click_cost {
            let cpa = click / &self.shop.conversion_rate;
            let verdict = if cpa > break_even.cpa { "above" } else { "within" };
            text.push_str(&format!(
                "\n- At your CPC of {} an order costs {} in clicks, {verdict} break-even.",
                self.amount(click),
                self.amount(&cpa)
            ));
        }
        text
    }

    fn target(&self) -> String {
        let shop = self.shop;
        let target = percent(&shop.target_profit);
        match shop.limits(&shop.target_profit) {
            Some(Limits { cpa, roas, bid }) => format!(
                "- To keep {target} of sales as profit: CPA up to {}, ROAS from {}, bid up to {}.",
                self.ceiling(&cpa),
                decimal(&roas, 2, Rounding::Up),
                self.ceiling(&bid)
            ),
            None => {
                format!("- A profit of {target} of sales is out of reach: the margin is smaller.")
            }
        }
    }

    fn month(&self) -> Option<String> {
        let month = Month::of(self.shop, self.figures)?;
        let (orders, spend) = (self.figures.orders.as_ref()?, self.figures.ad_spend.as_ref()?);
        let result = if month.profit.is_negative() { "lose" } else { "keep" };
        Some(format!(
            "Now: {} orders on {} of ads a month make a CPA of {} and a ROAS of {}, if ads win them all. \
             You {result} {} a month.",
            trimmed(orders, 1),
            self.total(spend),
            self.amount(&month.cpa),
            decimal(&month.roas, 2, Rounding::Nearest),
            self.total(&month.profit.abs()),
        ))
    }

    fn sensitivity(&self) -> String {
        let head = ["Change", "Margin", "CPA", "Max bid"].map(str::to_owned);
        let mut rows = vec![head, self.row("As given".to_owned(), self.shop)];
        for (name, change) in self.changes() {
            rows.push(self.row(name, &self.shop.with(change)));
        }
        format!(
            "Sensitivity, one change at a time (CPA and bid at break-even):\n\n{}",
            table(&rows)
        )
    }

    fn changes(&self) -> Vec<(String, Change)> {
        let value = if self.figures.order_value.is_some() { "Order value" } else { "Price" };
        let step = |percent: i64| exact(100 + percent, 100);
        let mut changes = Vec::new();
        for percent in [-10, 10] {
            changes.push((format!("{value} {percent:+}%"), Change::OrderValue(step(percent))));
        }
        for percent in [10, -10] {
            changes.push((format!("COGS {percent:+}%"), Change::Goods(step(percent))));
        }
        for percent in [-20, 20] {
            changes
                .push((format!("Conversion {percent:+}%"), Change::ConversionRate(step(percent))));
        }
        changes
    }

    fn row(&self, name: String, shop: &Shop) -> [String; 4] {
        let none = || "none".to_owned();
        let limits = shop.break_even();
        let of = |limit: Option<&Exact>| limit.map_or_else(none, |limit| self.ceiling(limit));
        [
            name,
            format!("{}%", decimal(&(shop.margin_share() * exact(100, 1)), 1, Rounding::Nearest)),
            of(limits.as_ref().map(|limits| &limits.cpa)),
            of(limits.as_ref().map(|limits| &limits.bid)),
        ]
    }

    /// Which of two changes of 10% is worth more. `None` when the goods cost nothing.
    fn lever(&self) -> Option<String> {
        if self.shop.goods.is_zero() {
            return None;
        }
        let margin = self.shop.margin();
        let price = self.shop.with(Change::OrderValue(exact(11, 10))).margin() - &margin;
        let goods = self.shop.with(Change::Goods(exact(9, 10))).margin() - &margin;
        let (price_worth, goods_worth) = (self.amount(&price), self.amount(&goods));
        Some(if price >= goods {
            format!(
                "Best lever: 10% on the price is worth {price_worth} an order, 10% off COGS {goods_worth}."
            )
        } else {
            format!(
                "Best lever: 10% off COGS is worth {goods_worth} an order, 10% on the price {price_worth}."
            )
        })
    }
}

/// A Markdown pipe table whose columns also line up as plain text. The first row is its head.
fn table(rows: &[[String; 4]]) -> String {
    let mut widths = [0; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut lines = Vec::new();
    for row in rows {
        let mut cells = row.iter().zip(widths);
        let first = cells.next().map(|(cell, width)| format!("{cell:<width$}"));
        let rest = cells.map(|(cell, width)| format!("{cell:>width$}"));
        let cells: Vec<String> = first.into_iter().chain(rest).collect();
        lines.push(format!("| {} |", cells.join(" | ")));
        if lines.len() == 1 {
            let mut rules = widths.iter().map(|width| "-".repeat(width + 1));
            let first = rules.next().map(|rule| format!("{rule}-"));
            let rest = rules.map(|rule| format!("{rule}:"));
            let rules: Vec<String> = first.into_iter().chain(rest).collect();
            lines.push(format!("|{}|", rules.join("|")));
        }
    }
    lines.join("\n")
}
