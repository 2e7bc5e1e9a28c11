//! How people write their figures, and what is read.

use proptest::prelude::*;

use super::*;
use crate::money::exact;

fn figures(text: &str) -> Figures {
    let reading = read(text, &[]);
    assert_eq!(reading.refusals, [], "{text}");
    reading.figures
}

fn refusal(text: &str) -> String {
    let reading = read(text, &[]);
    assert_eq!(reading.refusals.len(), 1, "{text}: {reading:?}");
    reading.refusals[0].to_string()
}

fn fixed(amount: Exact) -> Cost {
    Cost { fixed: amount, share: exact(0, 1) }
}

#[test]
fn a_price_is_read_however_it_is_written() {
    for (text, expected) in [
        ("price 40", exact(40, 1)),
        ("Price: $49.90", exact(499, 10)),
        ("49,90 € price", exact(499, 10)),
        ("the price is 40 dollars", exact(40, 1)),
        ("price = EUR 1.200,50", exact(2_401, 2)),
        ("PRICE USD 40", exact(40, 1)),
        ("price 1.200 €", exact(1_200, 1)),
        ("price $1.200", exact(6, 5)),
        ("price - 40", exact(40, 1)),
        ("price-40", exact(40, 1)),
        ("| Price | 40 |", exact(40, 1)),
        ("Price\t£40", exact(40, 1)),
        ("we sell mugs for 18", exact(18, 1)),
        ("we sell it at $18.50 each", exact(37, 2)),
        ("it retails for about 40", exact(40, 1)),
        ("what if the price were 44?", exact(44, 1)),
        ("price ($): 40", exact(40, 1)),
        ("price .99", exact(99, 100)),
    ] {
        assert_eq!(figures(text).single(Subject::Price), Some(&expected), "{text}");
    }
}

#[test]
fn costs_are_amounts_shares_or_both() {
    for (text, component, expected) in [
        ("COGS 12", Component::Goods, fixed(exact(12, 1))),
        ("cogs is 12 per unit", Component::Goods, fixed(exact(12, 1))),
        ("12 cogs", Component::Goods, fixed(exact(12, 1))),
        ("it costs us 12 to make", Component::Goods, fixed(exact(12, 1))),
        ("cost of goods sold: 12", Component::Goods, fixed(exact(12, 1))),
        ("COGS 30%", Component::Goods, Cost { fixed: exact(0, 1), share: exact(3, 10) }),
        ("shipping costs 5", Component::Shipping, fixed(exact(5, 1))),
        ("costs 5 to ship", Component::Shipping, fixed(exact(5, 1))),
        ("no shipping", Component::Shipping, fixed(exact(0, 1))),
        ("without fees", Component::Fees, fixed(exact(0, 1))),
        ("fees 0", Component::Fees, fixed(exact(0, 1))),
        (
            "fees 2.9% + 0.30",
            Component::Fees,
            Cost { fixed: exact(3, 10), share: exact(29, 1_000) },
        ),
        (
            "fees: 2.9 % plus 30c",
            Component::Fees,
            Cost { fixed: exact(3, 10), share: exact(29, 1_000) },
        ),
        (
            "2.9% + $0.30 fees",
            Component::Fees,
            Cost { fixed: exact(3, 10), share: exact(29, 1_000) },
        ),
        (
            "fees 3% and 30 cents",
            Component::Fees,
            Cost { fixed: exact(3, 10), share: exact(3, 100) },
        ),
        ("fees 3 percent", Component::Fees, Cost { fixed: exact(0, 1), share: exact(3, 100) }),
    ] {
        assert_eq!(figures(text).costs.get(&component), Some(&expected), "{text}");
    }
}

#[test]
fn parts_of_one_cost_add_up() {
    let figures =
        figures("shipping 5, packaging 1.20, stripe fees 2.9% + 0.30, marketplace fee 10%");
    assert_eq!(figures.cost(Component::Shipping), Some(fixed(exact(62, 10))));
    assert_eq!(
        figures.cost(Component::Fees),
        Some(Cost { fixed: exact(3, 10), share: exact(129, 1_000) })
    );
}

