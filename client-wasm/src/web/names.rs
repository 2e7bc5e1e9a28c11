//! JavaScript strings for the few names the core uses.

use std::cell::RefCell;

use wasm_bindgen::JsValue;

/// Enough for every field the core reads and every state it writes.
const NAMES_MAX: usize = 96;

thread_local! {
    static NAMES: RefCell<Vec<(Box<str>, JsValue)>> = const { RefCell::new(Vec::new()) };
}

/// The JavaScript string of a name. Decoding one costs more than finding it again.
pub(super) fn name(text: &str) -> JsValue {
    NAMES.with_borrow_mut(|names| {
        if let Some((_, found)) = names.iter().find(|(known, _)| **known == *text) {
            return found.clone();
        }
        let made = JsValue::from_str(text);
        if names.len() < NAMES_MAX {
            names.push((text.into(), made.clone()));
        }
        made
    })
}
