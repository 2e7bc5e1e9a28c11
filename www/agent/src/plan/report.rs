//! What a specialist hands over: words for people, rows for pages and for whoever sums up.

use num_traits::ToPrimitive;
use serde_json::{Value, json};

use crate::money::{Currency, Exact, Purse, Rounding, decimal, exact, percent, trimmed};

/// A specialist's answer.
#[derive(Debug)]
pub struct Report {
    pub(super) agent: &'static str,
    pub(super) text: String,
    pub(super) rows: Vec<Row>,
    /// What was taken as given without being told.
    pub(super) assumed: Vec<String>,
}

impl Report {
    /// What people read, with its assumptions.
    #[must_use]
    pub fn text(&self) -> String {
        if self.assumed.is_empty() {
            return self.text.clone();
        }
        format!("{}\n\nAssumed, because you did not say: {}.", self.text, self.assumed.join("; "))
    }

    /// `{type: "figures", agent, rows: [{name, label, value, unit, text}], assumed}`. A `value` is
    /// exact up to a double, its `text` rounded to the safe side; `unit` is the code of a currency,
    /// `money` when none was named, `percent`, `ratio` or `count`.
    #[must_use]
    pub fn figures(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        json!({"type": "figures", "agent": self.agent, "rows": rows, "assumed": self.assumed})
    }

    /// What a language model may use to word the answer: no figure beside these.
    #[must_use]
    pub fn facts(&self) -> String {
        let rows = self.rows.iter().map(|row| format!("- {}: {}\n", row.label, row.text));
        format!("{}\n{}", rows.collect::<String>(), self.text())
    }
}

/// One figure.
#[derive(Debug)]
pub(super) struct Row {
    name: String,
    label: String,
    value: Exact,
    unit: &'static str,
    text: String,
}

impl Row {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "label": self.label,
            "value": self.value.to_f64(),
            "unit": self.unit,
            "text": self.text,
        })
    }
}

/// Collects rows. Each method answers the text of its figure, for use in a sentence: so no figure
/// is rounded in two ways.
#[derive(Debug)]
pub(super) struct Rows {
    rows: Vec<Row>,
    purse: Purse,
}

impl Rows {
    pub(super) fn new(currency: Option<Currency>) -> Self {
        Self { rows: Vec::new(), purse: Purse { currency } }
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    pub(super) fn amount(&mut self, name: &str, label: &str, value: &Exact) -> String {
        let text = self.purse.amount(value);
        self.add(name, label, value.clone(), self.money_unit(), text)
    }

    pub(super) fn total(&mut self, name: &str, label: &str, value: &Exact) -> String {
        let text = self.purse.total(value);
        self.add(name, label, value.clone(), self.money_unit(), text)
    }

    pub(super) fn ceiling(&mut self, name: &str, label: &str, value: &Exact) -> String {
        let text = self.purse.ceiling(value);
        self.add(name, label, value.clone(), self.money_unit(), text)
    }

    pub(super) fn share(&mut self, name: &str, label: &str, value: &Exact) -> String {
        self.add(name, label, value * exact(100, 1), "percent", percent(value))
    }

    /// A ratio that must be reached.
    pub(super) fn floor(&mut self, name: &str, label: &str, value: &Exact) -> String {
        let text = decimal(value, 2, Rounding::Up);
        self.add(name, label, value.clone(), "ratio", text)
    }

    pub(super) fn ratio(&mut self, name: &str, label: &str, value: &Exact) -> String {
        let text = decimal(value, 2, Rounding::Nearest);
        self.add(name, label, value.clone(), "ratio", text)
    }

    pub(super) fn count(&mut self, name: &str, label: &str, value: &Exact) -> String {
        self.add(name, label, value.clone(), "count", trimmed(value, 1))
    }

    fn money_unit(&self) -> &'static str {
        self.purse.currency.map_or("money", Currency::code)
    }

    fn add(
        &mut self,
        name: &str,
        label: &str,
        value: Exact,
        unit: &'static str,
        text: String,
    ) -> String {
        let (name, label) = (name.to_owned(), label.to_owned());
        self.rows.push(Row { name, label, value, unit, text: text.clone() });
        text
    }
}
