//! JSON as the browser parsed it.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::offset::Offset;
use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use super::names::name;

/// A value that `JSON.parse` made. It is passed through untouched; only fields the core needs are
/// read.
#[derive(Debug, Clone, PartialEq)]
pub struct JsNode(pub JsValue);

impl Node for JsNode {
    fn as_text(&self) -> Option<String> {
        self.0.as_string()
    }

    fn field(&self, field: &str) -> Option<Self> {
        // An error: the value is not an object.
        let value = Reflect::get(&self.0, &name(field)).ok()?;
        (!value.is_null() && !value.is_undefined()).then_some(Self(value))
    }

    fn text(&self, field: &str) -> Option<String> {
        self.field(field)?.as_text()
    }

    fn number(&self, field: &str) -> Option<u64> {
        let number = self.field(field)?.0.as_f64()?;
        let is_whole = number >= 0.0 && number <= max_number() && number.trunc() == number;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 2^53 - 1"
        )]
        is_whole.then_some(number as u64)
    }

    fn items(self) -> Vec<Self> {
        match self.0.dyn_into::<Array>() {
            Ok(items) => items.iter().map(Self).collect(),
            Err(_) => Vec::new(),
        }
    }

    fn from_text(text: &str) -> Self {
        Self(name(text))
    }
}

fn max_number() -> f64 {
    number(Offset::MAX.as_u64())
}

/// A count or time as JavaScript has it.
#[expect(clippy::cast_precision_loss, reason = "offsets and times are below 2^53")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}
