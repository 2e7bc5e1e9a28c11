//! A page of recommendations that search brings visits to: what it earns with affiliate links, with
//! its first place sold, and with its first place kept for one's own shop.

use num_traits::Signed;

use super::basis::Basis;
use super::report::{Report, Rows};
use super::specialist::Specialist;
use crate::figures::Subject;
use crate::money::{Exact, percent};

/// The arithmetic of a listicle, a month.
#[derive(Debug)]
pub(super) struct Listicle {
    pub(super) visits: Exact,
    pub(super) orders: Exact,
    /// With affiliate links.
    pub(super) payouts: Exact,
    pub(super) slot_price: Exact,
    /// What the orders leave in one's own shop; no ad won them.
    pub(super) own: Exact,
    /// From so many visits on, one's own funnel earns more than the slot sells for. `None` when an
    /// order leaves nothing.
    pub(super) switch: Option<Exact>,
}

impl Listicle {
    pub(super) fn of(basis: &Basis<'_>) -> Option<Self> {
        let visits = basis.told(Subject::PageVisits)?.clone();
        let orders_per_visit = basis.told(Subject::ClickThrough)? * conversion(basis);
        let orders = &visits * &orders_per_visit;
        let slot_price = basis.told(Subject::SlotPrice)?.clone();
        let margin = basis.shop.margin();
        let earned_per_visit = orders_per_visit * &margin;
        Some(Self {
            payouts: &orders * basis.told(Subject::Payout)?,
            own: &orders * &margin,
            switch: earned_per_visit.is_positive().then(|| (&slot_price / earned_per_visit).ceil()),
            visits,
            orders,
            slot_price,
        })
    }
}

fn conversion<'a>(basis: &'a Basis<'_>) -> &'a Exact {
    basis.told(Subject::PageConversion).unwrap_or(&basis.shop.conversion_rate)
}

pub(super) fn report(basis: &Basis<'_>) -> Report {
    let mut rows = Rows::new(basis.figures.currency);
    let mut assumed = Vec::new();
    if basis.told(Subject::PageConversion).is_none() {
        let rate = percent(conversion(basis));
        assumed.push(format!("its visitors buy as often as the shop's, {rate}"));
    }
    if basis.told(Subject::Returns).is_none() {
        assumed.push("no order is returned".to_owned());
    }
    assumed.push("the #1 slot gets all of the click-through".to_owned());
    let text = Listicle::of(basis).map(|page| words(basis, &page, &mut rows));
    Report {
        agent: Specialist::SeoListicle.name(),
        text: text.unwrap_or_default(),
        rows: rows.into_rows(),
        assumed,
    }
}

fn words(basis: &Basis<'_>, page: &Listicle, rows: &mut Rows) -> String {
    let purse = basis.purse();
    let visits = rows.count("visits", "Listicle visits a month", &page.visits);
    let orders = rows.count("orders", "Orders a month from it", &page.orders);
    let payouts =
        rows.total("revenue_per_url", "Affiliate revenue of the URL a month", &page.payouts);
    let slot = rows.total("slot_price", "The #1 slot sells for", &page.slot_price);
    let own = rows.total("own_funnel", "Your own funnel earns there", &page.own);
    let through = basis.told(Subject::ClickThrough).map(percent).unwrap_or_default();
    let rate = percent(conversion(basis));
    let payout = basis.told(Subject::Payout).map(|payout| purse.amount(payout)).unwrap_or_default();
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
