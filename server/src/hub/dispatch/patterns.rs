//! Which sessions a worker serves.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::id::SessionId;

use crate::limits::SERVE_PATTERNS_MAX;

/// Session names and prefixes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(Option<Vec<Pattern>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Name(SessionId),
    Prefix(String),
}

impl Patterns {
    /// Every session.
    pub const ALL: Self = Self(None);

    /// Reads names, or prefixes that end in `*`; `None` stands for all sessions. Refused `invalid`
    /// when there is none, there are too many, or one names no session that could be.
    pub fn parse(texts: Option<&[String]>) -> Result<Self, Problem> {
        let Some(texts) = texts else { return Ok(Self::ALL) };
        if texts.is_empty() || texts.len() > SERVE_PATTERNS_MAX {
            return Err(invalid(format!(
                "`sessions` has 1 to {SERVE_PATTERNS_MAX} names: leave it out for all sessions"
            )));
        }
        texts.iter().map(|text| pattern(text)).collect::<Result<_, _>>().map(Some).map(Self)
    }

    pub(super) fn match_session(&self, session: &SessionId) -> bool {
        let Some(patterns) = &self.0 else { return true };
        patterns.iter().any(|pattern| match pattern {
            Pattern::Name(name) => name == session,
            Pattern::Prefix(prefix) => session.as_str().starts_with(prefix),
        })
    }
}

fn pattern(text: &str) -> Result<Pattern, Problem> {
    let wrong = |error| {
        invalid(format!(
            "{text:?} in `sessions` {error}: write a session's id, or its beginning and a `*`"
        ))
    };
    match text.strip_suffix('*') {
        Some("") => Ok(Pattern::Prefix(String::new())),
        // What no session's id can begin with would wait for ever.
        Some(prefix) => match SessionId::parse(prefix) {
            Ok(_) => Ok(Pattern::Prefix(prefix.to_owned())),
            Err(error) => Err(wrong(error)),
        },
        None => SessionId::parse(text).map(Pattern::Name).map_err(wrong),
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(ErrorCode::Invalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Patterns, Problem> {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        Patterns::parse(Some(&texts))
    }

    #[test]
    fn a_name_is_itself_and_a_prefix_all_that_begin_with_it() {
        let patterns = parse(&["shop-*", "demo"]).unwrap();
        let matched = |text| patterns.match_session(&SessionId::parse(text).unwrap());
        assert!(matched("shop-") && matched("shop-1") && matched("demo"));
        assert!(!matched("shop") && !matched("demo-1") && !matched("a-demo"));
        let everything = SessionId::parse("s").unwrap();
        assert!(parse(&["*"]).unwrap().match_session(&everything));
        assert!(Patterns::ALL.match_session(&everything));
    }

    #[test]
    fn what_no_session_can_match_is_refused() {
        let long = "s".repeat(129);
        let many = vec!["s"; SERVE_PATTERNS_MAX + 1];
        for wrong in
            [&[][..], &[""], &["a b"], &["a*b"], &["**"], &["ü*"], &["demo", "/"], &[&long], &many]
        {
            assert_eq!(parse(wrong).unwrap_err().code, ErrorCode::Invalid, "{wrong:?}");
        }
    }
}
