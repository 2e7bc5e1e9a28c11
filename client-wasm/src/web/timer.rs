//! The one timer of a driver.

use std::rc::Rc;

use gloo_timers::callback::Timeout;

use super::driver::Driver;
use crate::core::Input;

/// The longest pause a JavaScript timer can hold.
const PAUSE_MAX_MS: u64 = i32::MAX as u64;

/// Wakes the driver once, at `due_ms`, or before it if that is further away than a timer can count.
/// Dropped, it never does.
pub(super) fn wake(driver: &Rc<Driver>, due_ms: u64) -> Timeout {
    let pause = due_ms.saturating_sub(now_ms()).min(PAUSE_MAX_MS);
    let driver = Rc::downgrade(driver);
    Timeout::new(u32::try_from(pause).unwrap_or(u32::MAX), move || {
        if let Some(driver) = driver.upgrade() {
            driver.handle(Input::Timeout);
        }
    })
}

/// The wall clock. It goes on while the machine sleeps, which the page's other clock need not.
pub(super) fn now_ms() -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole milliseconds since 1970"
    )]
    let now = js_sys::Date::now() as u64;
    now
}
