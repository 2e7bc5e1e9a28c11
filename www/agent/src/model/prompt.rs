//! What a model is asked.

use serde_json::json;

/// Longest question that is passed on, in characters.
const QUESTION_MAX_CHARS: usize = 8_000;

/// A question with the facts to answer it by.
#[derive(Debug)]
pub(crate) struct Prompt {
    system: String,
    user: String,
}

impl Prompt {
    pub(crate) fn new(agent: &str, question: &str, facts: &str) -> Self {
        let system = format!(
            "You are the agent `{agent}` of a growth copilot for a small ecommerce brand. All figures were worked out \
             for you and stand below as facts. Word them for the owner of the shop, short and plain. Use each figure \
             exactly as it is written, work out no others and promise nothing. Keep what is assumed marked as \
             assumed. Answer in plain text; a Markdown pipe table may stay one.\n\nFacts:\n{facts}"
        );
        let user = question.chars().take(QUESTION_MAX_CHARS).collect();
        Self { system, user }
    }

    /// The JSON of the request.
    pub(super) fn body(&self, model: &str) -> String {
        json!({
            "model": model,
            "stream": true,
            "messages": [
                {"role": "system", "content": self.system},
                {"role": "user", "content": self.user},
            ],
        })
        .to_string()
    }
}
