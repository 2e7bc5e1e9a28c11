//! `docs/PROTOCOL.md` tells what the code does: its tables, its examples and its numbers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use durable_sessions_protocol::close;
use durable_sessions_protocol::error::ErrorCode;

use crate::fixtures::{self, Raw};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    std::fs::read_to_string(root().join("docs/PROTOCOL.md")).unwrap()
}

/// The cells of the table rows whose first one is code.
fn rows(document: &str) -> Vec<Vec<String>> {
    let rows = document.lines().filter(|line| line.starts_with("| "));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn its_error_table_is_the_codes() {
    let document = document();
    let rows = rows(&document);
    for code in ErrorCode::ALL {
        let name = format!("`{code}`");
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(row[1], code.status().to_string(), "{code}");
        assert_eq!(row[2], if code.retryable() { "yes" } else { "no" }, "{code}");
    }
}

#[test]
fn its_close_codes_are_the_codes() {
    let document = document();
    let told: Vec<u16> = rows(&document).iter().filter_map(|row| row[0].parse().ok()).collect();
    let codes = [
        close::HEARTBEAT,
        close::HELLO_TIMEOUT,
        close::DRAINING,
        close::QUEUE_FULL,
        close::UNAVAILABLE,
        close::UNAUTHORIZED,
        close::MALFORMED,
        close::HELLO_REFUSED,
        close::HELLO_TWICE,
        close::TOO_LARGE,
        close::REPLACED,
    ];
    assert_eq!(told, codes);
}

#[test]
fn its_examples_are_the_fixtures() {
    let mut known = BTreeSet::new();
    for side in ["wire/frames/client", "wire/frames/server"] {
        for (_, fixture) in fixtures::all::<Frames>(side) {
            known.extend(fixture.written.iter().map(|frame| frame.get().to_owned()));
        }
    }
    for (_, fixture) in fixtures::all::<Events>("wire/events") {
        known.extend(fixture.cases.iter().map(|case| case.stored.get().to_owned()));
    }
    let document = document();
    let blocks = document.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let examples: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(examples.len() > 20);
    for example in examples {
        assert!(known.contains(example), "no fixture is {example}");
    }
}

#[derive(serde::Deserialize)]
struct Frames {
    #[serde(default)]
    written: Vec<Raw>,
}

#[derive(serde::Deserialize)]
struct Events {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    stored: Raw,
}

#[test]
fn its_rules_are_numbered_in_order_and_tests_cite_only_those() {
    let document = document();
    let rules: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("- **DS-")?.split("**").next())
        .collect();
    let mut wanted = (0, 0);
    for rule in &rules {
        let (section, number) = rule.split_once('.').unwrap();
        let is = (section.parse::<u32>().unwrap(), number.parse::<u32>().unwrap());
        wanted = if is.0 == wanted.0 { (wanted.0, wanted.1 + 1) } else { (wanted.0 + 1, 1) };
        assert_eq!(is, wanted, "after {rules:?}");
    }
    // References within the document and in the tests beside this one.
    let mut texts = vec![document.clone()];
    for file in std::fs::read_dir(root().join("protocol/tests/protocol")).unwrap() {
        texts.push(std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    for text in &texts {
        for reference in text.split("DS-").skip(1) {
            let reference: String =
                reference.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            let reference = reference.trim_end_matches('.');
            if reference.contains('.') {
                assert!(rules.contains(&reference), "there is no DS-{reference}");
            }
        }
    }
}
