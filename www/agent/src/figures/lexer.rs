//! Text to tokens: words, marks and numbers as people write them.

use super::number::{self, Flaw, Number, Unit};
use crate::money::{Currency, exact};

/// A piece of the user's text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Lower case, without apostrophes.
    Word(String),
    Number(Number),
    /// Anything else that may matter to how words and numbers belong together.
    Mark(char),
}

/// Cuts `text` into tokens, in one pass and time linear in its length.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0, tokens: Vec::new() };
    while let Some(c) = lexer.peek(0) {
        lexer.step(c);
    }
    join_ranges(lexer.tokens)
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn step(&mut self, c: char) {
        let starts_number = c.is_ascii_digit()
            || (matches!(c, '.' | ',') && self.digit_at(1) && !self.follows_number());
        if starts_number {
            self.number(self.at, None, false);
        } else if let Some(length) = self.signed_number_start(c) {
            let currency = self.currency_within(length);
            let from = self.at;
            self.at += length;
            self.number(from, currency, true);
        } else if let Some(currency) = currency_sign(c) {
            let spaces = self.spaces_at(1);
            self.at += 1;
            if self.digit_at(spaces)
                || (self.peek(spaces) == Some('.') && self.digit_at(spaces + 1))
            {
                let from = self.at - 1;
                self.at += spaces;
                self.number(from, Some(currency), false);
            }
        } else if c == '#' && self.digit_at(1) {
            self.rank();
        } else if c.is_alphabetic() {
            self.word();
        } else {
            if c == '\n' || !c.is_whitespace() {
                self.tokens.push(Token::Mark(c));
            }
            self.at += 1;
        }
    }

    /// `#1` is a place and no amount.
    fn rank(&mut self) {
        let from = self.at;
        self.at += 1;
        while self.digit_at(0) {
            self.at += 1;
        }
        let rank = self.chars.get(from..self.at).unwrap_or_default();
        self.tokens.push(Token::Word(rank.iter().collect()));
    }

    fn word(&mut self) {
        let from = self.at;
        let mut word = String::new();
        while let Some(c) = self.peek(0) {
            match c {
                '\'' | '’' => {}
                c if c.is_alphabetic() => word.extend(c.to_lowercase()),
                _ => break,
            }
            self.at += 1;
        }
        // "USD 40": a currency's name before its number.
        let spaces = self.spaces_at(0);
        match currency_name(&word) {
            Some(currency) if self.digit_at(spaces) => {
                self.at += spaces;
                self.number(from, Some(currency), false);
            }
            _ => self.tokens.push(Token::Word(word)),
        }
    }

    /// Reads the number that starts here, with the units written after it. `from` is where its sign or
    /// currency starts.
    fn number(&mut self, from: usize, currency: Option<Currency>, negative: bool) {
        let start = self.at;
        while let Some(c) = self.peek(0) {
            let separates =
                matches!(c, '.' | ',' | '\'' | '’' | '\u{a0}' | '\u{202f}' | '\u{2009}');
            if !(c.is_ascii_digit() || (separates && self.digit_at(1))) {
                break;
            }
            self.at += 1;
        }
        let written: String = self.chars.get(start..self.at).unwrap_or_default().iter().collect();
        let mut number = number::parse(&written);
        number.unit = currency.map_or(Unit::Plain, Unit::Money);
        self.multiplier(&mut number);
        self.unit(&mut number);
        if number.flaw != Some(Flaw::TooLong) {
            number.written = self.chars.get(from..self.at).unwrap_or_default().iter().collect();
        }
        number.negative = negative;
        if self.take_minus_word() {
            number.negative = true;
            number.written.insert(0, '-');
        }
        if !self.counts_time() {
            self.tokens.push(Token::Number(number));
        }
    }

    /// `3k`, `1.2m`, `2 thousand`.
    fn multiplier(&mut self, number: &mut Number) {
        if let Some(c) = self.peek(0)
            && !self.peek(1).is_some_and(char::is_alphanumeric)
        {
            let factor = match c {
                'k' | 'K' => 1_000,
                'm' | 'M' => 1_000_000,
                _ => 1,
            };
            if factor > 1 {
                self.at += 1;
                return number.scale(&exact(factor, 1));
            }
        }
        match self.next_word().as_deref() {
            Some("thousand" | "grand") => number.scale(&exact(1_000, 1)),
            Some("million" | "mio" | "mln") => number.scale(&exact(1_000_000, 1)),
            _ => return,
        }
        self.skip_word();
    }

    /// `%`, `percent`, `€`, `euros`, `cents`.
    fn unit(&mut self, number: &mut Number) {
        let spaces = self.spaces_at(0);
        match self.peek(spaces) {
            Some('%') => {
                self.at += spaces + 1;
                number.unit = Unit::Percent;
                return number.scale(&exact(1, 100));
            }
            Some(cent @ ('¢' | 'c'))
                if cent == '¢'
                    || (spaces == 0 && !self.peek(1).is_some_and(char::is_alphanumeric)) =>
            {
                self.at += spaces + 1;
                return number.scale(&exact(1, 100));
            }
            Some(c) if currency_sign(c).is_some() && !self.digit_at(spaces + 1) => {
                self.at += spaces + 1;
                number.unit = currency_sign(c).map_or(Unit::Plain, Unit::Money);
                return;
            }
            _ => {}
        }
        let Some(word) = self.next_word() else { return };
        match word.as_str() {
            "percent" | "pct" => {
                number.unit = Unit::Percent;
                number.scale(&exact(1, 100));
            }
            "cent" | "cents" => number.scale(&exact(1, 100)),
            name => match currency_name(name) {
                // "40 USD", but not "40 USD 12", where the name belongs to what follows.
                Some(currency) if !self.digit_at(spaces + word.len() + 1) => {
                    number.unit = Unit::Money(currency);
                }
                _ => return,
            },
        }
        self.skip_word();
    }

    /// "30 days" and "12 months" say how long, never how much.
    fn counts_time(&self) -> bool {
        matches!(
            self.next_word().as_deref(),
            Some("days" | "weeks" | "months" | "years" | "hours" | "minutes" | "quarters")
        )
    }

    /// Length of `-` or `-$` when a negative number starts here.
    fn signed_number_start(&self, c: char) -> Option<usize> {
        let minus = |c: Option<char>| matches!(c, Some('-' | '−'));
        let before = self.at.checked_sub(1).and_then(|at| self.chars.get(at));
        let detached =
            before.is_none_or(|c| c.is_whitespace() || matches!(c, ':' | '=' | '(' | '|'));
        let value_at =
            |at| self.digit_at(at) || (self.peek(at) == Some('.') && self.digit_at(at + 1));
        if minus(Some(c)) && detached {
            if value_at(1) {
                return Some(1);
            }
            return (self.peek(1).and_then(currency_sign).is_some() && value_at(2)).then_some(2);
        }
        (currency_sign(c).is_some() && minus(self.peek(1)) && value_at(2)).then_some(2)
    }

    fn currency_within(&self, length: usize) -> Option<Currency> {
        (0..length).find_map(|ahead| self.peek(ahead).and_then(currency_sign))
    }

    fn take_minus_word(&mut self) -> bool {
        let minus = matches!(self.tokens.last(), Some(Token::Word(word)) if word == "minus" || word == "negative");
        if minus {
            self.tokens.pop();
        }
        minus
    }

    fn follows_number(&self) -> bool {
        self.at.checked_sub(1).and_then(|at| self.chars.get(at)).is_some_and(char::is_ascii_digit)
    }

    fn digit_at(&self, ahead: usize) -> bool {
        self.peek(ahead).is_some_and(|c| c.is_ascii_digit())
    }

    /// Spaces from `ahead` on, at most two: more than that separates.
    fn spaces_at(&self, ahead: usize) -> usize {
        (0..2)
            .take_while(|i| matches!(self.peek(ahead + i), Some(' ' | '\u{a0}' | '\u{202f}')))
            .count()
    }

    fn next_word(&self) -> Option<String> {
        let start = self.at + self.spaces_at(0);
        let rest = self.chars.get(start..)?;
        let word: String = rest.iter().take(12).take_while(|c| c.is_alphabetic()).collect();
        (!word.is_empty()).then(|| word.to_lowercase())
    }

    fn skip_word(&mut self) {
        self.at += self.spaces_at(0);
        while self.peek(0).is_some_and(char::is_alphabetic) {
            self.at += 1;
        }
    }
}

