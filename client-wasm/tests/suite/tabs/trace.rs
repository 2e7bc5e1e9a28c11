//! What happened, to compare two runs and to read when one failed.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use durable_sessions_client::core::{Cargo, Input, Output};
use serde_json::Value;

use super::tab::TabId;

/// Lines kept for the reader of a failure. `TABS_TRACE` prints all of them as they come.
const LINES_MAX: usize = 40;
/// What of a line is worth reading.
const LINE_MAX_CHARS: usize = 220;

#[derive(Debug)]
pub(super) struct Trace {
    hasher: DefaultHasher,
    lines: VecDeque<String>,
    is_loud: bool,
    inputs: u64,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self {
            hasher: DefaultHasher::new(),
            lines: VecDeque::new(),
            is_loud: std::env::var_os("TABS_TRACE").is_some(),
            inputs: 0,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are short")]
    pub(super) fn input(&mut self, now: u64, tab: TabId, input: &Input<Value>) {
        self.inputs += 1;
        let what = match input {
            // Noted as it came.
            Input::Frame { socket, .. } => format!("Frame on {socket}"),
            Input::Message { head, cargo } => format!("Message {head}{}", kind(cargo.as_ref())),
            input => format!("{input:?}"),
        };
        self.note(now, &format!("{}   <- {what}", tab.0));
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are short")]
    pub(super) fn output(&mut self, now: u64, tab: TabId, output: &Output<Value>) {
        let what = match output {
            Output::Patches { session, offset, .. } => format!("Patches of {session} to {offset}"),
            Output::Events { session, first, last, .. } => {
                format!("Events of {session}, {first} to {last}")
            }
            Output::Batch { session, reader, first, last, .. } => {
                format!("Batch of {session} for {reader}, {first} to {last}")
            }
            Output::Post { head, cargo: Cargo::None } => format!("Post {head}"),
            Output::Post { head, cargo: Cargo::Frame(frame) } => {
                format!("Post {head}{}", kind(Some(frame)))
            }
            Output::Transmit { socket, text } => format!("Transmit on {socket}: {text}"),
            output => format!("{output:?}"),
        };
        self.note(now, &format!("{}   -> {what}", tab.0));
    }

    pub(super) fn note(&mut self, now: u64, what: &str) {
        (now, what).hash(&mut self.hasher);
        let line: String = what.chars().take(LINE_MAX_CHARS).collect();
        let line = format!("{now:>8} {line}");
        if self.is_loud {
            eprintln!("{line}");
            return;
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The same for two runs in which the same happened.
    pub(super) fn digest(&self) -> u64 {
        self.hasher.finish()
    }
}

fn kind(cargo: Option<&Value>) -> String {
    match cargo {
        Some(Value::String(text)) => format!(" {text}"),
        Some(frame) => {
            let (first, last) = (&frame["first"], &frame["last"]);
            format!(" with {} of {}, {first} to {last}", frame["type"], frame["session"])
        }
        None => String::new(),
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in &self.lines {
                eprintln!("{line}");
            }
            eprintln!("after {} steps", self.inputs);
        }
    }
}
