//! The figures of a shop, as far as its owner has told them.

mod check;
mod label;
mod lexer;
mod number;
mod pairing;
mod phrases;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use num_traits::Zero;

pub(crate) use label::{Component, Measure, Subject};
pub(crate) use reading::{Reading, mixed, read};

use crate::money::{Currency, Exact};

/// What an order costs: a fixed amount, a share of what it sells for, or both.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) fixed: Exact,
    pub(crate) share: Exact,
}

impl Cost {
    pub(crate) fn none() -> Self {
        Self { fixed: Exact::zero(), share: Exact::zero() }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.fixed += &other.fixed;
        self.share += &other.share;
    }
}

/// Figures that were given. Those over time are per month.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) singles: BTreeMap<Subject, Exact>,
    pub(crate) costs: BTreeMap<Component, Cost>,
    /// The upper end of [`Subject::CpmEffect`], when it was told as a range.
    pub(crate) cpm_effect_high: Option<Exact>,
    pub(crate) currency: Option<Currency>,
}

impl Figures {
    /// Takes over everything `later` says; what it is silent about stays.
    pub(crate) fn merge(&mut self, later: Self) {
        // "fees 4%" is about all fees, so it also replaces the payment and platform fees from before.
        if later.costs.contains_key(&Component::Fees) {
            self.costs.retain(|component, _| component.subject() != Subject::Cost(Component::Fees));
        }
        // Orders or visits that changed say more about the conversion rate than one told before.
        let tells = |subject| later.singles.contains_key(&subject);
        if !tells(Subject::ConversionRate) && tells(Subject::Visits) && tells(Subject::Orders) {
            self.singles.remove(&Subject::ConversionRate);
        }
        if tells(Subject::CpmEffect) {
            self.cpm_effect_high = later.cpm_effect_high;
        }
        self.singles.extend(later.singles);
        self.costs.extend(later.costs);
        self.currency = later.currency.or(self.currency);
    }

    pub(crate) fn single(&self, subject: Subject) -> Option<&Exact> {
        self.singles.get(&subject)
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self { currency: self.currency, ..Self::default() }
    }

    /// All costs of one of the three groups: [`Component::Goods`], [`Component::Shipping`] or
    /// [`Component::Fees`]. `None` when nothing was said about it.
    pub(crate) fn cost(&self, group: Component) -> Option<Cost> {
        let mut parts =
            self.costs.iter().filter(|(part, _)| part.subject() == Subject::Cost(group)).peekable();
        parts.peek()?;
        let mut total = Cost::none();
        for (_, part) in parts {
            total.add(part);
        }
        Some(total)
    }

    /// The rate that was given, else orders divided by visits.
    pub(crate) fn conversion_rate(&self) -> Option<Exact> {
        let derived = || {
            let rate = self.single(Subject::Orders)? / self.single(Subject::Visits)?;
            (rate <= Exact::from_integer(1.into())).then_some(rate)
        };
        self.single(Subject::ConversionRate).cloned().or_else(derived)
    }

    /// What a worked answer still needs, in the order it is asked for.
    pub(crate) fn missing(&self) -> Vec<Subject> {
        let groups = [Component::Goods, Component::Shipping, Component::Fees];
        let mut missing = Vec::new();
        if self.single(Subject::Price).or(self.single(Subject::OrderValue)).is_none() {
            missing.push(Subject::Price);
        }
        let absent = |group: &Component| self.cost(*group).is_none();
        missing.extend(groups.into_iter().filter(absent).map(Subject::Cost));
        if self.conversion_rate().is_none() {
            missing.push(Subject::ConversionRate);
        }
        missing
    }
}
