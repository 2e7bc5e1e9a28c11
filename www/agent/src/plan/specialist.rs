//! The four specialists.

use super::basis::Basis;
use super::report::Report;
use super::{bid_cap, seo_listicle, test_plan, unit_economics};
use crate::answer::ask::wanted;
use crate::figures::{Figures, Measure, Subject};

/// One of the agents that work on a growth plan at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specialist {
    /// What an order leaves, and what may be paid to win it.
    UnitEconomics,
    /// Which bid cap to set, and what it spends.
    BidCap,
    /// How to test the people who make the ads, and how to scale what works.
    TestPlan,
    /// What a page of recommendations earns, and when to keep its first place.
    SeoListicle,
}

/// A figure that a specialist cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need(Subject);

impl Need {
    /// The words by which the figure is read again, such as `listicle visits`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What to send.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "any other figure is asked for by its name")]
    pub fn label(self) -> &'static str {
        match self.0 {
            Subject::AdSpend => "ad spend a month now",
            Subject::Cpa => "CPA now: what an order costs in ads",
            other => wanted(other),
        }
    }

    /// `money`, `percent` or `count`.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self.0.measure() {
            Measure::Amount | Measure::MonthlyAmount | Measure::Cost => "money",
            Measure::Share | Measure::PartialShare => "percent",
            Measure::MonthlyCount | Measure::Count | Measure::Nothing => "count",
        }
    }
}

impl Specialist {
    /// All of them, in the order of the plan.
    pub const ALL: [Self; 4] =
        [Self::UnitEconomics, Self::BidCap, Self::TestPlan, Self::SeoListicle];

    /// The agent's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnitEconomics => "unit-economics",
            Self::BidCap => "bid-cap",
            Self::TestPlan => "test-plan",
            Self::SeoListicle => "seo-listicle",
        }
    }

    /// The specialist of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|specialist| specialist.name() == name)
    }

    /// What it is asked to do.
    #[must_use]
    pub fn task(self) -> &'static str {
        match self {
            Self::UnitEconomics => "Work out what an order leaves and what it may cost in ads.",
            Self::BidCap => "Work out the bid cap, walk it down, and say what each step spends.",
            Self::TestPlan => "Plan the paid tests of video editors, and the scaling of winners.",
            Self::SeoListicle => "Work out what the listicle earns and when to keep its #1 slot.",
        }
    }

    /// The report, or what has to be told first.
    pub(crate) fn work(self, figures: &Figures) -> Result<Report, Vec<Need>> {
        let needs: Vec<Need> =
            figures.missing().into_iter().chain(self.also_needs(figures)).map(Need).collect();
        let basis = Basis::of(figures).filter(|_| needs.is_empty()).ok_or(needs)?;
        Ok(match self {
            Self::UnitEconomics => unit_economics::report(&basis),
            Self::BidCap => bid_cap::report(&basis),
            Self::TestPlan => test_plan::report(&basis),
            Self::SeoListicle => seo_listicle::report(&basis),
        })
    }

    fn also_needs(self, figures: &Figures) -> impl Iterator<Item = Subject> {
        let subjects: &[Subject] = match self {
            Self::BidCap if figures.single(Subject::Orders).is_some() => &[Subject::AdSpend],
            Self::BidCap => &[Subject::AdSpend, Subject::Cpa],
            Self::UnitEconomics | Self::TestPlan | Self::SeoListicle => &[],
        };
        subjects.iter().copied().filter(|subject| figures.single(*subject).is_none())
    }
}
