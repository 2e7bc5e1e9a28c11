//! One message of the user, read.

use super::Figures;
use super::check::{Reason, Refusal, admit};
use super::label::{Measure, Subject};
use super::lexer::{Token, tokens};
use super::number::{Number, Unit};
use super::pairing::{Pair, pair};
use crate::money::Currency;

/// What one message says.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) figures: Figures,
    /// Figures that were named but cannot be used.
    pub(crate) refusals: Vec<Refusal>,
    /// Numbers that belong to no figure this analyst uses, as written.
    pub(crate) unplaced: Vec<String>,
}

/// Reads `text` as an answer to a question about `asked`, the figures that were still missing.
///
/// A lone number without any label answers the question when just one figure was asked for.
pub(crate) fn read(text: &str, asked: &[Subject]) -> Reading {
    let tokens = without_hyphens(tokens(text));
    let (mut pairs, mut alone) = pair(&tokens);
    if let ([], &[number], &[subject]) = (pairs.as_slice(), alone.as_slice(), asked)
        && answers(number, subject)
    {
        pairs.push(Pair { subject, numbers: vec![number], period: None });
        alone.clear();
    }
    let mut reading = Reading::default();
    for pair in &pairs {
        if pair.subject == Subject::Unused {
            reading.unplaced.extend(pair.numbers.iter().map(|number| number.written.clone()));
        } else if let Err(refusal) = admit(pair, &mut reading.figures) {
            reading.refusals.push(refusal);
        }
    }
    reading.unplaced.extend(alone.iter().map(|number| number.written.clone()));
    let used = pairs.iter().flat_map(|pair| &pair.numbers).filter_map(|number| currency(number));
    match one_currency(used) {
        Ok(currency) => reading.figures.currency = currency,
        Err((one, other)) => reading.refusals.push(mixed(one, other)),
    }
    reading
}

/// The refusal of figures in two currencies.
pub(crate) fn mixed(one: Currency, other: Currency) -> Refusal {
    let reason = Reason::MixedCurrencies(one, other);
    Refusal { subject: Subject::Price, written: String::new(), reason }
}

fn one_currency(
    mut currencies: impl Iterator<Item = Currency>,
) -> Result<Option<Currency>, (Currency, Currency)> {
    let Some(first) = currencies.next() else { return Ok(None) };
    match currencies.find(|other| *other != first) {
        Some(other) => Err((first, other)),
        None => Ok(Some(first)),
    }
}

fn currency(number: &Number) -> Option<Currency> {
    match number.unit {
        Unit::Money(currency) => Some(currency),
        Unit::Plain | Unit::Percent => None,
    }
}

fn answers(number: &Number, subject: Subject) -> bool {
    match subject.measure() {
        Measure::Cost => true,
        Measure::Share | Measure::PartialShare => !matches!(number.unit, Unit::Money(_)),
        Measure::Amount
        | Measure::MonthlyAmount
        | Measure::MonthlyCount
        | Measure::Count
        | Measure::Nothing => number.unit != Unit::Percent,
    }
}

/// `ad-spend` and `conversion_rate` are two words.
fn without_hyphens(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let word = matches!(token, Token::Word(_));
        if word && let [.., Token::Word(_), Token::Mark('-' | '_')] = kept.as_slice() {
            kept.pop();
        }
        kept.push(token);
    }
    kept
}
