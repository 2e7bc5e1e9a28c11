//! A page of recommendations that search brings visits to: what it earns with affiliate links, with
//! its first place sold, and with its first place kept for one's own shop.

use num_traits::Signed;

use super::basis::Basis;
use super::report::{Report, Rows};
use super::specialist::Specialist;
use crate::figures::Subject;
use crate::money::{Exact, exact, percent, trimmed};

/// When they are not told. The payout is then a share of the order value.
const DEFAULT_VISITS: i64 = 10_000;
const DEFAULT_CLICK_THROUGH_PERCENT: i64 = 20;
const DEFAULT_PAYOUT_PERCENT: i64 = 10;
const DEFAULT_SLOT_PRICE: i64 = 2_000;

/// The arithmetic of a listicle, a month.
#[derive(Debug)]
pub(super) struct Listicle {
    pub(super) visits: Exact,
    pub(super) click_through: Exact,
    pub(super) conversion: Exact,
    pub(super) orders: Exact,
    /// For one order, and for all.
    pub(super) payout: Exact,
    pub(super) payouts: Exact,
    pub(super) slot_price: Exact,
    /// What the orders leave in one's own shop; no ad won them.
    pub(super) own: Exact,
    /// From so many visits on, one's own funnel earns more than the slot sells for. `None` when an
    /// order leaves nothing.
    pub(super) switch: Option<Exact>,
}

impl Listicle {
    /// What was not told goes to `assumed`.
    pub(super) fn of(basis: &Basis<'_>, assumed: &mut Vec<String>) -> Self {
        let (shop, purse) = (&basis.shop, basis.purse());
        let mut told = |subject, stand_in, say: &dyn Fn(&Exact) -> String| {
            basis.told_or(subject, stand_in, assumed, say)
        };
        let visits = told(Subject::PageVisits, exact(DEFAULT_VISITS, 1), &|value| {
            format!("{} visits of the page a month", trimmed(value, 0))
        });
        let click_through = exact(DEFAULT_CLICK_THROUGH_PERCENT, 100);
        let click_through = told(Subject::ClickThrough, click_through, &|value| {
            format!("{} of them click through", percent(value))
        });
        let conversion = shop.conversion_rate.clone();
        let conversion = told(Subject::PageConversion, conversion, &|value| {
            format!("its visitors buy as often as the shop's, {}", percent(value))
        });
        let payout = &shop.order_value * exact(DEFAULT_PAYOUT_PERCENT, 100);
        let payout = told(Subject::Payout, payout, &|value| {
            format!("a payout of {DEFAULT_PAYOUT_PERCENT}% of an order, {}", purse.amount(value))
        });
        let slot_price = told(Subject::SlotPrice, exact(DEFAULT_SLOT_PRICE, 1), &|value| {
            format!("the #1 slot sells for {} a month", purse.total(value))
        });
        let orders_per_visit = &click_through * &conversion;
        let orders = &visits * &orders_per_visit;
        let margin = shop.margin();
        let earned_per_visit = orders_per_visit * &margin;
        Self {
            payouts: &orders * &payout,
            own: &orders * &margin,
            switch: earned_per_visit.is_positive().then(|| (&slot_price / earned_per_visit).ceil()),
            visits,
            click_through,
            conversion,
            orders,
            payout,
            slot_price,
        }
    }
}

pub(super) fn report(basis: &Basis<'_>) -> Report {
    let mut rows = Rows::new(basis.figures.currency);
    let mut assumed = Vec::new();
    let page = Listicle::of(basis, &mut assumed);
    if basis.told(Subject::Returns).is_none() {
        assumed.push("no order is returned".to_owned());
    }
    assumed.push("the #1 slot gets all of the click-through".to_owned());
    let text = words(basis, &page, &mut rows);
    Report { agent: Specialist::SeoListicle.name(), text, rows: rows.into_rows(), assumed }
}

fn words(basis: &Basis<'_>, page: &Listicle, rows: &mut Rows) -> String {
    let purse = basis.purse();
    let visits = rows.count("visits", "Listicle visits a month", &page.visits);
    let orders = rows.count("orders", "Orders a month from it", &page.orders);
    let payouts =
        rows.total("revenue_per_url", "Affiliate revenue of the URL a month", &page.payouts);
    let slot = rows.total("slot_price", "The #1 slot sells for", &page.slot_price);
    let own = rows.total("own_funnel", "Your own funnel earns there", &page.own);
    let through = rows.share("click_through", "Click-through", &page.click_through);
    let rate = rows.share("conversion", "Conversion of those clicks", &page.conversion);
    let payout = rows.amount("payout", "Payout for an order", &page.payout);
    let margin = purse.amount(&basis.shop.margin());
    let mut text = format!(
        "A month of the URL: {visits} visits x {through} click-through x {rate} conversion = {orders} orders.\n\n\
         - Affiliate links: {orders} x {payout} payout = {payouts}.\n\
         - The #1 slot sold: {slot}.\n\
         - Your own funnel in the #1 slot: {orders} x {margin} margin = {own}.\n\n"
    );
    text.push_str(&verdict(page, &slot, &own, &payouts));
    text.push_str(&match &page.switch {
        Some(at) => {
            let at = rows.count("switch_visits", "Visits a month at which to switch", at);
            format!(
                " The switch is at {at} visits a month: below it the slot sells for more than you earn there, from \
                 it on keep the slot."
            )
        }
        None => " An order leaves nothing, so no traffic makes your own funnel the better use.".to_owned(),
    });
    text
}

fn verdict(page: &Listicle, slot: &str, own: &str, payouts: &str) -> String {
    if page.payouts > page.slot_price && page.payouts > page.own {
        format!(
            "Best now: affiliate links, {payouts} against {slot} for the slot and {own} of your own."
        )
    } else if page.own >= page.slot_price {
        format!("Best now: keep the #1 slot for yourself, {own} against {slot}.")
    } else {
        format!("Best now: sell the #1 slot, {slot} against {own}.")
    }
}
