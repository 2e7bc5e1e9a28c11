//! The worked answer.

use num_traits::{Signed, Zero};

use super::ask::{cost, unplaced};
use crate::economics::{Change, Limits, Month, Shop};
use crate::figures::{Figures, Reading, Subject};
use crate::money::{Exact, Purse, Rounding, decimal, exact, percent, trimmed};
use crate::table::table;

/// The whole answer for a shop whose figures are complete.
pub(super) fn answer(shop: &Shop, figures: &Figures, reading: &Reading) -> String {
    let writer = Writer::new(shop, figures);
    let mut parts = vec![writer.order(), writer.limits()];
    parts.extend(writer.month());
    parts.push(writer.sensitivity());
    parts.extend(writer.lever());
    let mut text = parts.join("\n\n");
    text.push_str(&unplaced(reading));
    text
}

/// Words for one shop.
pub(crate) struct Writer<'a> {
    shop: &'a Shop,
    figures: &'a Figures,
    purse: Purse,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(shop: &'a Shop, figures: &'a Figures) -> Self {
        Self { shop, figures, purse: Purse { currency: figures.currency } }
    }

    pub(crate) fn order(&self) -> String {
        let shop = self.shop;
        let goods = if shop.units == exact(1, 1) {
            String::new()
        } else {
            format!(" ({} units an order)", trimmed(&shop.units, 2))
        };
        let fees = if shop.fees.share.is_zero() {
            String::new()
        } else {
            format!(" ({})", cost(&shop.fees, self.purse.currency))
        };
        let returns = if shop.returns.is_zero() {
            String::new()
        } else {
            format!(", returns {} ({})", self.purse.amount(&shop.refunds()), percent(&shop.returns))
        };
        format!(
            "Per order: value {}, goods {}{goods}, shipping {}, fees {}{fees}{returns}.\n\n\
             Contribution margin: {} an order, {} of its value.",
            self.purse.amount(&shop.order_value),
            self.purse.amount(&shop.goods),
            self.purse.amount(&shop.shipping),
            self.purse.amount(&shop.fees_amount()),
            self.purse.amount(&shop.margin()),
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
            self.purse.ceiling(&break_even.cpa),
            decimal(&break_even.roas, 2, Rounding::Up),
            self.purse.ceiling(&break_even.bid),
            percent(&self.shop.conversion_rate),
        );
        text.push_str(&self.target());
        if let Some(click) = self.figures.single(Subject::ClickCost) {
            let cpa = click / &self.shop.conversion_rate;
            let verdict = if cpa > break_even.cpa { "above" } else { "within" };
            text.push_str(&format!(
                "\n- At your CPC of {} an order costs {} in clicks, {verdict} break-even.",
                self.purse.amount(click),
                self.purse.amount(&cpa)
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
                self.purse.ceiling(&cpa),
                decimal(&roas, 2, Rounding::Up),
                self.purse.ceiling(&bid)
            ),
            None => {
                format!("- A profit of {target} of sales is out of reach: the margin is smaller.")
            }
        }
    }

    pub(crate) fn month(&self) -> Option<String> {
        let month = Month::of(self.shop, self.figures)?;
        let result = if month.profit.is_negative() { "lose" } else { "keep" };
        let orders = trimmed(&month.orders, 1);
        let spend = self.purse.total(&month.spend);
        let cpa = self.purse.amount(&month.cpa);
        let roas = decimal(&month.roas, 2, Rounding::Nearest);
        let now = if self.figures.single(Subject::Cpa).is_some() {
            format!(
                "{spend} of ads a month at a CPA of {cpa} win {orders} orders and a ROAS of {roas}."
            )
        } else {
            format!(
                "{orders} orders on {spend} of ads a month make a CPA of {cpa} and a ROAS of {roas}, if ads win \
                 them all."
            )
        };
        let left = self.purse.total(&month.profit.abs());
        Some(format!("Now: {now} You {result} {left} a month."))
    }

    pub(crate) fn sensitivity(&self) -> String {
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
        let value = if self.figures.single(Subject::OrderValue).is_some() {
            "Order value"
        } else {
            "Price"
        };
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
        let of = |limit: Option<&Exact>| limit.map_or_else(none, |limit| self.purse.ceiling(limit));
        [
            name,
            format!("{}%", decimal(&(shop.margin_share() * exact(100, 1)), 1, Rounding::Nearest)),
            of(limits.as_ref().map(|limits| &limits.cpa)),
            of(limits.as_ref().map(|limits| &limits.bid)),
        ]
    }

    /// Which of two changes of 10% is worth more. `None` when the goods cost nothing.
    pub(crate) fn lever(&self) -> Option<String> {
        if self.shop.goods.is_zero() {
            return None;
        }
        let margin = self.shop.margin();
        let price = self.shop.with(Change::OrderValue(exact(11, 10))).margin() - &margin;
        let goods = self.shop.with(Change::Goods(exact(9, 10))).margin() - &margin;
        let (price_worth, goods_worth) = (self.purse.amount(&price), self.purse.amount(&goods));
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
