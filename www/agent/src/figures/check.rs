//! What a figure may be, and what to say when it is not.

use std::fmt;

use num_traits::{Signed, Zero};

use super::label::{Component, Subject};
use super::number::{Flaw, Number, Unit};
use super::pairing::{Pair, Period};
use super::{Cost, Figures};
use crate::money::{Currency, Exact, exact};

/// Largest amount of money about one order.
const ORDER_MAX_AMOUNT: i64 = 1_000_000;
const CLICK_MAX_AMOUNT: i64 = 10_000;
/// Largest number of orders or visits, and largest ad spend, a month.
const MONTH_MAX: i64 = 10_000_000_000;
/// A conversion rate up to this, written without a percent sign, is read as a share: 0.025 is 2.5%.
const BARE_SHARE_MAX_PERCENT: i64 = 20;

/// A figure that was named but cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) subject: Subject,
    /// The number as the user wrote it.
    pub(crate) written: String,
    pub(crate) reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Range,
    Unreadable,
    Negative,
    Zero,
    TooLarge,
    /// A share of 100% or more.
    Everything,
    /// Told per day, week, month or year, where an amount per order is needed.
    PerPeriod,
    MixedCurrencies(Currency, Currency),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, written) = (self.subject.name(), &self.written);
        match self.reason {
            Reason::Range => {
                write!(
                    f,
                    "{name} {written} is a range. Give me one figure; you can send the other end next."
                )
            }
            Reason::Unreadable => {
                write!(
                    f,
                    "{name} {written}: I cannot tell how that number is meant. Write it like 1,200.50."
                )
            }
            Reason::Negative => {
                write!(f, "{name} {written} is below zero. Write costs and prices without a minus.")
            }
            Reason::Zero if matches!(self.subject, Subject::AdSpend | Subject::ClickCost) => {
                write!(f, "{name} of 0: leave it out if you do not advertise yet.")
            }
            Reason::Zero if matches!(self.subject, Subject::Orders | Subject::Visits) => {
                write!(f, "{name} of 0: leave it out until there are some.")
            }
            Reason::Zero => {
                write!(f, "{name} of 0 leaves nothing to work out. Give me a figure above zero.")
            }
            Reason::TooLarge => {
                write!(
                    f,
                    "{name} {written} is more than I can believe. Check the digits and send it again."
                )
            }
            Reason::Everything => {
                write!(
                    f,
                    "{name} {written}: a share has to stay below 100%. Check it and send it again."
                )
            }
            Reason::PerPeriod => write!(
                f,
                "{name} {written} is per period. I need it per order: divide it by the orders of that period."
            ),
            Reason::MixedCurrencies(one, other) => write!(
                f,
                "I see both {} and {}. Convert everything to one currency and send it again.",
                one.sign().trim(),
                other.sign().trim()
            ),
        }
    }
}

/// Puts what a pair says into `figures`.
pub(super) fn admit(pair: &Pair<'_>, figures: &mut Figures) -> Result<(), Refusal> {
    let written =
        || pair.numbers.iter().map(|n| n.written.as_str()).collect::<Vec<_>>().join(" + ");
    let refuse = |reason| Refusal { subject: pair.subject, written: written(), reason };
    match pair.subject {
        Subject::Unused => return Ok(()),
        Subject::Cost(component) => {
            let cost = cost(pair).map_err(refuse)?;
            if component == Component::Goods && !cost.fixed.is_zero() && !cost.share.is_zero() {
                return Err(refuse(Reason::Unreadable));
            }
            figures.costs.insert(component, cost);
        }
        Subject::Price
        | Subject::OrderValue
        | Subject::Orders
        | Subject::Visits
        | Subject::ConversionRate
        | Subject::AdSpend
        | Subject::ClickCost
        | Subject::TargetProfit => {
            let Some(number) = pair.numbers.first() else { return Ok(()) };
            let (subject, value) = single(pair.subject, number, pair.period).map_err(refuse)?;
            if let Some(slot) = figures.slot(subject) {
                *slot = Some(value);
            }
        }
    }
    Ok(())
}

