//! What the analyst says.

mod ask;
mod worked;

use crate::economics::Shop;
use crate::figures::{Figures, Reading, mixed, read};

/// The answer to the last of `history`, the texts the user wrote in this session, oldest first.
///
/// Figures told earlier are remembered; what is told later wins. Plain text, with a Markdown pipe
/// table in a worked answer; never empty.
pub fn respond(history: &[&str]) -> String {
    let mut known = Figures::default();
    let mut last = Reading::default();
    for text in history {
        if starts_over(text) {
            known = Figures::default();
        }
        last = read(text, &known.missing());
        match (known.currency, last.figures.currency) {
            (Some(before), Some(now)) if before != now => last.refusals.push(mixed(before, now)),
            _ => known.merge(last.figures.clone()),
        }
    }
    let text = history.last().copied().unwrap_or_default();
    if !last.refusals.is_empty() {
        return ask::correction(&known, &last);
    }
    match Shop::of(&known) {
        Some(_) if last.figures.is_empty() && !asks_again(text) => ask::what_next(&known, &last),
        Some(shop) => worked::answer(&shop, &known, &last),
        None if known.is_empty() => ask::introduction(starts_over(text), &last),
        None => ask::missing(&known, &last),
    }
}

fn starts_over(text: &str) -> bool {
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
