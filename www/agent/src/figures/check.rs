//! What a figure may be, and what to say when it is not.

use std::fmt;

use num_traits::{Signed, Zero};

use super::label::{Component, Measure, Subject};
use super::number::{Flaw, Number, Unit};
use super::pairing::{Pair, Period};
use super::{Cost, Figures};
use crate::money::{Currency, Exact, exact};

/// Largest amount of money about one order.
const ORDER_MAX_AMOUNT: i64 = 1_000_000;
const COUNT_MAX: i64 = 10_000;
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

impl Refusal {
    /// Whether it keeps back the other figures of the same text too.
    pub(crate) fn is_about_all(&self) -> bool {
        matches!(self.reason, Reason::MixedCurrencies(..))
    }
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
    let first = pair.numbers.first();
    match (pair.subject, first) {
        (Subject::Unused, _) => {}
        (Subject::Cost(component), _) => {
            let cost = cost(pair).map_err(refuse)?;
            if component == Component::Goods && !cost.fixed.is_zero() && !cost.share.is_zero() {
                return Err(refuse(Reason::Unreadable));
            }
            figures.costs.insert(component, cost);
        }
        (Subject::CpmEffect, Some(number)) => {
            let (low, high) = share_range(number).map_err(refuse)?;
            figures.singles.insert(Subject::CpmEffect, low);
            figures.cpm_effect_high = high;
        }
        (subject, Some(number)) => {
            let (subject, value) = single(subject, number, pair.period).map_err(refuse)?;
            figures.singles.insert(subject, value);
        }
        // "no returns".
        (subject, None) => {
            figures.singles.insert(subject, Exact::zero());
        }
    }
    Ok(())
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
    total.share = below_all(total.share)?;
    at_most(total.fixed.clone(), ORDER_MAX_AMOUNT)?;
    Ok(total)
}

fn single(
    subject: Subject,
    number: &Number,
    period: Option<Period>,
) -> Result<(Subject, Exact), Reason> {
    sound(number)?;
    let positive = |value: Exact| if value.is_positive() { Ok(value) } else { Err(Reason::Zero) };
    let value = match subject.measure() {
        // "2.5% of visitors buy".
        Measure::MonthlyCount if number.unit == Unit::Percent => {
            return Ok((Subject::ConversionRate, positive(share(number)?)?));
        }
        Measure::MonthlyCount | Measure::MonthlyAmount => {
            at_most(positive(monthly(large(number), period))?, MONTH_MAX)?
        }
        Measure::Count => match large(number) {
            whole if whole.is_integer() => at_most(positive(whole)?, COUNT_MAX)?,
            _ => return Err(Reason::Unreadable),
        },
        Measure::Share => positive(share(number)?)?,
        Measure::PartialShare => below_all(share(number)?)?,
        Measure::Amount | Measure::Cost | Measure::Nothing => {
            let limit =
                if subject == Subject::ClickCost { CLICK_MAX_AMOUNT } else { ORDER_MAX_AMOUNT };
            at_most(positive(amount(number))?, limit)?
        }
    };
    Ok((subject, value))
}

/// One share, or the two ends of a range of them.
fn share_range(number: &Number) -> Result<(Exact, Option<Exact>), Reason> {
    let Some(high) = &number.high else {
        sound(number)?;
        return Ok((below_all(share(number)?)?, None));
    };
    let end = |value: &Exact| Number { value: value.clone(), ..number.clone() };
    let low = below_all(share(number)?)?;
    let high = below_all(share(&end(high))?)?;
    if number.negative || high < low { Err(Reason::Range) } else { Ok((low, Some(high))) }
}

fn below_all(share: Exact) -> Result<Exact, Reason> {
    if share >= exact(1, 1) { Err(Reason::Everything) } else { Ok(share) }
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

/// An ad spend of `1.200` is never one and a fifth, and neither are orders.
fn large(number: &Number) -> Exact {
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