impl Figures {
    fn slot(&mut self, subject: Subject) -> Option<&mut Option<Exact>> {
        Some(match subject {
            Subject::Price => &mut self.price,
            Subject::OrderValue => &mut self.order_value,
            Subject::Orders => &mut self.orders,
            Subject::Visits => &mut self.visits,
            Subject::ConversionRate => &mut self.conversion_rate,
            Subject::AdSpend => &mut self.ad_spend,
            Subject::ClickCost => &mut self.click_cost,
            Subject::TargetProfit => &mut self.target_profit,
            Subject::Cost(_) | Subject::Unused => return None,
        })
    }
}

fn cost(pair: &Pair<'_>) -> Result<Cost, Reason> {
    let mut total = Cost::none();
    for number in &pair.numbers {
        sound(number)?;
        if number.unit == Unit::Percent {
            total.share += &number.value;
        } else {
            total.fixed += amount(number);
        }
    }
    if !total.fixed.is_zero() && pair.period.is_some() {
        return Err(Reason::PerPeriod);
    }
    if total.share >= exact(1, 1) {
        return Err(Reason::Everything);
    }
    at_most(total.fixed.clone(), ORDER_MAX_AMOUNT)?;
    Ok(total)
}

fn single(
    subject: Subject,
    number: &Number,
    period: Option<Period>,
) -> Result<(Subject, Exact), Reason> {
    sound(number)?;
    let percent = number.unit == Unit::Percent;
    let positive = |value: Exact| if value.is_positive() { Ok(value) } else { Err(Reason::Zero) };
    Ok(match subject {
        // "2.5% of visitors buy".
        Subject::Visits if percent => (Subject::ConversionRate, positive(share(number)?)?),
        Subject::Orders | Subject::Visits => {
            let count = number.as_thousands.clone().unwrap_or_else(|| number.value.clone());
            (subject, at_most(positive(monthly(count, period))?, MONTH_MAX)?)
        }
        Subject::AdSpend => {
            (subject, at_most(positive(monthly(large_amount(number), period))?, MONTH_MAX)?)
        }
        Subject::ConversionRate => (subject, positive(share(number)?)?),
        Subject::TargetProfit => match share(number)? {
            all if all >= exact(1, 1) => return Err(Reason::Everything),
            share => (subject, share),
        },
        Subject::ClickCost => (subject, at_most(positive(amount(number))?, CLICK_MAX_AMOUNT)?),
        Subject::Price | Subject::OrderValue | Subject::Cost(_) | Subject::Unused => {
            (subject, at_most(positive(amount(number))?, ORDER_MAX_AMOUNT)?)
        }
    })
}

fn sound(number: &Number) -> Result<(), Reason> {
    match number.flaw {
        Some(Flaw::Range) => Err(Reason::Range),
        Some(Flaw::Unreadable) => Err(Reason::Unreadable),
        Some(Flaw::TooLong) => Err(Reason::TooLarge),
        None if number.negative => Err(Reason::Negative),
        None => Ok(()),
    }
}

fn at_most(value: Exact, limit: i64) -> Result<Exact, Reason> {
    if value > exact(limit, 1) { Err(Reason::TooLarge) } else { Ok(value) }
}

/// `1.200 €` is twelve hundred, `$1.200` is one dollar twenty.
fn amount(number: &Number) -> Exact {
    match (&number.as_thousands, number.unit) {
        (Some(thousands), Unit::Money(Currency::Euro)) => thousands.clone(),
        _ => number.value.clone(),
    }
}

/// An ad spend of `1.200` is never one and a fifth.
fn large_amount(number: &Number) -> Exact {
    number.as_thousands.clone().unwrap_or_else(|| number.value.clone())
}

fn share(number: &Number) -> Result<Exact, Reason> {
    let share = match number.unit {
        Unit::Percent => number.value.clone(),
        Unit::Plain if number.value <= exact(BARE_SHARE_MAX_PERCENT, 100) => number.value.clone(),
        Unit::Plain | Unit::Money(_) => &number.value / exact(100, 1),
    };
    if share > exact(1, 1) { Err(Reason::Everything) } else { Ok(share) }
}

/// A month has 30 days; a year has 12 months and 52 weeks.
fn monthly(value: Exact, period: Option<Period>) -> Exact {
    value
        * match period {
            Some(Period::Day) => exact(30, 1),
            Some(Period::Week) => exact(52, 12),
            Some(Period::Month) | None => exact(1, 1),
            Some(Period::Quarter) => exact(1, 3),
            Some(Period::Year) => exact(1, 12),
        }
}
