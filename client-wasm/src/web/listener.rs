//! Whom the driver tells.

use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// The facade's object. It is called while nothing is borrowed. An exception it throws is
    /// dropped: the next call finds the driver as if nothing happened.
    #[derive(Debug, Clone)]
    pub type Listener;

    /// The connection's status, when the next attempt is due (ms since the epoch), and why.
    #[wasm_bindgen(method, catch)]
    pub(super) fn status(
        this: &Listener,
        status: &str,
        retry_at: Option<f64>,
        problem: &JsValue,
    ) -> Result<(), JsValue>;

    /// A session's status, and why it is closed.
    #[wasm_bindgen(method, catch)]
    pub(super) fn session(
        this: &Listener,
        session: &str,
        status: &str,
        problem: &JsValue,
    ) -> Result<(), JsValue>;

    /// The session has another log: start over.
    #[wasm_bindgen(method, catch)]
    pub(super) fn reset(this: &Listener, session: &str, log: &str) -> Result<(), JsValue>;

    /// Changes of the transcript; see [`super::encode`].
    #[wasm_bindgen(method, catch)]
    pub(super) fn patches(
        this: &Listener,
        session: &str,
        log: &str,
        offset: f64,
        patches: &Array,
    ) -> Result<(), JsValue>;

    /// The events of the patches before.
    #[wasm_bindgen(method, catch)]
    pub(super) fn events(
        this: &Listener,
        session: &str,
        first: f64,
        last: f64,
        events: &Array,
    ) -> Result<(), JsValue>;

    /// An act is durable; a stop comes with the runs it fenced.
    #[wasm_bindgen(method, catch)]
    pub(super) fn sent(
        this: &Listener,
        session: &str,
        id: &str,
        offset: f64,
        runs: &Array,
    ) -> Result<(), JsValue>;

    /// An act was refused.
    #[wasm_bindgen(method, catch)]
    pub(super) fn refused(
        this: &Listener,
        session: &str,
        id: &str,
        problem: &JsValue,
    ) -> Result<(), JsValue>;

    /// An attempt needs a token: to be answered by `token` or `tokenFailed`.
    #[wasm_bindgen(method, catch)]
    pub(super) fn token(this: &Listener, attempt: u32) -> Result<(), JsValue>;
}
