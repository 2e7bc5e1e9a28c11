//! What one order earns, and what may be paid to win it.

use num_traits::{Signed, Zero};

use crate::figures::{Component, Cost, Figures, Subject};
use crate::money::{Exact, exact};

/// Share of the order value kept as profit when the user names no target: 10%.
const DEFAULT_TARGET_PROFIT_PERCENT: i64 = 10;

/// A shop's figures per order, complete enough to work with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shop {
    pub(crate) order_value: Exact,
    /// Units in one order: order value by price, at least 1.
    pub(crate) units: Exact,
    /// Cost of the goods in one order.
    pub(crate) goods: Exact,
    pub(crate) shipping: Exact,
    /// Fees: the fixed part is per order, the share is of the order value.
    pub(crate) fees: Cost,
    /// Share of orders that come back: their value is paid back, and what they cost stays spent.
    pub(crate) returns: Exact,
    pub(crate) conversion_rate: Exact,
    /// Share of the order value to be left after ads.
    pub(crate) target_profit: Exact,
}

impl Shop {
    /// `None` while something is missing.
    pub(crate) fn of(figures: &Figures) -> Option<Self> {
        let order_value =
            figures.single(Subject::OrderValue).or(figures.single(Subject::Price))?.clone();
        let one = exact(1, 1);
        let price = figures.single(Subject::Price);
        let units = price.map_or_else(|| one.clone(), |price| &order_value / price);
        let units = if units < one { one } else { units };
        let goods = figures.cost(Component::Goods)?;
        let shipping = figures.cost(Component::Shipping)?;
        Some(Self {
            goods: goods.fixed * &units + goods.share * &order_value,
            shipping: shipping.fixed + shipping.share * &order_value,
            fees: figures.cost(Component::Fees)?,
            conversion_rate: figures.conversion_rate()?,
            returns: figures.single(Subject::Returns).cloned().unwrap_or_else(Exact::zero),
            target_profit: figures
                .single(Subject::TargetProfit)
                .cloned()
                .unwrap_or_else(|| exact(DEFAULT_TARGET_PROFIT_PERCENT, 100)),
            order_value,
            units,
        })
    }

    pub(crate) fn fees_amount(&self) -> Exact {
        &self.fees.fixed + &self.fees.share * &self.order_value
    }

    /// What returns pay back, spread over all orders.
    pub(crate) fn refunds(&self) -> Exact {
        &self.returns * &self.order_value
    }

    /// Contribution margin of one order: what it leaves before ads.
    pub(crate) fn margin(&self) -> Exact {
        &self.order_value - self.refunds() - &self.goods - &self.shipping - self.fees_amount()
    }

    pub(crate) fn margin_share(&self) -> Exact {
        self.margin() / &self.order_value
    }

    /// What may be paid for an order so that `profit` (a share of the order value) is left.
    /// `None` when nothing is left to pay with.
    pub(crate) fn limits(&self, profit: &Exact) -> Option<Limits> {
        let cpa = self.margin() - profit * &self.order_value;
        cpa.is_positive().then(|| Limits {
            roas: &self.order_value / &cpa,
            bid: &cpa * &self.conversion_rate,
            cpa,
        })
    }

    /// The limits at which an order neither earns nor loses.
    pub(crate) fn break_even(&self) -> Option<Limits> {
        self.limits(&Exact::zero())
    }

    /// The shop with one figure changed.
    pub(crate) fn with(&self, change: Change) -> Self {
        let mut shop = self.clone();
        match change {
            Change::OrderValue(factor) => shop.order_value *= factor,
            Change::Goods(factor) => shop.goods *= factor,
            Change::ConversionRate(factor) => {
                let one = exact(1, 1);
                let rate = &shop.conversion_rate * factor;
                shop.conversion_rate = if rate > one { one } else { rate };
            }
        }
        shop
    }
}

/// What may be paid for an order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limits {
    /// Most that an order may cost in ads.
    pub(crate) cpa: Exact,
    /// Least that ads must sell for each unit of money spent.
    pub(crate) roas: Exact,
    /// Most that a click may cost.
    pub(crate) bid: Exact,
}

