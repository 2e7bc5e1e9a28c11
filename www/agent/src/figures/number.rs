//! One number as it was written, and what it may mean.

use num_traits::Zero;

use crate::money::{Currency, Exact, exact};

/// More digits than this are no figure of a shop; the cap keeps hostile input cheap.
const NUMBER_MAX_DIGITS: usize = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Plain,
    /// The value is the share: `2.5%` is 1/40.
    Percent,
    Money(Currency),
}

/// Why a number cannot be used whatever it is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Range,
    Unreadable,
    TooLong,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    pub(super) value: Exact,
    /// The value if a lone point before three digits separates thousands: `1.200`.
    pub(super) as_thousands: Option<Exact>,
    pub(super) negative: bool,
    pub(super) unit: Unit,
    pub(super) flaw: Option<Flaw>,
    /// The upper end of a range.
    pub(super) high: Option<Exact>,
    /// As the user wrote it, for answering.
    pub(super) written: String,
}

impl Number {
    pub(super) fn scale(&mut self, factor: &Exact) {
        self.value *= factor;
        // "1.200k" and "1.200%" can only be decimals.
        self.as_thousands = None;
    }

    /// Turns this number into the range from it to `high`.
    pub(super) fn extend_to(&mut self, high: &Self) {
        self.flaw = Some(Flaw::Range);
        self.written = format!("{}-{}", self.written, high.written);
        self.high = Some(high.value.clone());
        if self.unit == Unit::Plain {
            self.unit = high.unit;
            if high.unit == Unit::Percent {
                self.scale(&exact(1, 100));
            }
        }
    }
}

/// Reads digits and separators: `1,200.50`, `1.200,50`, `49,90`, `1'200`, `.5`.
///
/// The last separator marks decimals unless it repeats or stands before exactly three digits.
pub(super) fn parse(written: &str) -> Number {
    let mut number = Number {
        value: Exact::zero(),
        as_thousands: None,
        negative: false,
        unit: Unit::Plain,
        flaw: None,
        high: None,
        written: written.to_owned(),
    };
    if written.chars().filter(char::is_ascii_digit).count() > NUMBER_MAX_DIGITS {
        number.flaw = Some(Flaw::TooLong);
        number.written = written.chars().take(NUMBER_MAX_DIGITS).chain(['…']).collect();
        return number;
    }
    let last = written.char_indices().rev().find(|(_, c)| matches!(c, '.' | ','));
    let Some((at, separator)) = last else {
        number.read(written, "");
        return number;
    };
    let (whole, fraction) =
        (written.get(..at).unwrap_or_default(), written.get(at + 1..).unwrap_or_default());
    let alone = !whole.contains(['.', ',']);
    let before_thousands = fraction.len() == 3 && (1..=3).contains(&whole.len()) && whole != "0";
    if whole.contains(separator) || (alone && before_thousands && separator == ',') {
        number.read(written, "");
    } else {
        number.read(whole, fraction);
        if alone && before_thousands {
            number.as_thousands = Some(&number.value * exact(1_000, 1));
        }
    }
    number
}

impl Number {
    fn read(&mut self, whole: &str, fraction: &str) {
        let mut groups = whole.split(|c: char| !c.is_ascii_digit());
        let first = groups.next().unwrap_or_default();
        let mut grouped = false;
        for group in groups {
            grouped = true;
            if group.len() != 3 {
                self.flaw = Some(Flaw::Unreadable);
            }
        }
        if (grouped && first.len() > 3) || fraction.contains(|c: char| !c.is_ascii_digit()) {
            self.flaw = Some(Flaw::Unreadable);
        }
        let digits = |text: &str| {
            let kept: String = text.chars().filter(char::is_ascii_digit).collect();
            kept.parse::<i64>().unwrap_or_default()
        };
        let scale = 10_i64.pow(fraction.len().try_into().unwrap_or_default());
        self.value = exact(digits(whole), 1) + exact(digits(fraction), scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(written: &str) -> Exact {
        let number = parse(written);
        assert_eq!(number.flaw, None, "{written}");
        number.value
    }

    #[test]
    fn separators_are_read_the_way_they_were_meant() {
        for (written, expected) in [
            ("40", exact(40, 1)),
            ("49.90", exact(499, 10)),
            ("49,90", exact(499, 10)),
            (".5", exact(1, 2)),
            ("0.025", exact(1, 40)),
            ("0,025", exact(1, 40)),
            ("1,200", exact(1_200, 1)),
            ("1,200.50", exact(2_401, 2)),
            ("1.200,50", exact(2_401, 2)),
            ("1,200,000", exact(1_200_000, 1)),
            ("1.200.000", exact(1_200_000, 1)),
            ("1'200.5", exact(2_401, 2)),
            ("12\u{202f}500", exact(12_500, 1)),
        ] {
            assert_eq!(value(written), expected, "{written}");
        }
    }

    #[test]
    fn a_lone_point_before_three_digits_keeps_both_readings() {
        let number = parse("1.200");
        assert_eq!(number.value, exact(6, 5));
        assert_eq!(number.as_thousands, Some(exact(1_200, 1)));
        assert_eq!(parse("0.200").as_thousands, None);
    }

    #[test]
    fn groups_that_are_no_thousands_are_not_guessed_at() {
        for written in ["1,2,3", "1,20,300.5", "12.34.56", "1234,567,890"] {
            assert_eq!(parse(written).flaw, Some(Flaw::Unreadable), "{written}");
        }
    }

    #[test]
    fn endless_digits_are_refused_without_being_read() {
        let number = parse(&"9".repeat(200_000));
        assert_eq!(number.flaw, Some(Flaw::TooLong));
        assert!(number.written.len() < 32);
    }
}
