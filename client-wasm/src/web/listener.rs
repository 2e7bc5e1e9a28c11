//! Whom the driver tells.

use js_sys::Array;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// The facade's object. It is called while nothing is borrowed, and must not throw.
    #[derive(Debug, Clone)]
    pub type Listener;

    /// One thing the core tells, as [`super::told`] writes it: one method and one array for all,
    /// since each further import weighs more than the switch that takes its place.
    #[wasm_bindgen(method)]
    pub(super) fn tell(this: &Listener, what: &Array);
}