#[test]
fn orders_visits_and_ad_spend_become_monthly() {
    for (text, expected) in [
        ("1.2k orders", exact(1_200, 1)),
        ("1,200 orders a month", exact(1_200, 1)),
        ("1.200 orders", exact(1_200, 1)),
        ("orders: 40 per day", exact(1_200, 1)),
        ("monthly orders 1200", exact(1_200, 1)),
        ("14400 orders per year", exact(1_200, 1)),
        ("in the last 30 days: 1200 orders", exact(1_200, 1)),
    ] {
        assert_eq!(figures(text).single(Subject::Orders), Some(&expected), "{text}");
    }
    for (text, expected) in [
        ("we spend 3k a month on ads", exact(3_000, 1)),
        ("ad spend $100/day", exact(3_000, 1)),
        ("ad-spend: 3 thousand", exact(3_000, 1)),
        ("daily ad budget is 100", exact(3_000, 1)),
        ("$36k yearly marketing budget", exact(3_000, 1)),
        ("Google Ads cost 3000", exact(3_000, 1)),
    ] {
        assert_eq!(figures(text).single(Subject::AdSpend), Some(&expected), "{text}");
    }
}

#[test]
fn conversion_rates_are_read_as_percent_share_or_from_visits() {
    for text in [
        "conversion rate 2.5%",
        "2.5% conversion rate",
        "CR: 2,5 %",
        "cvr 2.5 percent",
        "conversion 2.5",
        "conversion_rate = 0.025",
        "we convert at 2.5%",
        "2.5% of our visitors buy",
        "1000 orders from 40k visits",
    ] {
        assert_eq!(figures(text).conversion_rate(), Some(exact(1, 40)), "{text}");
    }
}

