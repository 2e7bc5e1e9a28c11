//! JavaScript strings for the few names the core uses.

use std::cell::RefCell;

use wasm_bindgen::JsValue;

thread_local! {
    /// One for each name in the code, which bounds them.
    static NAMES: RefCell<Vec<(&'static str, JsValue)>> = const { RefCell::new(Vec::new()) };
}

/// The JavaScript string of a name. Decoding one costs more than finding it again.
#[inline(never)]
pub(super) fn name(text: &'static str) -> JsValue {
    NAMES.with(|names| {
        let Ok(mut names) = names.try_borrow_mut() else { return JsValue::from_str(text) };
        for (known, value) in names.iter() {
            if std::ptr::eq(*known, text) {
                return value.clone();
            }
        }
        let made = JsValue::from_str(text);
        names.push((text, made.clone()));
        made
    })
}
