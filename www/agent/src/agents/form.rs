//! Asking for figures that a specialist cannot do without.

use durable_sessions_demo_agent::Brief;
use durable_sessions_demo_agent::plan::{Need, Specialist};
use serde_json::{Value, json};

/// The body of the ask: a field for each figure, whose name is the words it is read again by.
pub(super) fn ask(specialist: Specialist, needs: &[Need]) -> Value {
    let fields: Vec<Value> = needs
        .iter()
        .map(|need| {
            json!({"name": need.name(), "label": need.label(), "type": "text", "unit": need.unit()})
        })
        .collect();
    json!({
        "type": "form",
        "title": format!("{} needs {}", specialist.name(), names(needs)),
        "detail": "Leave a field empty if you cannot say.",
        "fields": fields,
        "submit": "Send",
    })
}

/// Takes over what was filled in, `{name: text or number}`. Answers what was changed.
pub(super) fn fill(brief: &mut Brief, needs: &[Need], answer: &Value) -> Vec<String> {
    let mut changed = Vec::new();
    for need in needs {
        let text = match answer.get(need.name()) {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
                continue;
            }
        };
        changed.extend(brief.steer(&format!("{} {text}", need.name())).changed);
    }
    changed
}

/// `ad spend and CPA`.
pub(super) fn names(needs: &[Need]) -> String {
    needs.iter().map(|need| need.name()).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "price 40, COGS 12, no shipping, fees 3%, conversion rate 2%";

    #[test]
    fn what_is_filled_in_is_what_was_missing() {
        let mut brief = Brief::of([SHOP]);
        let needs = brief.report(Specialist::BidCap).unwrap_err();
        let body = ask(Specialist::BidCap, &needs);
        assert_eq!(body["title"], "bid-cap needs ad spend and CPA");
        assert_eq!(body["fields"][0]["unit"], "money");
        let changed = fill(&mut brief, &needs, &json!({"ad spend": " $30k ", "CPA": 25}));
        assert_eq!(changed, ["ad spend $30,000.00 a month", "CPA $25.00"]);
        assert!(brief.report(Specialist::BidCap).is_ok());
    }

    #[test]
    fn empty_fields_and_other_answers_change_nothing() {
        let mut brief = Brief::of([SHOP]);
        let needs = brief.report(Specialist::BidCap).unwrap_err();
        for answer in [json!({"CPA": ""}), json!(null), json!("12"), json!({"CPA": true})] {
            assert_eq!(fill(&mut brief, &needs, &answer), [""; 0], "{answer}");
        }
    }
}
