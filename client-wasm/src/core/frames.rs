//! Frames as text, written by hand: the browser build has no serializer.

use durable_sessions_protocol::error::{ErrorCode, Problem, SideEffects};
use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::quote::write_string;

/// A frame that is being written.
#[derive(Debug)]
pub(super) struct Frame(String);

impl Frame {
    pub(super) fn new(frame_type: &str) -> Self {
        let mut text = String::with_capacity(128);
        text.push_str("{\"type\":\"");
        text.push_str(frame_type);
        text.push('"');
        Self(text)
    }

    /// An object that is no frame, with its first field.
    pub(super) fn object(name: &str, value: &str) -> Self {
        let mut text = String::from("{\"");
        text.push_str(name);
        text.push_str("\":");
        write_string(&mut text, value);
        Self(text)
    }

    pub(super) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        field_text(&mut self.0, name, value);
        self
    }

    pub(super) fn number(&mut self, name: &str, value: u64) -> &mut Self {
        field_number(&mut self.0, name, value);
        self
    }

    pub(super) fn optional_number(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            field_number(&mut self.0, name, value);
        }
        self
    }

    /// A field whose value is JSON text already.
    pub(super) fn raw(&mut self, name: &str, open: &str, json: &str, close: &str) -> &mut Self {
        field_name(&mut self.0, name);
        self.0.push_str(open);
        self.0.push_str(json);
        self.0.push_str(close);
        self
    }

    /// The text without its last brace, for somebody else to number the request.
    pub(super) fn open(self) -> String {
        self.0
    }

    /// Goes on with what [`Frame::open`] left open.
    pub(super) const fn reopen(text: String) -> Self {
        Self(text)
    }

    /// The text; the frame is empty after it.
    pub(super) fn end(&mut self) -> String {
        self.0.push('}');
        std::mem::take(&mut self.0)
    }
}

/// Appends `,"name":` to an object that has a field already.
pub(super) fn field_name(out: &mut String, name: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}

/// Appends `,"name":"value"`.
pub(super) fn field_text(out: &mut String, name: &str, value: &str) {
    field_name(out, name);
    write_string(out, value);
}

/// Appends `,"name":value`.
pub(super) fn field_number(out: &mut String, name: &str, value: u64) {
    field_name(out, name);
    write_number(out, value);
}

// `to_string` would bring the standard library's formatting along.
pub(super) fn write_number(out: &mut String, value: u64) {
    if value >= 10 {
        write_number(out, value / 10);
    }
    out.extend(char::from_digit(u32::try_from(value % 10).unwrap_or(0), 10));
}

/// A JSON array of strings, without its brackets.
pub(super) fn strings<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for item in items {
        if !out.is_empty() {
            out.push(',');
        }
        write_string(&mut out, item);
    }
    out
}

/// Reads a problem object. A code this version does not know becomes `unavailable` or `invalid`,
/// by whether it may be tried again.
pub(super) fn problem<N: Node>(node: Option<&N>) -> Problem {
    let text = |name| node.and_then(|node| node.text(name));
    let number = |name| node.and_then(|node| node.number(name));
    let code = text("code").and_then(|code| ErrorCode::parse(&code));
    let code = code.unwrap_or_else(|| {
        let retryable = number("status").is_some_and(|status| matches!(status, 429 | 500..=599));
        if retryable { ErrorCode::Unavailable } else { ErrorCode::Invalid }
    });
    let mut problem = Problem::new(code, text("detail").unwrap_or_default());
    if let Some(status) = number("status").and_then(|status| u16::try_from(status).ok()) {
        problem.status = status;
    }
    if text("side_effects").is_some_and(|effects| effects == "unknown") {
        problem.side_effects = SideEffects::Unknown;
    }
    problem.expected_epoch = number("expected_epoch");
    problem.expected_seq = number("expected_seq");
    problem.retry_after_ms = number("retry_after_ms");
    problem
}
