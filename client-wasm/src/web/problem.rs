//! Errors on their way to JavaScript. They are rare, so here a serializer may work.

use durable_sessions_protocol::error::{Problem, SideEffects};
use serde::Serialize;
use wasm_bindgen::JsValue;

#[derive(Serialize)]
struct Out<'a> {
    code: &'a str,
    detail: &'a str,
    retryable: bool,
    side_effects: &'a str,
    retry_after_ms: Option<u32>,
}

/// The facade's `Problem`; `undefined` for none.
pub(super) fn to_js(problem: Option<&Problem>) -> JsValue {
    let out = problem.map(|problem| Out {
        code: problem.code.as_str(),
        detail: &problem.detail,
        retryable: problem.code.retryable(),
        side_effects: match problem.side_effects {
            SideEffects::None => "none",
            SideEffects::Unknown => "unknown",
        },
        retry_after_ms: problem.retry_after_ms.and_then(|pause| u32::try_from(pause).ok()),
    });
    serde_wasm_bindgen::to_value(&out).unwrap_or_default()
}