fn currency_sign(c: char) -> Option<Currency> {
    match c {
        '$' => Some(Currency::Dollar),
        '€' => Some(Currency::Euro),
        '£' => Some(Currency::Pound),
        _ => None,
    }
}

fn currency_name(word: &str) -> Option<Currency> {
    match word {
        "usd" | "dollar" | "dollars" | "bucks" => Some(Currency::Dollar),
        "eur" | "euro" | "euros" => Some(Currency::Euro),
        "gbp" | "pound" | "pounds" | "quid" => Some(Currency::Pound),
        "chf" | "francs" => Some(Currency::Franc),
        _ => None,
    }
}

/// `40-50`, `40 – 50`, `40 to 50`, `between 40 and 50` become one number that is a range.
fn join_ranges(tokens: Vec<Token>) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let Token::Number(high) = token else {
            joined.push(token);
            continue;
        };
        let joiner = match joined.as_slice() {
            [.., before, Token::Number(_), Token::Word(word)] => {
                word == "to" || (word == "and" && *before == Token::Word("between".to_owned()))
            }
            [Token::Number(_), Token::Word(word)] => word == "to",
            [.., Token::Number(_), Token::Mark(mark)] => matches!(mark, '-' | '–' | '—' | '~'),
            _ => false,
        };
        if joiner && !high.negative {
            joined.pop();
        }
        match joined.last_mut() {
            Some(Token::Number(low)) if joiner && !high.negative => low.extend_to(&high),
            _ => joined.push(Token::Number(high)),
        }
    }
    joined
}
