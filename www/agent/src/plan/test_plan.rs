//! Paid tests of the people who make the ads: ABO to compare creatives, CBO to scale the winners.

use super::basis::{Basis, NO_CPA};
use super::report::{Report, Rows};
use super::specialist::Specialist;
use crate::figures::Subject;
use crate::money::{Exact, exact, trimmed};
use crate::table::table;

/// When they are not told.
const DEFAULT_CANDIDATES: i64 = 10;
const DEFAULT_FEE: i64 = 150;
/// Creatives of one candidate, when none is told.
const DEFAULT_CREATIVES: i64 = 3;
/// One candidate of so many is kept, when the number is not told.
const DEFAULT_KEPT_ONE_OF: i64 = 4;
/// What a creative may spend without an order, in break-even CPAs: one that breaks even would have
/// none by then 1 time in 20 (e^-3 = 5%).
const SILENT_CPAS: i64 = 3;
/// Length of a sprint; a creative spends one break-even CPA a day.
const SPRINT_DAYS: i64 = 3;
/// Orders a week at which ad platforms say an ad set has left its learning phase.
const LEARNING_ORDERS_WEEK: i64 = 50;
/// Each raise of a scaling budget, in percent, and how many fit into two weeks.
const RAISE_PERCENT: i64 = 20;
const RAISES: u32 = 7;
/// What a score of 100 is made of.
const COST_POINTS: i64 = 60;

/// The arithmetic of a test plan.
#[derive(Debug)]
pub(super) struct Sprint {
    pub(super) candidates: Exact,
    pub(super) creatives: Exact,
    pub(super) winners: Exact,
    /// Of one candidate, and of all.
    pub(super) fee: Exact,
    pub(super) fees: Exact,
    /// The most one creative may spend.
    pub(super) creative_budget: Exact,
    /// The most all creatives may spend.
    pub(super) media: Exact,
    pub(super) daily: Exact,
    pub(super) break_even: Exact,
    pub(super) target: Exact,
}

impl Sprint {
    /// `None` when an order loses money before ads. What was not told goes to `assumed`.
    pub(super) fn of(basis: &Basis<'_>, assumed: &mut Vec<String>) -> Option<Self> {
        let break_even = basis.shop.break_even()?.cpa;
        let target = basis.cap()?.cpa;
        let target = if target > break_even { break_even.clone() } else { target };
        let whole = |value: &Exact| trimmed(value, 0);
        let mut told = |subject, stand_in, say: &dyn Fn(&Exact) -> String| {
            basis.told_or(subject, stand_in, assumed, say)
        };
        let candidates = told(Subject::Candidates, exact(DEFAULT_CANDIDATES, 1), &|value| {
            format!("{} candidates", whole(value))
        });
        let fee = told(Subject::TestFee, exact(DEFAULT_FEE, 1), &|value| {
            format!("{} for each test", basis.purse().amount(value))
        });
        let creatives = told(Subject::Creatives, exact(DEFAULT_CREATIVES, 1), &|value| {
            format!("{} creatives from each candidate", whole(value))
        });
        let kept = (&candidates / exact(DEFAULT_KEPT_ONE_OF, 1)).ceil();
        let winners = told(Subject::Winners, kept, &|value| {
            format!("1 candidate of {DEFAULT_KEPT_ONE_OF} is kept, here {}", whole(value))
        });
        let winners = if winners > candidates { candidates.clone() } else { winners };
        let creative_budget = &break_even * exact(SILENT_CPAS, 1);
        let media = &candidates * &creatives * &creative_budget;
        Some(Self {
            fees: &candidates * &fee,
            fee,
            daily: &media / exact(SPRINT_DAYS, 1),
            candidates,
            creatives,
            winners,
            creative_budget,
            media,
            break_even,
            target,
        })
    }

    pub(super) fn total(&self) -> Exact {
        &self.fees + &self.media
    }

    /// Daily CBO budget that brings the learning phase's orders at the target CPA.
    pub(super) fn scaling_daily(&self) -> Exact {
        &self.target * exact(LEARNING_ORDERS_WEEK, 7)
    }

    /// The daily budget after two weeks in which every raise held.
    pub(super) fn raised_daily(&self) -> Exact {
        let raise = exact(100 + RAISE_PERCENT, 100);
        (0..RAISES).fold(self.scaling_daily(), |daily, _| daily * &raise)
    }

    /// Points for a cost per order: all at the target, none at break-even, in proportion between.
    pub(super) fn cost_points(&self, cpa: &Exact) -> Exact {
        let none = exact(0, 1);
        let all = exact(COST_POINTS, 1);
        if *cpa <= self.target {
            return all;
        }
        if *cpa >= self.break_even {
            return none;
        }
        all * (&self.break_even - cpa) / (&self.break_even - &self.target)
    }
}

