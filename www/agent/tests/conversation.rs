//! What the analyst answers over a whole conversation.

use durable_sessions_demo_agent::{Brief, tokens};

const LINE: &str = "Price $49.90, COGS $12, shipping $5.50, fees 2.9% + $0.30, conversion rate 2.5%, 1.2k orders \
                    and $30k ad spend a month";

fn respond(texts: &[&str]) -> String {
    Brief::of(texts.iter().copied()).answer()
}

fn assert_says(answer: &str, parts: &[&str]) {
    for part in parts {
        assert!(answer.contains(part), "no {part:?} in:\n{answer}");
    }
}

#[test]
fn a_complete_line_gets_the_worked_answer() {
    let answer = respond(&[LINE]);
    assert_says(
        &answer,
        &[
            "Contribution margin: $30.65 an order, 61.43% of its value.",
            "Break-even CPA: $30.65.",
            // 49.90 / 30.6529 = 1.6279, and 1.62 would still lose.
            "Break-even ROAS: 1.63.",
            // 30.6529 x 2.5% = 0.7663, and 0.77 would lose.
            "Maximum bid cap: $0.76 a click",
            "To keep 10% of sales as profit: CPA up to $25.66, ROAS from 1.95, bid up to $0.64.",
            "a CPA of $25.00 and a ROAS of 2.00",
            "You keep $6,783.48 a month.",
            "| Price +10%      |  64.7% | $35.49 |   $0.88 |",
            "| COGS -10%       |  63.8% | $31.85 |   $0.79 |",
            "| Conversion +20% |  61.4% | $30.65 |   $0.91 |",
        ],
    );
}

#[test]
fn a_cpa_that_was_told_is_not_taken_for_that_of_all_orders() {
    let answer = respond(&[LINE, "our CPA is $20"]);
    assert_says(&answer, &["Now: $30,000 of ads a month at a CPA of $20.00 win 1,500 orders"]);
}

#[test]
fn a_worked_answer_streams_for_some_seconds() {
    let count = tokens(&respond(&[LINE])).count();
    assert!((150..=350).contains(&count), "{count} tokens");
}

#[test]
fn what_is_missing_is_asked_for_until_nothing_is() {
    let mut history = vec!["Hi! We sell mugs for $18 and they cost $6 to make."];
    let answer = respond(&history);
    assert_says(
        &answer,
        &["So far I have price $18.00, COGS $6.00.", "shipping per order", "fees per order"],
    );
    history.push("shipping 4, no fees");
    assert_says(&respond(&history), &["Still needed:\n\n- conversion rate"]);
    history.push("3%");
    assert_says(&respond(&history), &["Contribution margin: $8.00", "Maximum bid cap: $0.24"]);
}

#[test]
fn a_changed_figure_is_worked_out_anew() {
    let answer = respond(&[LINE, "and at a conversion rate of 4%?"]);
    assert_says(&answer, &["Maximum bid cap: $1.22 a click, at a conversion rate of 4%."]);
}

#[test]
fn greetings_and_chatter_get_an_example_to_paste() {
    for text in ["hello", "What can you do?", "", "🙂", "tell me a joke about 7 cats"] {
        let answer = respond(&[text]);
        assert_says(&answer, &["For example, paste this:"]);
        let example = answer.lines().find(|line| line.starts_with("Price $")).unwrap();
        assert_says(&respond(&[example]), &["Contribution margin"]);
    }
}

#[test]
fn thanks_after_the_answer_repeats_no_table() {
    let answer = respond(&[LINE, "thank you!"]);
    assert_says(&answer, &["That is all I need."]);
    assert!(!answer.contains('|'));
    assert_eq!(respond(&[LINE, "show it again"]), respond(&[LINE]));
}

#[test]
fn a_figure_that_cannot_be_used_keeps_the_others() {
    let answer = respond(&["price 40-50, COGS 12"]);
    assert_says(&answer, &["Price 40-50 is a range.", "So far I have COGS 12.00."]);
}

#[test]
fn another_currency_is_not_mixed_into_what_is_known() {
    assert_says(&respond(&[LINE, "shipping 4 €"]), &["I see both $ and €."]);
    assert_says(&respond(&[LINE, "start over", "price 30 €"]), &["So far I have price €30.00."]);
}

#[test]
fn an_order_that_loses_money_gets_no_bid() {
    let answer = respond(&["price 20, cogs 18, shipping 5, fees 3%, conversion rate 2%"]);
    assert_says(&answer, &["Contribution margin: -3.60", "no bid is low enough", "| none |"]);
}

#[test]
fn a_target_beyond_the_margin_is_called_out_of_reach() {
    let answer = respond(&["price 20, cogs 15, no shipping, no fees, CR 2%, target margin 30%"]);
    assert_says(&answer, &["A profit of 30% of sales is out of reach"]);
}

#[test]
fn a_message_of_the_largest_size_is_answered_in_bounded_time() {
    let started = std::time::Instant::now();
    for unit in ["price ", "1", "1 ", "cogs 12, ", "-", "no fees between 1 and ", "$ "] {
        let text = unit.repeat(256 * 1024 / unit.len());
        assert!(!respond(&[&text]).is_empty());
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
