//! The one timer of a driver.

use std::rc::Rc;

use wasm_bindgen::JsValue;

use super::driver::Driver;
use super::handler::Handler;
use super::js::{clear_timeout, set_timeout, wall_clock_ms};
use crate::core::Input;

/// The longest pause a JavaScript timer can hold.
const PAUSE_MAX_MS: u64 = i32::MAX as u64;

/// Wakes the driver once. Dropped, it never does.
pub(super) struct Timer {
    id: JsValue,
    _handler: Handler,
}

impl Timer {
    /// Wakes it at `due_ms`, or before it if that is further away than a timer can count.
    pub(super) fn new(driver: &Rc<Driver>, due_ms: u64) -> Self {
        let pause = due_ms.saturating_sub(now_ms()).min(PAUSE_MAX_MS);
        let handler = Handler::new(driver, 0, |_, _| Some(Input::Timeout));
        let id = set_timeout(handler.function(), u32::try_from(pause).unwrap_or(u32::MAX));
        Self { id, _handler: handler }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}

/// The wall clock. It goes on while the machine sleeps, which the page's other clock need not.
pub(super) fn now_ms() -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole milliseconds since 1970"
    )]
    let now = wall_clock_ms() as u64;
    now
}