#[test]
fn a_whole_line_is_read_in_either_order_and_without_commas() {
    let expected =
        figures("price: 40; COGS: 12; shipping: 5; fees: 3%; CR: 2%; orders: 1200; ad spend: 3000");
    for text in [
        "price 40 cogs 12 shipping 5 fees 3% cr 2% orders 1200 ad spend 3000",
        "40 price, 12 cogs, 5 shipping, 3% fees, 2% conversion rate, 1200 orders, 3k ad spend",
        "40 price 12 cogs 5 shipping 3% fees 2% cr 1200 orders 3000 ad spend",
        "Price\n40\nCOGS\n12\nShipping\n5\nFees\n3%\nCR\n2%\nOrders\n1,200\nAd spend\n3,000",
        "We sell candles for 40, they cost 12 to make and 5 to ship. Fees are 3%. 2% of visitors buy. We \
         spend 3k a month on ads and get 1.2k orders.",
    ] {
        assert_eq!(figures(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_what_to_do() {
    for (text, part) in [
        ("price 40-50", "40-50 is a range. Give me one figure"),
        ("price between 40 and 50", "is a range"),
        ("CR 2 to 3%", "is a range"),
        ("price -40", "-40 is below zero"),
        ("COGS minus 5", "-5 is below zero"),
        ("price -$40", "below zero"),
        ("price 0", "Give me a figure above zero"),
        ("0 orders", "leave it out until"),
        ("ad spend 0", "leave it out if you do not advertise"),
        ("price 99999999999999999999", "more than I can believe"),
        ("price 20m", "more than I can believe"),
        ("conversion rate 250%", "stay below 100%"),
        ("fees 120%", "stay below 100%"),
        ("fees 39 a month", "I need it per order"),
        ("price 1,2,3", "cannot tell how that number is meant"),
        ("price $40, COGS 12 €", "Convert everything to one currency"),
    ] {
        let said = refusal(text);
        assert!(said.contains(part), "{text}: {said}");
    }
}

#[test]
fn a_number_without_a_label_answers_only_a_single_question() {
    let asked = [Subject::ConversionRate];
    assert_eq!(read("2.5%", &asked).figures.conversion_rate(), Some(exact(1, 40)));
    assert_eq!(
        read("2.5%", &[Subject::Price, Subject::ConversionRate]).figures,
        Figures::default()
    );
    assert_eq!(read("12 maybe 13", &asked).unplaced, ["12", "13"]);
}

#[test]
fn numbers_about_other_things_are_named_and_not_used() {
    let reading = read("ROAS 3, price 40, discount 5%, founded in 2019", &[]);
    assert_eq!(reading.figures, figures("price 40"));
    assert_eq!(reading.unplaced, ["3", "5%", "2019"]);
}

#[test]
fn later_figures_win_and_silence_keeps_the_earlier_ones() {
    let mut known = figures("price $40, COGS 12, payment fees 3%, platform fees 10%");
    known.merge(figures("price 44, fees 5%"));
    assert_eq!(known.single(Subject::Price), Some(&exact(44, 1)));
    assert_eq!(known.cost(Component::Goods), Some(fixed(exact(12, 1))));
    assert_eq!(
        known.cost(Component::Fees),
        Some(Cost { fixed: exact(0, 1), share: exact(5, 100) })
    );
    assert_eq!(known.currency, Some(crate::money::Currency::Dollar));
}

#[test]
fn the_figures_of_a_plan_are_read_beside_those_of_the_shop() {
    for (text, subject, expected) in [
        ("returns 8%", Subject::Returns, exact(8, 100)),
        ("8% of orders are returned", Subject::Returns, exact(8, 100)),
        ("no returns", Subject::Returns, exact(0, 1)),
        ("our CPA is $25", Subject::Cpa, exact(25, 1)),
        ("bid cap $22", Subject::CpaCap, exact(22, 1)),
        ("max CPA 22", Subject::CpaCap, exact(22, 1)),
        ("infinite budget of $1 million", Subject::CampaignBudget, exact(1_000_000, 1)),
        ("CPM $18", Subject::Cpm, exact(18, 1)),
        ("12 video editors", Subject::Candidates, exact(12, 1)),
        ("12 editors at $150 per test", Subject::TestFee, exact(150, 1)),
        ("paid test fee $150", Subject::TestFee, exact(150, 1)),
        ("3 creatives each", Subject::Creatives, exact(3, 1)),
        ("hires: 2", Subject::Winners, exact(2, 1)),
        ("20k listicle visits a month", Subject::PageVisits, exact(20_000, 1)),
        ("listicle traffic 240k a year", Subject::PageVisits, exact(20_000, 1)),
        ("click-through 30%", Subject::ClickThrough, exact(3, 10)),
        ("listicle conversion 4%", Subject::PageConversion, exact(4, 100)),
        ("affiliate payout $8", Subject::Payout, exact(8, 1)),
        ("the #1 slot sells for $3,000 a month", Subject::SlotPrice, exact(3_000, 1)),
        ("slot price 3k", Subject::SlotPrice, exact(3_000, 1)),
    ] {
        assert_eq!(figures(text).single(subject), Some(&expected), "{text}");
    }
}

#[test]
fn a_cpm_effect_is_one_figure_or_a_range() {
    for text in ["CPM effect 40-50%", "40 to 50% lower CPMs", "cpm drop 40%-50%"] {
        let figures = figures(text);
        assert_eq!(figures.single(Subject::CpmEffect), Some(&exact(4, 10)), "{text}");
        assert_eq!(figures.cpm_effect_high, Some(exact(5, 10)), "{text}");
    }
    let mut known = figures("CPM effect 40-50%");
    known.merge(figures("CPM effect 45%"));
    assert_eq!(known.single(Subject::CpmEffect), Some(&exact(45, 100)));
    assert_eq!(known.cpm_effect_high, None);
    assert!(refusal("CPM effect 50-40%").contains("is a range"));
    assert!(refusal("CPM effect 40-150%").contains("stay below 100%"));
}

#[test]
fn words_of_a_plan_take_no_figures_of_the_shop() {
    assert_eq!(figures("we sell a test kit for $20").single(Subject::Price), Some(&exact(20, 1)));
    let rate = figures("400 orders from 20k organic visits").conversion_rate();
    assert_eq!(rate, Some(exact(1, 50)));
}

#[test]
fn people_are_counted_whole() {
    assert!(refusal("2.5 editors").contains("cannot tell how that number is meant"));
    assert!(refusal("editors: 0").contains("above zero"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,200}") {
        let _ = read(&text, &[]);
    }

    #[test]
    fn words_numbers_and_marks_in_any_mix_are_read_without_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "price", "cogs", "fees", "no", "-", "–", "to", "and", "+", "%", "$", "€", "k", " ", " ", "\n", ",",
                ".", "1", "000", "2.9", "a month", "between", "shipping", "cost", "minus", "½", "İ", "c",
            ]),
            0..60,
        ),
    ) {
        let _ = read(&parts.concat(), &[Subject::Price]);
    }

    #[test]
    fn every_amount_survives_being_written_with_separators(cents in 1_i64..100_000_000) {
        let text = crate::money::money(&exact(cents, 100), None, crate::money::Rounding::Nearest);
        let european = text.replace(',', "'").replace('.', ",").replace('\'', ".");
        for text in [format!("price {text}"), format!("{text} price"), format!("price: €{european}")] {
            let read = figures(&text);
            prop_assert_eq!(read.single(Subject::Price), Some(&exact(cents, 100)), "{}", text);
        }
    }

    #[test]
    fn the_order_of_the_figures_does_not_matter(
        parts in Just(vec!["price 40", "12 cogs", "shipping: 5", "3% fees", "CR 2%", "1200 orders a month"])
            .prop_shuffle(),
    ) {
        let expected = figures("price 40, cogs 12, shipping 5, fees 3%, CR 2%, orders 1200");
        prop_assert_eq!(figures(&parts.join(", ")), expected.clone());
        prop_assert_eq!(figures(&parts.join("\n")), expected);
    }
}
