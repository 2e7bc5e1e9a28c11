//! Functions that JavaScript calls.

use std::rc::Rc;

use js_sys::Function;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::driver::Driver;
use super::node::JsNode;
use crate::core::Input;

/// A function for JavaScript; once dropped, calls of it throw. All handlers are of one type, since
/// each more is half a kilobyte. `Fn`, not `FnMut`: one may be called from within another.
pub(super) struct Handler(Closure<dyn Fn(JsValue) -> bool>);

impl Handler {
    /// Reads an event and hands what it says to the driver, while there is one. It answers whether
    /// it said anything, which only the facade looks at.
    pub(super) fn new(
        driver: &Rc<Driver>,
        number: u32,
        read: fn(u32, &JsNode) -> Option<Input<JsNode>>,
    ) -> Self {
        let driver = Rc::downgrade(driver);
        Self(Closure::new(move |event: JsValue| {
            if let Some(driver) = driver.upgrade()
                && let Some(input) = read(number, &JsNode(event))
            {
                driver.handle(input);
                return true;
            }
            false
        }))
    }

    /// The function by itself: it lives as long as JavaScript can reach it.
    pub(super) fn into_function(self) -> JsValue {
        self.0.into_js_value()
    }

    pub(super) fn function(&self) -> &Function {
        self.0.as_ref().unchecked_ref()
    }
}
