//! WebSocket close codes. The hundred says what the client should do.

/// What a client does about a close code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseAction {
    /// Connect again with backoff: the standard codes and 4000-4099.
    Retry,
    /// Fetch a new token, then connect again: 4100-4199.
    Reauthenticate,
    /// Do not connect again by itself: 4200-4299.
    Fatal,
}

/// No sign of life in time.
pub const HEARTBEAT: u16 = 4000;
/// No `hello` in time.
pub const HELLO_TIMEOUT: u16 = 4001;
/// The server is shutting down.
pub const DRAINING: u16 = 4002;
/// The client sends requests faster than it reads the answers; its queue is full.
pub const QUEUE_FULL: u16 = 4003;
/// The server could not go on (its disk failed, for one).
pub const UNAVAILABLE: u16 = 4004;
/// The token was refused or is missing.
pub const UNAUTHORIZED: u16 = 4100;
/// A message is not a JSON object with a `type`, or is not text.
pub const MALFORMED: u16 = 4200;
/// The first frame is not `hello`, or a `hello` is not acceptable.
pub const HELLO_REFUSED: u16 = 4201;
/// A second `hello` on one socket.
pub const HELLO_TWICE: u16 = 4202;
/// A message is larger than [`crate::limits::FRAME_MAX_BYTES`].
pub const TOO_LARGE: u16 = 4204;
/// A newer socket of the same group has taken over.
pub const REPLACED: u16 = 4290;

/// Sorts a close code into what the client does about it.
#[must_use]
pub const fn action(code: u16) -> CloseAction {
    match code {
        4100..=4199 => CloseAction::Reauthenticate,
        4200..=4299 => CloseAction::Fatal,
        _ => CloseAction::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundred_of_a_close_code_says_what_to_do() {
        for code in [1000, 1001, 1006, 1011, HEARTBEAT, HELLO_TIMEOUT, DRAINING, 4099, 4300] {
            assert_eq!(action(code), CloseAction::Retry, "{code}");
        }
        assert_eq!(action(UNAUTHORIZED), CloseAction::Reauthenticate);
        for code in [MALFORMED, HELLO_REFUSED, HELLO_TWICE, TOO_LARGE, REPLACED] {
            assert_eq!(action(code), CloseAction::Fatal, "{code}");
        }
    }
}
