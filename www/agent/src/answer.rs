//! What the analyst says.

pub(crate) mod ask;
pub(crate) mod worked;

use crate::economics::Shop;
use crate::figures::{Figures, Reading};

/// The answer to `text`, of which `last` was read, by one who knows `known`.
pub(crate) fn respond_to(known: &Figures, last: &Reading, text: &str) -> String {
    if !last.refusals.is_empty() {
        return ask::correction(known, last);
    }
    match Shop::of(known) {
        Some(_) if last.figures.is_empty() && !asks_again(text) => ask::what_next(known, last),
        Some(shop) => worked::answer(&shop, known, last),
        None if known.is_empty() => ask::introduction(starts_over(text), last),
        None => ask::missing(known, last),
    }
}

/// Whether the user wants to forget what was told.
pub(crate) fn starts_over(text: &str) -> bool {
    let text = text.to_lowercase();
    ["start over", "start again", "reset", "new product", "new shop"]
        .iter()
        .any(|phrase| text.contains(phrase))
}

fn asks_again(text: &str) -> bool {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_alphabetic()).any(|word| {
        matches!(
            word,
            "again"
                | "repeat"
                | "recalculate"
                | "calculate"
                | "show"
                | "table"
                | "answer"
                | "go"
                | "run"
        )
    })
}
