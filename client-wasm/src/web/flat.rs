//! Flat arrays: how everything reaches the facade. A number first, then the fields.

use js_sys::Array;
use wasm_bindgen::JsValue;

use super::names::name;
use super::node::{JsNode, number};

/// An array that is being filled.
pub(super) struct Flat(Array);

impl Flat {
    pub(super) fn new() -> Self {
        Self(Array::new())
    }

    pub(super) fn into_array(self) -> Array {
        self.0
    }

    #[inline(never)]
    pub(super) fn number(&self, value: u64) -> &Self {
        self.push(&number(value).into())
    }

    pub(super) fn place(&self, place: usize) -> &Self {
        self.number(place as u64)
    }

    /// A text of which there are few, such as a state.
    #[inline(never)]
    pub(super) fn name(&self, text: &'static str) -> &Self {
        self.push(&name(text))
    }

    #[inline(never)]
    pub(super) fn text(&self, text: &str) -> &Self {
        self.push(&JsValue::from_str(text))
    }

    pub(super) fn node(&self, node: &JsNode) -> &Self {
        self.push(&node.0)
    }

    /// `undefined` for none.
    #[inline(never)]
    pub(super) fn maybe(&self, node: Option<&JsNode>) -> &Self {
        self.push(node.map_or(&JsValue::UNDEFINED, |node| &node.0))
    }

    /// `undefined` for none.
    #[inline(never)]
    pub(super) fn maybe_number(&self, value: Option<u64>) -> &Self {
        match value {
            Some(value) => self.number(value),
            None => self.push(&JsValue::UNDEFINED),
        }
    }

    #[inline(never)]
    pub(super) fn push(&self, value: &JsValue) -> &Self {
        self.0.push(value);
        self
    }
}
