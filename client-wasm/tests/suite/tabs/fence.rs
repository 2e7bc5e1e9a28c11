//! Whom a tab listens to, seen from outside: while it hears its leader, it asks nobody of a lower
//! term.

use serde_json::Value;

/// A leader silent for this long is none any more.
const SILENCE_MS: u64 = 2_000;
/// What only followers post.
const ASKED: [&str; 6] = ["here", "attach", "detach", "up", "volunteer", "reconnect"];

/// The term and the tab that a follower asked last, and when it heard of it.
#[derive(Debug, Default)]
pub(super) struct Fence(Option<(Term, u64)>);

/// Terms of the same number are told apart by the tab.
type Term = (u64, String);

impl Fence {
    pub(super) fn heard(&mut self, now: u64, head: &Value) {
        let Some((term, heard_at)) = &mut self.0 else { return };
        if head["tab"] != *term.1 {
            return;
        }
        if head["type"] == "bye" {
            self.0 = None;
        } else if head["type"] == "beat" && head["term"] == term.0 {
            *heard_at = now;
        }
    }

    pub(super) fn posted(&mut self, now: u64, head: &Value) {
        let (Some(to), Some(kind)) = (head["to"].as_str(), head["type"].as_str()) else { return };
        if !ASKED.contains(&kind) {
            return;
        }
        let term = (head["term"].as_u64().unwrap(), to.to_owned());
        match &self.0 {
            Some((known, _)) if *known == term => {}
            Some((known, heard_at)) => {
                let is_over = term < *known && now < heard_at + SILENCE_MS;
                assert!(!is_over, "{kind} in term {term:?}, though {known:?} is heard");
                self.0 = Some((term, now));
            }
            None => self.0 = Some((term, now)),
        }
    }

    /// Whether it has told a leader of itself.
    pub(super) const fn follows(&self) -> bool {
        self.0.is_some()
    }

    /// It leads itself, or has left.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}