pub(super) fn report(basis: &Basis<'_>) -> Report {
    let mut rows = Rows::new(basis.figures.currency);
    let cap = basis.cap();
    let mut assumed = basis.assumed(cap.as_ref());
    let text = match Sprint::of(basis, &mut assumed) {
        Some(sprint) => {
            assumed.push(format!("a sprint of {SPRINT_DAYS} days"));
            assumed.push(format!(
                "{LEARNING_ORDERS_WEEK} orders a week end the learning phase of an ad set"
            ));
            words(&sprint, &mut rows)
        }
        None => NO_CPA.to_owned(),
    };
    Report { agent: Specialist::TestPlan.name(), text, rows: rows.into_rows(), assumed }
}

fn words(sprint: &Sprint, rows: &mut Rows) -> String {
    [sprint_words(sprint, rows), scoring(sprint, rows), scaling(sprint, rows)].join("\n\n")
}

fn sprint_words(sprint: &Sprint, rows: &mut Rows) -> String {
    let candidates = rows.count("candidates", "Candidates", &sprint.candidates);
    let creatives = rows.count("creatives", "Creatives each", &sprint.creatives);
    let ads =
        rows.count("test_ads", "Creatives in the test", &(&sprint.candidates * &sprint.creatives));
    let fee = rows.amount("test_fee", "Test fee", &sprint.fee);
    let fees = rows.total("test_fees", "Test fees", &sprint.fees);
    let each =
        rows.ceiling("creative_budget", "Most a creative may spend", &sprint.creative_budget);
    let media = rows.total("test_media", "Most the test ads spend", &sprint.media);
    let daily = rows.total("abo_daily", "ABO budget a day", &sprint.daily);
    let total = rows.total("test_total", "Most the sprint costs", &sprint.total());
    let break_even = rows.ceiling("break_even_cpa", "Break-even CPA", &sprint.break_even);
    let target = rows.ceiling("target_cpa", "Target CPA", &sprint.target);
    format!(
        "Test sprint: {candidates} video editors, {creatives} creatives each, {ads} ads. Fees: {candidates} x {fee} = \
         {fees}.\n\n\
         ABO, one ad set with a budget of its own for each creative, so that none starves another:\n\
         - {break_even} a day for each, {daily} a day for all, {SPRINT_DAYS} days.\n\
         - Off at {each} without an order ({SILENT_CPAS} x break-even): one that breaks even would get there \
         1 time in 20.\n\
         - Off when orders cost more than {break_even} each; on to scaling at {target} or less.\n\
         - Most the ads can spend: {ads} x {each} = {media}. With the fees: {total}."
    )
}

fn scoring(sprint: &Sprint, rows: &mut Rows) -> String {
    let middle = (&sprint.target + &sprint.break_even) / exact(2, 1);
    let points = |cpa: &Exact| trimmed(&sprint.cost_points(cpa), 0);
    let target = rows.ceiling("score_full_cpa", "CPA that scores all points", &sprint.target);
    let half = rows.amount("score_half_cpa", "CPA half way", &middle);
    let none = rows.ceiling("score_none_cpa", "CPA that scores none", &sprint.break_even);
    let lines = [
        ["Score", "Points"].map(str::to_owned),
        [format!("Cost per order {target}"), points(&sprint.target)],
        [format!("Cost per order {half}"), points(&middle)],
        [format!("Cost per order {none}"), points(&sprint.break_even)],
        ["First three seconds hold".to_owned(), "15".to_owned()],
        ["Kept to the brief".to_owned(), "15".to_owned()],
        ["On time".to_owned(), "10".to_owned()],
    ];
    let winners = rows.count("winners", "Candidates kept", &sprint.winners);
    format!(
        "Scoring, 100 points, cost per order first:\n\n{}\n\nThe best {winners} are kept.",
        table(&lines)
    )
}

fn scaling(sprint: &Sprint, rows: &mut Rows) -> String {
    let daily = rows.total("cbo_daily", "CBO budget a day at the start", &sprint.scaling_daily());
    let raised =
        rows.total("cbo_daily_raised", "CBO budget a day after two weeks", &sprint.raised_daily());
    let target = rows.ceiling("raise_cpa", "CPA up to which the budget is raised", &sprint.target);
    let break_even = rows.ceiling("cut_cpa", "CPA above which it is cut", &sprint.break_even);
    format!(
        "CBO, one campaign budget for all winning creatives, so that money goes where orders are cheapest:\n\
         - Start with {daily} a day: {LEARNING_ORDERS_WEEK} orders a week at {target}.\n\
         - Raise by {RAISE_PERCENT}% every 2 days while orders cost {target} or less: {raised} a day after {RAISES} \
         raises.\n\
         - Cut by {RAISE_PERCENT}% above {break_even}; off after 7 days above it."
    )
}
