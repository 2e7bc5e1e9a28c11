//! Cutting an answer into the pieces it is streamed in.

use std::iter;

/// Longest token in characters, so that one long word never arrives as one jump.
const TOKEN_MAX_CHARS: usize = 16;

/// Cuts `text` into tokens about the size a language model emits: a word or a number with the
/// spaces before it, a run of one punctuation mark, a line break. Joined, they are `text` again.
pub fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    iter::from_fn(move || {
        let (token, after) = rest.split_at(token_len(rest));
        rest = after;
        (!token.is_empty()).then_some(token)
    })
}

/// Length in bytes of the first token of `text`; 0 only when `text` is empty.
fn token_len(text: &str) -> usize {
    let spaces = text.len() - text.trim_start_matches(' ').len();
    let body = text.get(spaces..).unwrap_or_default();
    let Some(first) = body.chars().next() else { return spaces };
    if first == '\n' {
        // The spaces before a line break are their own token, the break starts the next.
        return if spaces > 0 { spaces } else { 1 };
    }
    let mut previous = first;
    let chars = body.char_indices().skip(1).take(TOKEN_MAX_CHARS - 1);
    for (at, c) in chars {
        let next_is_digit = body.get(at + c.len_utf8()..).is_some_and(starts_with_digit);
        if !joins(previous, c, next_is_digit) {
            return spaces + at;
        }
        previous = c;
    }
    let longest = body.char_indices().nth(TOKEN_MAX_CHARS).map_or(body.len(), |(at, _)| at);
    spaces + longest
}

fn joins(previous: char, c: char, next_is_digit: bool) -> bool {
    let within_number = matches!(c, '.' | ',') && previous.is_ascii_digit() && next_is_digit;
    let after_separator = matches!(previous, '.' | ',') && c.is_ascii_digit();
    let word = previous.is_alphanumeric() && c.is_alphanumeric();
    let run = !c.is_alphanumeric() && !c.is_whitespace() && c == previous;
    within_number || after_separator || word || run
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        tokens(text).collect()
    }

    #[test]
    fn words_keep_the_space_before_them_and_numbers_stay_whole() {
        assert_eq!(cut("a CPA of $1,234.50."), ["a", " CPA", " of", " $", "1,234.50", "."]);
    }

    #[test]
    fn a_table_rule_is_cut_into_short_runs() {
        assert_eq!(cut("|---:|\n"), ["|", "---", ":", "|", "\n"]);
    }

    #[test]
    fn nothing_yields_no_token() {
        assert_eq!(cut(""), [""; 0]);
    }

    proptest! {
        #[test]
        fn joined_tokens_are_the_text_and_none_is_empty_or_long(text in "(\\PC|[ \\n\\t.,|$0-9]){0,200}") {
            prop_assert_eq!(tokens(&text).collect::<String>(), text.as_str());
            for token in tokens(&text) {
                prop_assert!(!token.is_empty());
                prop_assert!(token.trim_start_matches(' ').chars().count() <= TOKEN_MAX_CHARS);
            }
        }
    }
}
