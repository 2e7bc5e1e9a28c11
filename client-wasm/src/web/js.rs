//! What the driver uses of JavaScript.
//!
//! Declared here and not taken from js-sys and web-sys, whose closures of all kinds stay in the module
//! whether they are used or not: 1.4 KB gzip.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// An array.
    #[derive(Debug, Clone)]
    pub type Array;
    /// An empty array.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Array;
    #[wasm_bindgen(static_method_of = Array, js_name = isArray)]
    pub(super) fn is_array(value: &JsValue) -> bool;
    /// Adds an item.
    #[wasm_bindgen(method)]
    pub fn push(this: &Array, value: &JsValue);
    /// How many items there are.
    #[wasm_bindgen(method, getter)]
    pub fn length(this: &Array) -> u32;
    /// An item; `undefined` where none is.
    #[wasm_bindgen(method, indexing_getter)]
    pub fn get(this: &Array, index: u32) -> JsValue;

    pub(super) type Function;

    #[wasm_bindgen(catch, js_namespace = Reflect)]
    pub(super) fn construct(class: &JsValue, arguments: &Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = Date)]
    pub(super) fn now() -> f64;

    /// The text stays on JavaScript's side.
    #[wasm_bindgen(catch, js_namespace = JSON)]
    pub(super) fn parse(text: &JsValue) -> Result<Option<JsValue>, JsValue>;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(super) fn set_timeout(fire: &Function, pause_ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    pub(super) fn clear_timeout(timer: &JsValue);

    pub(super) type WebSocket;
    #[wasm_bindgen(method, catch)]
    pub(super) fn send(this: &WebSocket, text: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    pub(super) fn close(this: &WebSocket, code: u16) -> Result<(), JsValue>;

    pub(super) type EventTarget;
    #[wasm_bindgen(method, catch, js_name = addEventListener)]
    pub(super) fn add_event_listener(
        this: &EventTarget,
        event: &str,
        listener: &Function,
    ) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = removeEventListener)]
    pub(super) fn remove_event_listener(
        this: &EventTarget,
        event: &str,
        listener: &Function,
    ) -> Result<(), JsValue>;
}
