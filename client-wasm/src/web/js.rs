//! What JavaScript has, as far as the driver uses it.
//!
//! It is declared here rather than taken from `js-sys` and `web-sys`: a module that links those keeps
//! in its table a function for each kind of callback they know, which nothing ever calls.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// Any value but `null` and `undefined`: to read a field of it never throws.
    pub(super) type Fields;

    #[wasm_bindgen(method, structural, indexing_getter)]
    pub(super) fn get(this: &Fields, name: &JsValue) -> Option<JsValue>;

    /// An array.
    #[derive(Debug, Clone)]
    pub type Array;

    #[wasm_bindgen(constructor)]
    pub(super) fn new() -> Array;
    #[wasm_bindgen(method)]
    pub(super) fn push(this: &Array, value: &JsValue);
    /// How many items it has.
    #[wasm_bindgen(method, getter)]
    pub fn length(this: &Array) -> u32;
    /// An item; `undefined` behind the last one.
    #[wasm_bindgen(method, indexing_getter)]
    pub fn get(this: &Array, index: u32) -> JsValue;
    #[wasm_bindgen(static_method_of = Array, js_name = isArray)]
    pub(super) fn is_array(value: &JsValue) -> bool;

    /// The text stays on JavaScript's side. Throws for what is none, or no JSON.
    #[wasm_bindgen(catch, js_namespace = JSON, js_name = parse)]
    pub(super) fn parse_json(text: &JsValue) -> Result<Option<JsValue>, JsValue>;

    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    pub(super) fn wall_clock_ms() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    pub(super) fn set_timeout(handler: &JsValue, pause_ms: u32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    pub(super) fn clear_timeout(timer: &JsValue);

    /// What events are heard from, if it tells any: then it throws nothing.
    pub(super) type EventTarget;

    #[wasm_bindgen(catch, method, js_name = addEventListener)]
    pub(super) fn listen(this: &EventTarget, event: &str, handler: &JsValue)
    -> Result<(), JsValue>;
    #[wasm_bindgen(catch, method, js_name = removeEventListener)]
    pub(super) fn ignore(this: &EventTarget, event: &str, handler: &JsValue)
    -> Result<(), JsValue>;

    /// A socket of the browser's class, or of another of the same shape.
    #[derive(Clone)]
    pub(super) type WebSocket;

    #[wasm_bindgen(catch, js_namespace = Reflect, js_name = construct)]
    pub(super) fn construct(class: &JsValue, arguments: &Array) -> Result<WebSocket, JsValue>;
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_onopen(this: &WebSocket, handler: &JsValue);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_onmessage(this: &WebSocket, handler: &JsValue);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_onclose(this: &WebSocket, handler: &JsValue);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_onerror(this: &WebSocket, handler: &JsValue);
    #[wasm_bindgen(catch, method)]
    pub(super) fn send(this: &WebSocket, text: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(catch, method)]
    pub(super) fn close(this: &WebSocket, code: u16) -> Result<(), JsValue>;

    /// The channel of a name, to all of this origin but itself.
    pub(super) type BroadcastChannel;

    #[wasm_bindgen(catch, constructor)]
    pub(super) fn open(name: &str) -> Result<BroadcastChannel, JsValue>;
    #[wasm_bindgen(method, setter, js_name = onmessage)]
    pub(super) fn set_handler(this: &BroadcastChannel, handler: &JsValue);
    #[wasm_bindgen(catch, method, js_name = postMessage)]
    pub(super) fn post(this: &BroadcastChannel, message: &Array) -> Result<(), JsValue>;
    #[wasm_bindgen(method, js_name = close)]
    pub(super) fn leave(this: &BroadcastChannel);
}
