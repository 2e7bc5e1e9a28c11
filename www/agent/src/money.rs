//! Exact amounts and how they are written.
//!
//! Amounts are rationals: nothing is rounded until it is printed, and a printed limit is rounded to
//! the side on which it still holds.

use num_rational::BigRational;
use num_traits::Signed;

/// An exact number; amounts of money are in whole units of the currency.
pub(crate) type Exact = BigRational;

/// `numerator / denominator`, which must not be zero.
pub(crate) fn exact(numerator: i64, denominator: i64) -> Exact {
    Exact::new(numerator.into(), denominator.into())
}

/// Which way a number goes when it has more decimals than are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rounding {
    /// Half away from zero: for what is reported.
    Nearest,
    /// Never above the exact number: for a ceiling on what may be paid.
    Down,
    /// Never below the exact number: for a floor that must be reached.
    Up,
}

/// A currency, by the sign it is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Currency {
    Dollar,
    Euro,
    Pound,
    Franc,
}

impl Currency {
    /// Its ISO 4217 code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Dollar => "USD",
            Self::Euro => "EUR",
            Self::Pound => "GBP",
            Self::Franc => "CHF",
        }
    }

    pub(crate) fn of_code(code: &str) -> Option<Self> {
        [Self::Dollar, Self::Euro, Self::Pound, Self::Franc]
            .into_iter()
            .find(|currency| currency.code() == code)
    }

    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Dollar => "$",
            Self::Euro => "€",
            Self::Pound => "£",
            Self::Franc => "CHF ",
        }
    }
}

/// Writes amounts of one currency.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purse {
    pub(crate) currency: Option<Currency>,
}

impl Purse {
    pub(crate) fn amount(self, amount: &Exact) -> String {
        money(amount, self.currency, Rounding::Nearest)
    }

    /// A large amount, without decimals where it has none.
    pub(crate) fn total(self, amount: &Exact) -> String {
        let text = self.amount(amount);
        text.strip_suffix(".00").map_or(text.clone(), str::to_owned)
    }

    /// A ceiling: what is printed may be paid.
    pub(crate) fn ceiling(self, amount: &Exact) -> String {
        money(amount, self.currency, Rounding::Down)
    }
}

/// `1234.5` as `$1,234.50`.
pub(crate) fn money(amount: &Exact, currency: Option<Currency>, rounding: Rounding) -> String {
    let digits = decimal(amount, 2, rounding);
    let sign = currency.map_or("", Currency::sign);
    match digits.strip_prefix('-') {
        Some(positive) => format!("-{sign}{positive}"),
        None => format!("{sign}{digits}"),
    }
}

/// A share such as `1/40` as `2.5%`.
pub(crate) fn percent(share: &Exact) -> String {
    format!("{}%", trimmed(&(share * exact(100, 1)), 2))
}

/// Like [`decimal`], rounded to the nearest, without zeros at the end: `2.50` as `2.5`.
pub(crate) fn trimmed(value: &Exact, places: u32) -> String {
    let text = decimal(value, places, Rounding::Nearest);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `value` with exactly `places` decimals and commas between thousands.
pub(crate) fn decimal(value: &Exact, places: u32, rounding: Rounding) -> String {
    let scale = (0..places).fold(exact(1, 1), |scale, _| scale * exact(10, 1));
    let scaled = value * scale;
    let whole = match rounding {
        Rounding::Nearest => scaled.round(),
        Rounding::Down => scaled.floor(),
        Rounding::Up => scaled.ceil(),
    };
    let places = places as usize;
    let digits = format!("{:0>width$}", whole.abs().to_integer().to_string(), width = places + 1);
    let (units, fraction) = digits.split_at(digits.len() - places);
    let mut text = String::from(if whole.is_negative() { "-" } else { "" });
    for (i, digit) in units.chars().enumerate() {
        if i > 0 && (units.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if places > 0 {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_written_with_two_decimals_and_commas() {
        assert_eq!(
            money(&exact(12_345_678, 10), Some(Currency::Dollar), Rounding::Nearest),
            "$1,234,567.80"
        );
        assert_eq!(money(&exact(-1, 20), Some(Currency::Euro), Rounding::Nearest), "-€0.05");
        assert_eq!(money(&exact(5, 1), None, Rounding::Nearest), "5.00");
    }

    #[test]
    fn halves_go_away_from_zero_where_binary_floats_would_not() {
        assert_eq!(decimal(&exact(1_005, 1_000), 2, Rounding::Nearest), "1.01");
        assert_eq!(decimal(&exact(-1_005, 1_000), 2, Rounding::Nearest), "-1.01");
    }

    #[test]
    fn a_ceiling_rounds_down_and_a_floor_rounds_up() {
        assert_eq!(decimal(&exact(2, 3), 2, Rounding::Down), "0.66");
        assert_eq!(decimal(&exact(2, 3), 2, Rounding::Up), "0.67");
    }

    #[test]
    fn a_rounded_zero_has_no_sign() {
        assert_eq!(decimal(&exact(-1, 1_000), 2, Rounding::Nearest), "0.00");
    }

    #[test]
    fn shares_drop_their_trailing_zeros() {
        assert_eq!(percent(&exact(25, 1_000)), "2.5%");
        assert_eq!(percent(&exact(1, 10)), "10%");
        assert_eq!(percent(&exact(1, 3)), "33.33%");
    }

    proptest! {
        #[test]
        fn rounding_down_and_up_enclose_the_value(n in -1_000_000_000_i64..1_000_000_000, d in 1_i64..10_000) {
            let value = exact(n, d);
            let read = |text: String| {
                let cents: i64 = text.replace([',', '.'], "").parse().unwrap();
                exact(cents, 100)
            };
            let down = read(decimal(&value, 2, Rounding::Down));
            let up = read(decimal(&value, 2, Rounding::Up));
            prop_assert!(down <= value && value <= up);
            prop_assert!(up - down <= exact(1, 100));
        }
    }
}