/// One figure times a factor, all else equal: other costs of an order do not follow its value, only
/// fees that are a share of it do.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    OrderValue(Exact),
    Goods(Exact),
    ConversionRate(Exact),
}

/// What a month looks like now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Month {
    pub(crate) spend: Exact,
    pub(crate) orders: Exact,
    pub(crate) cpa: Exact,
    pub(crate) roas: Exact,
    /// Contribution of all orders less the ad spend.
    pub(crate) profit: Exact,
}

impl Month {
    /// `None` unless the ad spend is known, and with it the orders or what one costs. All orders
    /// count as won by ads.
    pub(crate) fn of(shop: &Shop, figures: &Figures) -> Option<Self> {
        let positive = |subject| figures.single(subject).filter(|value| value.is_positive());
        let spend = positive(Subject::AdSpend)?;
        let told = positive(Subject::Cpa).map(|cpa| spend / cpa);
        let orders = told.or_else(|| positive(Subject::Orders).cloned())?;
        Some(Self {
            cpa: spend / &orders,
            roas: &orders * &shop.order_value / spend,
            profit: &orders * shop.margin() - spend,
            spend: spend.clone(),
            orders,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Order value 49.90, goods 12, shipping 5.50, fees 2.9% + 0.30, conversion rate 2.5%.
    fn shop() -> Shop {
        Shop {
            order_value: exact(499, 10),
            units: exact(1, 1),
            goods: exact(12, 1),
            shipping: exact(55, 10),
            fees: Cost { fixed: exact(3, 10), share: exact(29, 1_000) },
            returns: exact(0, 1),
            conversion_rate: exact(25, 1_000),
            target_profit: exact(1, 10),
        }
    }

    fn told(singles: impl IntoIterator<Item = (Subject, Exact)>) -> Figures {
        Figures { singles: singles.into_iter().collect(), ..Figures::default() }
    }

    #[test]
    fn the_worked_example_is_right_to_the_last_decimal() {
        let shop = shop();
        // Fees: 49.90 x 0.029 = 1.4471, and 0.30.
        assert_eq!(shop.fees_amount(), exact(17_471, 10_000));
        // Margin: 49.90 - 12 - 5.50 - 1.7471 = 30.6529.
        assert_eq!(shop.margin(), exact(306_529, 10_000));
        let break_even = shop.break_even().unwrap();
        assert_eq!(break_even.cpa, exact(306_529, 10_000));
        // 49.90 / 30.6529.
        assert_eq!(break_even.roas, exact(499_000, 306_529));
        // 30.6529 x 0.025 = 0.7663225.
        assert_eq!(break_even.bid, exact(7_663_225, 10_000_000));
        // 10% of 49.90 is 4.99; 30.6529 - 4.99 = 25.6629.
        assert_eq!(shop.limits(&shop.target_profit).unwrap().cpa, exact(256_629, 10_000));
    }

    #[test]
    fn a_month_of_orders_and_ads_is_worked_out() {
        let figures =
            told([(Subject::Orders, exact(1_200, 1)), (Subject::AdSpend, exact(30_000, 1))]);
        let month = Month::of(&shop(), &figures).unwrap();
        assert_eq!(month.cpa, exact(25, 1));
        // 1,200 x 49.90 = 59,880; / 30,000 = 1.996.
        assert_eq!(month.roas, exact(1_996, 1_000));
        // 1,200 x 30.6529 = 36,783.48; - 30,000.
        assert_eq!(month.profit, exact(678_348, 100));
    }

    #[test]
    fn a_cpa_that_was_told_says_how_many_orders_the_spend_won() {
        let figures = told([(Subject::Cpa, exact(25, 1)), (Subject::AdSpend, exact(30_000, 1))]);
        assert_eq!(Month::of(&shop(), &figures).unwrap().orders, exact(1_200, 1));
    }

    #[test]
    fn returns_pay_the_value_back_and_save_nothing() {
        let shop = Shop { returns: exact(8, 100), ..shop() };
        // 8% of 49.90 is 3.992; 30.6529 - 3.992 = 26.6609.
        assert_eq!(shop.margin(), exact(266_609, 10_000));
    }

    #[test]
    fn an_order_of_several_units_costs_that_many_goods() {
        let figures =
            crate::figures::read("price 40, AOV 80, COGS 12, no shipping, no fees, CR 2%", &[])
                .figures;
        let shop = Shop::of(&figures).unwrap();
        assert_eq!((shop.units.clone(), shop.goods.clone()), (exact(2, 1), exact(24, 1)));
        assert_eq!(shop.margin(), exact(56, 1));
    }

    #[test]
    fn an_order_that_loses_money_has_no_limits() {
        let mut shop = shop();
        shop.goods = exact(60, 1);
        assert!(shop.margin().is_negative());
        assert_eq!(shop.break_even(), None);
    }

    #[test]
    fn a_higher_price_raises_fees_that_are_a_share_and_nothing_else() {
        // 54.89 - 12 - 5.50 - (1.59181 + 0.30) = 35.49819.
        assert_eq!(
            shop().with(Change::OrderValue(exact(11, 10))).margin(),
            exact(3_549_819, 100_000)
        );
    }

    prop_compose! {
        fn any_shop()(
            cents in 1_i64..10_000_000,
            goods in 0_i64..5_000_000,
            shipping in 0_i64..100_000,
            fixed in 0_i64..1_000,
            share in 0_i64..9_999,
            returns in 0_i64..10_000,
            rate in 1_i64..=10_000,
            target in 0_i64..9_999,
        ) -> Shop {
            Shop {
                order_value: exact(cents, 100),
                units: exact(1, 1),
                goods: exact(goods, 100),
                shipping: exact(shipping, 100),
                fees: Cost { fixed: exact(fixed, 100), share: exact(share, 10_000) },
                returns: exact(returns, 10_000),
                conversion_rate: exact(rate, 10_000),
                target_profit: exact(target, 10_000),
            }
        }
    }

    proptest! {
        #[test]
        fn the_parts_of_an_order_add_up_to_its_value(shop in any_shop()) {
            let costs = &shop.goods + &shop.shipping + shop.fees_amount() + shop.refunds();
            let parts = costs + shop.margin();
            prop_assert_eq!(parts, shop.order_value);
        }

        #[test]
        fn paying_exactly_the_limit_leaves_exactly_the_target(shop in any_shop()) {
            if let Some(limits) = shop.limits(&shop.target_profit) {
                prop_assert_eq!(shop.margin() - &limits.cpa, &shop.target_profit * &shop.order_value);
                prop_assert_eq!(&limits.roas * &limits.cpa, shop.order_value.clone());
                prop_assert_eq!(limits.bid / &shop.conversion_rate, limits.cpa);
            }
        }

        #[test]
        fn a_month_at_the_break_even_cpa_earns_nothing(shop in any_shop(), orders in 1_i64..1_000_000) {
            if let Some(limits) = shop.break_even() {
                let orders = exact(orders, 1);
                let ad_spend = &limits.cpa * &orders;
                let figures = told([(Subject::Orders, orders), (Subject::AdSpend, ad_spend)]);
                let month = Month::of(&shop, &figures).unwrap();
                prop_assert!(month.profit.is_zero());
                prop_assert_eq!(month.roas, limits.roas);
            }
        }

        #[test]
        fn dearer_goods_never_raise_a_limit_and_a_better_rate_never_lowers_the_bid(shop in any_shop()) {
            prop_assert!(shop.with(Change::Goods(exact(11, 10))).margin() <= shop.margin());
            let better = shop.with(Change::ConversionRate(exact(6, 5)));
            if let (Some(now), Some(then)) = (shop.break_even(), better.break_even()) {
                prop_assert!(then.bid >= now.bid);
                prop_assert_eq!(then.cpa, now.cpa);
            }
        }
    }
}
