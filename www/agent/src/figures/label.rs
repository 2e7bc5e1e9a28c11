//! The words shop owners use for their figures.

use super::lexer::Token;

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
    /// A figure this analyst works out itself or has no use for.
    Unused,
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
            Self::Unused => "that",
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

/// The longest phrase that `tokens` begin with.
pub(super) fn label_at(tokens: &[Token]) -> Option<Label> {
    let Some(Token::Word(first)) = tokens.first() else { return None };
    let phrases = PHRASES.iter().filter(|(phrase, ..)| phrase.starts_with(first.as_str()));
    let mut found: Option<Label> = None;
    for &(phrase, subject, strength) in phrases {
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

use Component::{Fees, Fulfilment, Goods, Packaging, PaymentFee, PlatformFee, Shipping};
use Strength::{Firm, Selling, Weak};
use Subject::{
    AdSpend, ClickCost, ConversionRate, Cost, OrderValue, Orders, Price, TargetProfit, Unused,
    Visits,
};

const PHRASES: &[(&str, Subject, Strength)] = &[
    ("price", Price, Firm),
    ("prices", Price, Firm),
    ("price point", Price, Firm),
    ("priced", Price, Firm),
    ("unit price", Price, Firm),
    ("selling price", Price, Firm),
    ("sale price", Price, Firm),
    ("sales price", Price, Firm),
    ("retail price", Price, Firm),
    ("list price", Price, Firm),
    ("retails", Price, Firm),
    ("msrp", Price, Firm),
    ("rrp", Price, Firm),
    ("sell", Price, Selling),
    ("sells", Price, Selling),
    ("selling", Price, Selling),
    ("sold", Price, Selling),
    ("charge", Price, Selling),
    ("aov", OrderValue, Firm),
    ("average order value", OrderValue, Firm),
    ("avg order value", OrderValue, Firm),
    ("order value", OrderValue, Firm),
    ("average order", OrderValue, Firm),
    ("avg order", OrderValue, Firm),
    ("order size", OrderValue, Firm),
    ("average basket", OrderValue, Firm),
    ("basket", OrderValue, Firm),
    ("basket size", OrderValue, Firm),
    ("basket value", OrderValue, Firm),
    ("cart value", OrderValue, Firm),
    ("average cart", OrderValue, Firm),
    ("cogs", Cost(Goods), Firm),
    ("cost of goods", Cost(Goods), Firm),
    ("cost of goods sold", Cost(Goods), Firm),
    ("cost price", Cost(Goods), Firm),
    ("cost per unit", Cost(Goods), Firm),
    ("cost per item", Cost(Goods), Firm),
    ("goods", Cost(Goods), Firm),
    ("unit cost", Cost(Goods), Firm),
    ("unit costs", Cost(Goods), Firm),
    ("product cost", Cost(Goods), Firm),
    ("product costs", Cost(Goods), Firm),
    ("landed cost", Cost(Goods), Firm),
    ("landed", Cost(Goods), Firm),
    ("production cost", Cost(Goods), Firm),
    ("production", Cost(Goods), Firm),
    ("manufacturing", Cost(Goods), Firm),
    ("to make", Cost(Goods), Firm),
    ("to produce", Cost(Goods), Firm),
    ("to buy", Cost(Goods), Firm),
    ("cost", Cost(Goods), Weak),
    ("costs", Cost(Goods), Weak),
    ("costs us", Cost(Goods), Weak),
    ("costs me", Cost(Goods), Weak),
    ("shipping", Cost(Shipping), Firm),
    ("shipping fee", Cost(Shipping), Firm),
    ("shipping fees", Cost(Shipping), Firm),
    ("shipping and handling", Cost(Shipping), Firm),
    ("to ship", Cost(Shipping), Firm),
    ("ship", Cost(Shipping), Weak),
    ("shipment", Cost(Shipping), Firm),
    ("delivery", Cost(Shipping), Firm),
    ("delivery fee", Cost(Shipping), Firm),
    ("postage", Cost(Shipping), Firm),
    ("freight", Cost(Shipping), Firm),
    ("packaging", Cost(Packaging), Firm),
    ("packing", Cost(Packaging), Firm),
    ("fulfilment", Cost(Fulfilment), Firm),
    ("fulfillment", Cost(Fulfilment), Firm),
    ("fulfilment fee", Cost(Fulfilment), Firm),
    ("fulfillment fee", Cost(Fulfilment), Firm),
    ("fulfilment fees", Cost(Fulfilment), Firm),
    ("fulfillment fees", Cost(Fulfilment), Firm),
    ("pick and pack", Cost(Fulfilment), Firm),
    ("handling", Cost(Fulfilment), Firm),
    ("fee", Cost(Fees), Firm),
    ("fees", Cost(Fees), Firm),
    ("payment", Cost(PaymentFee), Firm),
    ("payments", Cost(PaymentFee), Firm),
    ("payment fee", Cost(PaymentFee), Firm),
    ("payment fees", Cost(PaymentFee), Firm),
    ("payment processing", Cost(PaymentFee), Firm),
    ("payment processing fee", Cost(PaymentFee), Firm),
    ("payment processing fees", Cost(PaymentFee), Firm),
    ("processing", Cost(PaymentFee), Firm),
    ("processing fee", Cost(PaymentFee), Firm),
    ("processing fees", Cost(PaymentFee), Firm),
    ("transaction fee", Cost(PaymentFee), Firm),
    ("transaction fees", Cost(PaymentFee), Firm),
    ("card fee", Cost(PaymentFee), Firm),
    ("card fees", Cost(PaymentFee), Firm),
    ("stripe", Cost(PaymentFee), Firm),
    ("stripe fee", Cost(PaymentFee), Firm),
    ("stripe fees", Cost(PaymentFee), Firm),
    ("paypal", Cost(PaymentFee), Firm),
    ("paypal fee", Cost(PaymentFee), Firm),
    ("paypal fees", Cost(PaymentFee), Firm),
    ("platform fee", Cost(PlatformFee), Firm),
    ("platform fees", Cost(PlatformFee), Firm),
    ("marketplace fee", Cost(PlatformFee), Firm),
    ("marketplace fees", Cost(PlatformFee), Firm),
    ("marketplace", Cost(PlatformFee), Firm),
    ("shopify fee", Cost(PlatformFee), Firm),
    ("shopify fees", Cost(PlatformFee), Firm),
    ("amazon fee", Cost(PlatformFee), Firm),
    ("amazon fees", Cost(PlatformFee), Firm),
    ("etsy fee", Cost(PlatformFee), Firm),
    ("etsy fees", Cost(PlatformFee), Firm),
    ("commission", Cost(PlatformFee), Firm),
    ("orders", Orders, Firm),
    ("purchases", Orders, Firm),
    ("conversions", Orders, Firm),
    ("sales", Orders, Weak),
    ("visits", Visits, Firm),
    ("visitors", Visits, Firm),
    ("sessions", Visits, Firm),
    ("clicks", Visits, Firm),
    ("traffic", Visits, Firm),
    ("conversion rate", ConversionRate, Firm),
    ("conversion", ConversionRate, Firm),
    ("conv rate", ConversionRate, Firm),
    ("conv", ConversionRate, Firm),
    ("convert", ConversionRate, Firm),
    ("converts", ConversionRate, Firm),
    ("converting", ConversionRate, Firm),
    ("cr", ConversionRate, Firm),
    ("cvr", ConversionRate, Firm),
    ("ad spend", AdSpend, Firm),
    ("ads spend", AdSpend, Firm),
    ("adspend", AdSpend, Firm),
    ("ad budget", AdSpend, Firm),
    ("ads budget", AdSpend, Firm),
    ("advertising", AdSpend, Firm),
    ("advertising spend", AdSpend, Firm),
    ("advertising budget", AdSpend, Firm),
    ("marketing", AdSpend, Firm),
    ("marketing spend", AdSpend, Firm),
    ("marketing budget", AdSpend, Firm),
    ("media spend", AdSpend, Firm),
    ("media budget", AdSpend, Firm),
    ("budget", AdSpend, Weak),
    ("spend", AdSpend, Firm),
    ("spends", AdSpend, Firm),
    ("spending", AdSpend, Firm),
    ("ads", AdSpend, Firm),
    ("google ads", AdSpend, Firm),
    ("meta ads", AdSpend, Firm),
    ("facebook ads", AdSpend, Firm),
    ("cpc", ClickCost, Firm),
    ("cost per click", ClickCost, Firm),
    ("per click", ClickCost, Firm),
    ("a click", ClickCost, Firm),
    ("target margin", TargetProfit, Firm),
    ("target profit", TargetProfit, Firm),
    ("target profit margin", TargetProfit, Firm),
    ("target profit share", TargetProfit, Firm),
    ("target net margin", TargetProfit, Firm),
    ("profit target", TargetProfit, Firm),
    ("desired profit", TargetProfit, Firm),
    ("desired margin", TargetProfit, Firm),
    ("want to keep", TargetProfit, Firm),
    ("roas", Unused, Firm),
    ("cpa", Unused, Firm),
    ("cac", Unused, Firm),
    ("cost per order", Unused, Firm),
    ("cost per acquisition", Unused, Firm),
    ("cost per conversion", Unused, Firm),
    ("cost per customer", Unused, Firm),
    ("cost per purchase", Unused, Firm),
    ("cost per sale", Unused, Firm),
    ("max bid", Unused, Firm),
    ("bid", Unused, Firm),
    ("margin", Unused, Firm),
    ("margins", Unused, Firm),
    ("contribution margin", Unused, Firm),
    ("gross margin", Unused, Firm),
    ("profit", Unused, Firm),
    ("revenue", Unused, Firm),
    ("turnover", Unused, Firm),
    ("ltv", Unused, Firm),
    ("returns", Unused, Firm),
    ("return rate", Unused, Firm),
    ("refunds", Unused, Firm),
    ("refund rate", Unused, Firm),
    ("discount", Unused, Firm),
    ("discounts", Unused, Firm),
    ("tax", Unused, Firm),
    ("vat", Unused, Firm),
    ("ctr", Unused, Firm),
    ("impressions", Unused, Firm),
    ("cpm", Unused, Firm),
];
