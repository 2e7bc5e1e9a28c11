//! What every specialist starts from.

use crate::economics::{Limits, Shop};
use crate::figures::{Figures, Subject};
use crate::money::{Exact, Purse, percent};

/// A shop whose figures are complete, and the limits of what an order may cost.
#[derive(Debug)]
pub(super) struct Basis<'a> {
    pub(super) figures: &'a Figures,
    pub(super) shop: Shop,
}

impl<'a> Basis<'a> {
    pub(super) fn of(figures: &'a Figures) -> Option<Self> {
        Some(Self { figures, shop: Shop::of(figures)? })
    }

    pub(super) fn purse(&self) -> Purse {
        Purse { currency: self.figures.currency }
    }

    pub(super) fn told(&self, subject: Subject) -> Option<&Exact> {
        self.figures.single(subject)
    }

    /// What was told, else `stand_in`, which is then named by `say` as an assumption.
    pub(super) fn told_or(
        &self,
        subject: Subject,
        stand_in: Exact,
        assumed: &mut Vec<String>,
        say: impl FnOnce(&Exact) -> String,
    ) -> Exact {
        self.told(subject).cloned().unwrap_or_else(|| {
            assumed.push(say(&stand_in));
            stand_in
        })
    }

    /// The most an order may cost: as told, else what leaves the target profit, else break-even.
    /// `None` when an order loses money before ads.
    pub(super) fn cap(&self) -> Option<Cap> {
        let break_even = self.shop.break_even()?;
        if let Some(told) = self.told(Subject::CpaCap) {
            return Some(Cap { cpa: told.clone(), source: CapSource::Told });
        }
        Some(match self.shop.limits(&self.shop.target_profit) {
            Some(Limits { cpa, .. }) => Cap { cpa, source: CapSource::Target },
            None => Cap { cpa: break_even.cpa, source: CapSource::BreakEven },
        })
    }

    /// What the shop's own figures leave open, said as an assumption.
    pub(super) fn assumed(&self, cap: Option<&Cap>) -> Vec<String> {
        let mut assumed = Vec::new();
        let target = percent(&self.shop.target_profit);
        let uses_target = cap.is_none_or(|cap| cap.source == CapSource::Target);
        if uses_target && self.told(Subject::TargetProfit).is_none() {
            assumed.push(format!("{target} of sales are to stay as profit"));
        }
        if self.told(Subject::Returns).is_none() {
            assumed.push("no order is returned".to_owned());
        } else {
            assumed.push("what comes back cannot be sold again, and its fees stay paid".to_owned());
        }
        assumed
    }
}

/// The most an order may cost in ads.
#[derive(Debug)]
pub(super) struct Cap {
    pub(super) cpa: Exact,
    pub(super) source: CapSource,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CapSource {
    Told,
    Target,
    BreakEven,
}

/// Said by those who have nothing to plan with.
pub(super) const NO_CPA: &str = "An order loses money before a cent goes into ads, so no CPA is low enough and there is \
     nothing to spend. Raise the price or cut the costs first.";
