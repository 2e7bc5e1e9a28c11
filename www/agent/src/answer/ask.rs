//! Asking: for what is missing, for a correction, for anything at all.

use crate::figures::{Component, Cost, Figures, Measure, Reading, Subject};
use crate::money::{Currency, Exact, Rounding, money, percent, trimmed};

const EXAMPLE: &str = "Price $49.90, COGS $12, shipping $5.50, fees 2.9% + $0.30, conversion rate 2.5%, 1.2k \
                       orders and $30k ad spend a month";

/// For who has told no figures yet.
pub(super) fn introduction(after_reset: bool, reading: &Reading) -> String {
    let mut text = String::from(if after_reset {
        "Done, I have forgotten the earlier figures."
    } else {
        "Hello. I work out the unit economics of an online shop: what an order leaves, and what you can \
         afford to pay for it."
    });
    text.push_str(
        "\n\nSend me price, COGS, shipping, fees and conversion rate in your own words; orders and ad spend \
         too if you have them. You get the contribution margin, break-even CPA and ROAS, a maximum bid and a \
         sensitivity table.\n\nFor example, paste this:\n\n",
    );
    text.push_str(EXAMPLE);
    text.push_str(&unplaced(reading));
    text
}

/// Names what was understood and what is still needed.
pub(super) fn missing(known: &Figures, reading: &Reading) -> String {
    format!("{}{}{}", understood(known), needed(known), unplaced(reading))
}

/// Says which figures of the last message cannot be used, and what to send instead.
pub(super) fn correction(known: &Figures, reading: &Reading) -> String {
    let mut text = String::from("I cannot use this yet:\n");
    for refusal in &reading.refusals {
        text.push_str(&format!("\n- {}", capitalised(&refusal.to_string())));
    }
    if !known.is_empty() {
        text.push_str("\n\n");
        text.push_str(&understood(known));
    }
    text.push_str(&unplaced(reading));
    text
}

/// For a message without figures when everything is known.
pub(super) fn what_next(known: &Figures, reading: &Reading) -> String {
    format!(
        "{}\n\nThat is all I need. Change any figure, such as \"conversion rate 3%\", and I work it out anew; \
         say \"again\" for the last answer, or \"start over\" for another product.{}",
        understood(known),
        unplaced(reading)
    )
}

/// Numbers that found no use, so that nobody believes they were counted.
pub(super) fn unplaced(reading: &Reading) -> String {
    const NAMED_MAX: usize = 5;
    let named: Vec<&str> = reading.unplaced.iter().take(NAMED_MAX).map(String::as_str).collect();
    if named.is_empty() {
        return String::new();
    }
    let more = if reading.unplaced.len() > NAMED_MAX { " and others" } else { "" };
    format!("\n\nNot used, because I could not tell what it is for: {}{more}.", named.join(", "))
}

fn understood(known: &Figures) -> String {
    let told = told(known);
    if told.is_empty() { String::new() } else { format!("So far I have {}.", told.join(", ")) }
}

fn needed(known: &Figures) -> String {
    let mut text = String::from("\n\nStill needed:\n");
    for subject in known.missing() {
        text.push_str("\n- ");
        text.push_str(wanted(subject));
    }
    text
}

/// What to send for a figure that is missing.
#[expect(clippy::wildcard_enum_match_arm, reason = "any other figure is asked for by its name")]
pub(crate) fn wanted(subject: Subject) -> &'static str {
    match subject {
        Subject::Price | Subject::OrderValue => "price, or average order value",
        Subject::Cost(Component::Goods) => {
            "COGS: what the goods cost you, per unit or as a share of the price"
        }
        Subject::Cost(Component::Shipping) => {
            "shipping per order, or \"no shipping\" if you pay none"
        }
        Subject::Cost(_) => "fees per order, such as 2.9% + 0.30, or \"no fees\"",
        Subject::ConversionRate => "conversion rate: how many of 100 visitors buy, such as 2.5%",
        other => other.name(),
    }
}

/// Every known figure with its name.
pub(crate) fn told(known: &Figures) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |subject: Subject| {
        let value = said(known, subject);
        told.extend(value.map(|value| format!("{} {value}", subject.name())));
    };
    tell(Subject::Price);
    tell(Subject::OrderValue);
    for component in known.costs.keys() {
        tell(Subject::Cost(*component));
    }
    for subject in OTHERS {
        tell(subject);
    }
    told
}

/// In the order they are named, behind price and costs.
const OTHERS: [Subject; 21] = [
    Subject::Returns,
    Subject::ConversionRate,
    Subject::Orders,
    Subject::AdSpend,
    Subject::Visits,
    Subject::ClickCost,
    Subject::TargetProfit,
    Subject::Cpa,
    Subject::CpaCap,
    Subject::CampaignBudget,
    Subject::Cpm,
    Subject::CpmEffect,
    Subject::Candidates,
    Subject::TestFee,
    Subject::Creatives,
    Subject::Winners,
    Subject::PageVisits,
    Subject::ClickThrough,
    Subject::PageConversion,
    Subject::Payout,
    Subject::SlotPrice,
];

/// One figure as it is written, if it is known.
pub(crate) fn said(known: &Figures, subject: Subject) -> Option<String> {
    if let Subject::Cost(component) = subject {
        return Some(cost(known.costs.get(&component)?, known.currency));
    }
    let derived = (subject == Subject::ConversionRate).then(|| known.conversion_rate()).flatten();
    let value = derived.as_ref().or(known.single(subject))?;
    let amount = || money(value, known.currency, Rounding::Nearest);
    Some(match subject.measure() {
        Measure::Amount => amount(),
        Measure::MonthlyAmount => format!("{} a month", amount()),
        Measure::MonthlyCount => format!("{} a month", trimmed(value, 1)),
        Measure::Count => trimmed(value, 0),
        Measure::Share | Measure::PartialShare => {
            let high = known.cpm_effect_high.as_ref().filter(|_| subject == Subject::CpmEffect);
            high.map_or_else(|| percent(value), |high| range(value, high))
        }
        Measure::Cost | Measure::Nothing => return None,
    })
}

/// `40-50%`.
pub(crate) fn range(low: &Exact, high: &Exact) -> String {
    format!("{}-{}", percent(low).trim_end_matches('%'), percent(high))
}

/// `2.9% + $0.30`.
pub(super) fn cost(cost: &Cost, currency: Option<Currency>) -> String {
    use num_traits::Zero;
    let fixed = money(&cost.fixed, currency, Rounding::Nearest);
    match (cost.share.is_zero(), cost.fixed.is_zero()) {
        (true, _) => fixed,
        (false, true) => percent(&cost.share),
        (false, false) => format!("{} + {fixed}", percent(&cost.share)),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
