//! Which number belongs to which label.
//!
//! "price 40, COGS 12" and "40 price, 12 COGS" are both common, and so is one line with both
//! orders. Labels and numbers that stand beside each other may pair; what stands between them has
//! a cost; the cheapest pairing of the whole text wins.

use super::label::{Component, Label, Measure, Strength, Subject, label_at};
use super::lexer::Token;
use super::number::{Number, Unit};
use crate::money::exact;

const SKIPPED_NUMBER_COST: i32 = 8;
const SKIPPED_LABEL_COST: i32 = 5;
/// A label further from a number than this is about something else.
const PAIR_MAX_COST: i32 = 6;

/// A label with the numbers it names: more than one for sums such as `2.9% + 0.30`, none for a cost
/// that is absent in words, "no fees".
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) subject: Subject,
    pub(super) numbers: Vec<&'a Number>,
    pub(super) period: Option<Period>,
}

/// What "a month" says about a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// All pairs in order, and the numbers that found no label.
pub(super) fn pair(tokens: &[Token]) -> (Vec<Pair<'_>>, Vec<&Number>) {
    let items = items(tokens);
    let costs = Costs::new(tokens);
    let choice = cheapest(&items, tokens, &costs);
    let (mut pairs, mut alone) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(item) = items.get(at) {
        let next = items.get(at + 1);
        if let (Some(true), Some(next)) = (choice.get(at), next) {
            let before = at.checked_sub(1).and_then(|at| items.get(at)).map_or(0, |item| item.end);
            let after = items.get(at + 2).map_or(tokens.len(), |item| item.start);
            pairs.extend(joined(item, next, tokens, before, after));
            at += 2;
            continue;
        }
        if let What::Numbers(numbers) = &item.what {
            alone.extend(numbers);
        }
        at += 1;
    }
    (pairs, alone)
}

struct Item<'a> {
    what: What<'a>,
    /// Token range.
    start: usize,
    end: usize,
}

enum What<'a> {
    Label(Label),
    Numbers(Vec<&'a Number>),
    /// "no", "without": a nought in words.
    Nought,
}

fn items(tokens: &[Token]) -> Vec<Item<'_>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let rest = tokens.get(at..).unwrap_or_default();
        let (what, length) = match token {
            Token::Number(number) => {
                let sum = items.last_mut().filter(|item| adds_up(item, number, tokens, at));
                if let Some(Item { what: What::Numbers(numbers), end, .. }) = sum {
                    numbers.push(number);
                    at += 1;
                    *end = at;
                    continue;
                }
                (What::Numbers(vec![number]), 1)
            }
            Token::Word(word)
                if matches!(word.as_str(), "no" | "zero" | "without" | "none" | "nil") =>
            {
                (What::Nought, 1)
            }
            Token::Word(_) => match label_at(rest) {
                Some(label) => (What::Label(label), label.length),
                None => {
                    at += 1;
                    continue;
                }
            },
            Token::Mark(_) => {
                at += 1;
                continue;
            }
        };
        items.push(Item { what, start: at, end: at + length });
        at += length;
    }
    items
}

/// Whether `number` at `at` continues a sum: `2.9% + 0.30`, `3% plus 30c`, `3% and $0.30`.
fn adds_up(item: &Item<'_>, number: &Number, tokens: &[Token], at: usize) -> bool {
    let What::Numbers(numbers) = &item.what else { return false };
    let after_share = numbers.last().is_some_and(|last| last.unit == Unit::Percent);
    match tokens.get(item.end..at) {
        Some([Token::Mark('+')]) => true,
        Some([Token::Word(word)]) if word == "plus" => true,
        Some([Token::Word(word)]) if word == "and" => {
            let cents = number.written.ends_with(['c', '¢']) || number.written.contains("cent");
            let small =
                number.value < exact(2, 1) && (cents || matches!(number.unit, Unit::Money(_)));
            after_share && small
        }
        _ => false,
    }
}

