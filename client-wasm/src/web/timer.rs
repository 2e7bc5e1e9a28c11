//! The one timer of a driver.

use gloo_timers::callback::Timeout;

/// The longest pause a JavaScript timer can hold.
const PAUSE_MAX_MS: u64 = i32::MAX as u64;

/// Wakes the driver once. Dropped, it never fires.
#[derive(Debug)]
pub(super) struct Timer {
    due_ms: u64,
    _timeout: Timeout,
}

impl Timer {
    /// Calls `fire` at `due_ms`, or before it if that is further away than a timer can count.
    pub(super) fn new(now_ms: u64, due_ms: u64, fire: impl FnOnce() + 'static) -> Self {
        let pause = due_ms.saturating_sub(now_ms).min(PAUSE_MAX_MS);
        Self { due_ms, _timeout: Timeout::new(u32::try_from(pause).unwrap_or(u32::MAX), fire) }
    }

    pub(super) fn due_ms(&self) -> u64 {
        self.due_ms
    }
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
