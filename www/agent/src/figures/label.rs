//! What a figure may be about, and finding the words for it.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::lexer::Token;
use super::phrases::PHRASES;

/// What a number may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Price,
    OrderValue,
    Cost(Component),
    Orders,
    Visits,
    ConversionRate,
    AdSpend,
    ClickCost,
    TargetProfit,
    /// Share of orders that come back and are paid back.
    Returns,
    /// What an order costs in ads now.
    Cpa,
    /// The most an order may cost in ads.
    CpaCap,
    /// What a campaign may spend before it is stopped by its budget.
    CampaignBudget,
    /// Price of a thousand impressions now.
    Cpm,
    /// By what share a bid cap is expected to lower the CPM; one figure or a range.
    CpmEffect,
    /// Video editors that are tested.
    Candidates,
    TestFee,
    /// Creatives each candidate delivers.
    Creatives,
    /// Candidates that are kept.
    Winners,
    /// Visits of a listicle.
    PageVisits,
    /// Share of a listicle's visits that click through to the shop.
    ClickThrough,
    /// Share of those clicks that buy.
    PageConversion,
    /// What an affiliate is paid for an order.
    Payout,
    /// What the first place of a listicle is sold for.
    SlotPrice,
    /// A figure no agent here has a use for.
    Unused,
}

/// What a figure measures, which decides how it is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Money per order, click or piece.
    Amount,
    MonthlyAmount,
    MonthlyCount,
    Count,
    /// Above nothing, up to all.
    Share,
    /// From nothing up, below all.
    PartialShare,
    /// A fixed amount, a share of the order value, or both.
    Cost,
    Nothing,
}

/// A part of what an order costs. Parts of one group add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Component {
    Goods,
    Shipping,
    Packaging,
    Fulfilment,
    Fees,
    PaymentFee,
    PlatformFee,
}

impl Component {
    /// The group this part belongs to, as a subject.
    pub(crate) fn subject(self) -> Subject {
        Subject::Cost(match self {
            Self::Goods => Self::Goods,
            Self::Shipping | Self::Packaging | Self::Fulfilment => Self::Shipping,
            Self::Fees | Self::PaymentFee | Self::PlatformFee => Self::Fees,
        })
    }
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::OrderValue => "order value",
            Self::Cost(Component::Goods) => "COGS",
            Self::Cost(Component::Shipping) => "shipping",
            Self::Cost(Component::Packaging) => "packaging",
            Self::Cost(Component::Fulfilment) => "fulfilment",
            Self::Cost(Component::Fees) => "fees",
            Self::Cost(Component::PaymentFee) => "payment fee",
            Self::Cost(Component::PlatformFee) => "platform fee",
            Self::Orders => "orders",
            Self::Visits => "visits",
            Self::ConversionRate => "conversion rate",
            Self::AdSpend => "ad spend",
            Self::ClickCost => "CPC",
            Self::TargetProfit => "target profit",
            Self::Returns => "returns",
            Self::Cpa => "CPA",
            Self::CpaCap => "bid cap",
            Self::CampaignBudget => "campaign budget",
            Self::Cpm => "CPM",
            Self::CpmEffect => "CPM effect",
            Self::Candidates => "candidates",
            Self::TestFee => "test fee",
            Self::Creatives => "creatives each",
            Self::Winners => "winners",
            Self::PageVisits => "listicle visits",
            Self::ClickThrough => "click-through",
            Self::PageConversion => "listicle conversion",
            Self::Payout => "payout",
            Self::SlotPrice => "slot price",
            Self::Unused => "that",
        }
    }

    pub(crate) fn measure(self) -> Measure {
        match self {
            Self::Price
            | Self::OrderValue
            | Self::ClickCost
            | Self::Cpa
            | Self::CpaCap
            | Self::Cpm
            | Self::TestFee
            | Self::Payout => Measure::Amount,
            Self::AdSpend | Self::CampaignBudget | Self::SlotPrice => Measure::MonthlyAmount,
            Self::Orders | Self::Visits | Self::PageVisits => Measure::MonthlyCount,
            Self::Candidates | Self::Creatives | Self::Winners => Measure::Count,
            Self::ConversionRate | Self::ClickThrough | Self::PageConversion => Measure::Share,
            Self::TargetProfit | Self::Returns | Self::CpmEffect => Measure::PartialShare,
            Self::Cost(_) => Measure::Cost,
            Self::Unused => Measure::Nothing,
        }
    }
}

/// How surely a phrase means its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    Firm,
    /// Gives way to a firm phrase beside the same number: "costs 5 to ship".
    Weak,
    /// Only with money, or with "for" or "at" before the number: "we sell mugs for 18".
    Selling,
}

/// A phrase found in the tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Label {
    pub(super) subject: Subject,
    pub(super) strength: Strength,
    /// How many tokens the phrase takes.
    pub(super) length: usize,
}

type Phrase = (&'static str, Subject, Strength);

/// A long text is looked through word by word.
static BY_FIRST_WORD: LazyLock<HashMap<&str, Vec<&Phrase>>> = LazyLock::new(|| {
    let mut phrases: HashMap<&str, Vec<&Phrase>> = HashMap::new();
    for phrase in PHRASES {
        let first = phrase.0.split(' ').next().unwrap_or_default();
        phrases.entry(first).or_default().push(phrase);
    }
    phrases
});

/// The longest phrase that `tokens` begin with.
pub(super) fn label_at(tokens: &[Token]) -> Option<Label> {
    let Some(Token::Word(first)) = tokens.first() else { return None };
    let phrases = BY_FIRST_WORD.get(first.as_str())?;
    let mut found: Option<Label> = None;
    for &&(phrase, subject, strength) in phrases {
        let length = phrase.split(' ').count();
        let longer = found.is_none_or(|found| length > found.length);
        if longer && begins_with(tokens, phrase) {
            found = Some(Label { subject, strength, length });
        }
    }
    let mut found = found?;
    // "shipping costs", "ads cost": the verb belongs to the label before it.
    while let Some(Token::Word(word)) = tokens.get(found.length)
        && matches!(word.as_str(), "cost" | "costs" | "charge" | "charges" | "rate" | "us")
        && label_continues(tokens, found.length)
    {
        found.length += 1;
    }
    Some(found)
}

/// Not where a longer phrase of its own begins, as in "price cost of goods 12".
fn label_continues(tokens: &[Token], at: usize) -> bool {
    let own = ["cost of goods", "cost per", "cost price"];
    tokens.get(at..).is_none_or(|rest| !own.iter().any(|phrase| begins_with(rest, phrase)))
}

fn begins_with(tokens: &[Token], phrase: &str) -> bool {
    let mut tokens = tokens.iter();
    phrase.split(' ').all(|word| matches!(tokens.next(), Some(Token::Word(own)) if own == word))
}
