//! Errors on their way to JavaScript.

use durable_sessions_protocol::error::{Problem, SideEffects};
use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

use super::names::name;
use super::node::number;

/// The facade's `Problem`. By hand, since a serializer for this one shape
/// would be a tenth of the whole module.
pub(super) fn to_js(problem: &Problem) -> JsValue {
    let out = Object::new();
    let set = |field: &str, value: JsValue| {
        // An error: the object is frozen, which a new one is not.
        let _: Result<bool, JsValue> = Reflect::set(&out, &name(field), &value);
    };
    set("code", name(problem.code.as_str()));
    set("detail", JsValue::from_str(&problem.detail));
    set("retryable", problem.code.retryable().into());
    if problem.side_effects == SideEffects::Unknown {
        set("side_effects", name("unknown"));
    }
    if let Some(pause) = problem.retry_after_ms {
        set("retry_after_ms", number(pause).into());
    }
    out.into()
}
