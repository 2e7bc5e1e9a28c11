//! JSON as the browser parsed it.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::offset::Offset;
use js_sys::{Array, JsString};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::names::name;

#[wasm_bindgen]
extern "C" {
    /// The text stays on JavaScript's side, where `js_sys::JSON::parse` would copy it in and out.
    #[wasm_bindgen(catch, js_namespace = JSON, js_name = parse)]
    fn parse_json(text: &JsString) -> Result<Option<JsValue>, JsValue>;

    /// Any value but `null` and `undefined`: to read a field of it never throws.
    type Fields;

    #[wasm_bindgen(method, structural, indexing_getter)]
    fn get(this: &Fields, name: &JsValue) -> Option<JsValue>;
}

/// A value that `JSON.parse` made, or another that is neither `null` nor `undefined`. It is passed
/// through untouched; only fields the core needs are read.
#[derive(Debug, Clone, PartialEq)]
pub struct JsNode(pub JsValue);

impl JsNode {
    /// `None` for what is not JSON, and for `null`.
    pub(super) fn parse(text: &JsString) -> Option<Self> {
        parse_json(text).ok().flatten().map(Self)
    }

    /// Whether a field has a value that counts as true.
    pub(super) fn is(&self, field: &'static str) -> bool {
        self.field(field).is_some_and(|value| value.0.is_truthy())
    }
}

impl Node for JsNode {
    fn as_text(&self) -> Option<String> {
        self.0.as_string()
    }

    #[inline(never)]
    fn field(&self, field: &'static str) -> Option<Self> {
        self.0.unchecked_ref::<Fields>().get(&name(field)).map(Self)
    }

    #[inline(never)]
    fn text(&self, field: &'static str) -> Option<String> {
        self.field(field)?.as_text()
    }

    #[inline(never)]
    fn number(&self, field: &'static str) -> Option<u64> {
        let number = self.field(field)?.0.as_f64()?;
        let is_whole = number >= 0.0 && number <= max_number() && number.trunc() == number;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 2^53 - 1"
        )]
        is_whole.then_some(number as u64)
    }

    #[inline(never)]
    fn items(self) -> Vec<Self> {
        let mut items = Vec::new();
        if Array::is_array(&self.0) {
            let array = self.0.unchecked_ref::<Array>();
            for index in 0..array.length() {
                let item = array.get(index);
                // What may be `null` must not become a node. `false` has no fields either.
                items.push(Self(if item.is_null() { JsValue::FALSE } else { item }));
            }
        }
        items
    }

    fn from_text(text: &'static str) -> Self {
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