/// For each item, whether it pairs with the next one.
fn cheapest(items: &[Item<'_>], tokens: &[Token], costs: &Costs) -> Vec<bool> {
    let mut choice = vec![false; items.len()];
    // Costs of the best choice for the items after the current one, and after the next one.
    let (mut after_one, mut after_two) = (0, 0);
    let mut next: Option<&Item<'_>> = None;
    for (item, chosen) in items.iter().zip(choice.iter_mut()).rev() {
        let skipped = after_one
            + match item.what {
                What::Label(_) => SKIPPED_LABEL_COST,
                What::Numbers(_) => SKIPPED_NUMBER_COST,
                What::Nought => 0,
            };
        let paired =
            next.and_then(|next| costs.pair(item, next, tokens)).map(|cost| cost + after_two);
        *chosen = paired.is_some_and(|paired| paired <= skipped);
        after_two = after_one;
        after_one = paired.filter(|_| *chosen).unwrap_or(skipped);
        next = Some(item);
    }
    choice
}

/// What stands between two tokens, summed from the start so that any stretch costs one subtraction.
struct Costs {
    before: Vec<i32>,
}

impl Costs {
    fn new(tokens: &[Token]) -> Self {
        let mut sum = 0;
        let mut before = vec![0];
        for token in tokens {
            sum += separation(token);
            before.push(sum);
        }
        Self { before }
    }

    fn pair(&self, first: &Item<'_>, second: &Item<'_>, tokens: &[Token]) -> Option<i32> {
        let at = |token: usize| self.before.get(token).copied().unwrap_or_default();
        let between = at(second.start) - at(first.end);
        let (label, other) = label_and_other(first, second)?;
        let label_first = matches!(first.what, What::Label(_));
        let fits = match other {
            What::Label(_) => false,
            // "no idea what shipping is" says nothing about shipping.
            What::Nought => label.may_be_absent() && between == 0,
            What::Numbers(numbers) => {
                let number_start = if label_first { second.start } else { first.start };
                fits(label, numbers, number_start, tokens)
            }
        };
        let named =
            label_first && matches!(tokens.get(first.end), Some(token) if introduces(token));
        let cost = between + i32::from(label.strength != Strength::Firm) - i32::from(named);
        (fits && cost <= PAIR_MAX_COST).then_some(cost)
    }
}

impl Label {
    /// "no fees" and "no returns" are figures, "no price" is none.
    fn may_be_absent(&self) -> bool {
        let is_cost = matches!(self.subject, Subject::Cost(_));
        (is_cost && self.subject != Subject::Cost(Component::Goods))
            || self.subject == Subject::Returns
    }
}

fn label_and_other<'i, 'a>(
    first: &'i Item<'a>,
    second: &'i Item<'a>,
) -> Option<(Label, &'i What<'a>)> {
    match (&first.what, &second.what) {
        (What::Label(label), other) | (other, What::Label(label)) => Some((*label, other)),
        _ => None,
    }
}

/// Whether numbers in these units can be what the label is about.
fn fits(label: Label, numbers: &[&Number], start: usize, tokens: &[Token]) -> bool {
    let [number] = numbers else { return matches!(label.subject, Subject::Cost(_)) };
    let after = |words: &[&str]| {
        let before = start.checked_sub(1).and_then(|at| tokens.get(at));
        matches!(before, Some(Token::Word(word)) if words.contains(&word.as_str()))
    };
    if label.strength == Strength::Selling
        && !matches!(number.unit, Unit::Money(_))
        && !after(&["for", "at"])
    {
        return false;
    }
    match label.subject.measure() {
        Measure::Amount | Measure::MonthlyAmount => number.unit != Unit::Percent,
        Measure::Cost | Measure::Nothing => true,
        Measure::Count => number.unit == Unit::Plain,
        // "2.5% of visitors buy" gives the rate.
        Measure::MonthlyCount if label.subject == Subject::Visits => {
            !matches!(number.unit, Unit::Money(_))
        }
        Measure::MonthlyCount => number.unit == Unit::Plain,
        Measure::Share | Measure::PartialShare => !matches!(number.unit, Unit::Money(_)),
    }
}

fn introduces(token: &Token) -> bool {
    match token {
        Token::Mark(mark) => matches!(mark, ':' | '='),
        Token::Word(word) => matches!(word.as_str(), "is" | "are" | "of" | "was"),
        Token::Number(_) => false,
    }
}

/// How much a token keeps a label and a number apart.
fn separation(token: &Token) -> i32 {
    match token {
        Token::Number(_) => 0,
        Token::Mark(mark) => match mark {
            ':' | '=' | '|' | '(' | ')' | '/' | '~' | '≈' | '-' | '–' | '—' | '$' | '€' | '£'
            | '@' => 0,
            ',' | '\n' | '•' | '*' => 3,
            ';' | '.' | '!' | '?' => 4,
            _ => 1,
        },
        Token::Word(word) => match word.as_str() {
            "and" | "with" | "but" | "plus" | "then" | "while" | "where" | "whose" | "which" => 2,
            "is" | "are" | "was" | "were" | "be" | "of" | "at" | "about" | "around" | "approx"
            | "approximately" | "roughly" | "for" | "the" | "a" | "an" | "per" | "unit"
            | "order" | "item" | "each" | "every" | "our" | "my" | "us" | "me" | "to" | "on"
            | "in" | "currently" | "now" | "average" | "avg" | "total" | "only" | "just" | "it" => {
                0
            }
            word if period(word).is_some() => 0,
            _ => 1,
        },
    }
}

fn period(word: &str) -> Option<Period> {
    match word {
        "day" | "daily" => Some(Period::Day),
        "week" | "weekly" | "wk" => Some(Period::Week),
        "month" | "monthly" | "mo" | "mth" => Some(Period::Month),
        "quarter" | "quarterly" => Some(Period::Quarter),
        "year" | "yearly" | "annual" | "annually" | "yr" => Some(Period::Year),
        _ => None,
    }
}

fn joined<'a>(
    first: &Item<'a>,
    second: &Item<'a>,
    tokens: &[Token],
    before: usize,
    after: usize,
) -> Option<Pair<'a>> {
    let (label, other) = label_and_other(first, second)?;
    let numbers = match other {
        What::Numbers(numbers) => numbers.clone(),
        What::Nought => Vec::new(),
        What::Label(_) => return None,
    };
    // "1200 orders a month": behind the pair, else within it, else before it; never past a comma.
    let stretch = |from: usize, to: usize| tokens.get(from..to).unwrap_or_default();
    let in_reach = |token: &&Token| separation(token) < 2;
    let of = |token: &Token| match token {
        Token::Word(word) => period(word),
        Token::Number(_) | Token::Mark(_) => None,
    };
    let period = stretch(second.end, after)
        .iter()
        .take_while(in_reach)
        .find_map(of)
        .or_else(|| stretch(first.end, second.start).iter().find_map(of))
        .or_else(|| stretch(before, first.start).iter().rev().take_while(in_reach).find_map(of));
    Some(Pair { subject: label.subject, numbers, period })
}
