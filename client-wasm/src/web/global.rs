//! What the page, the worker or Node has.

use durable_sessions_protocol::fold::Node;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::node::JsNode;

#[wasm_bindgen]
extern "C" {
    // `js_sys::global` looks in four places, for browsers that had no WebAssembly either.
    #[wasm_bindgen(thread_local_v2, js_name = globalThis)]
    static GLOBAL_THIS: JsValue;
}

/// The global object itself.
pub(super) fn global() -> JsNode {
    GLOBAL_THIS.with(|global| JsNode(global.clone()))
}

/// Something global, such as `document`, where there is one.
pub(super) fn field(name: &str) -> Option<JsNode> {
    global().field(name)
}
