//! Flow control of one attach: what was sent and not yet `seen`.

use std::collections::VecDeque;

use durable_sessions_protocol::limits::{BATCH_TARGET_BYTES, UNSEEN_MAX_BYTES};
use durable_sessions_protocol::offset::Offset;

/// With less room than this a window is shut: a client that sees frame by frame would get ever
/// smaller ones.
const ROOM_MIN_BYTES: usize = 32 * 1024;

/// The frames on their way to a client, by the last offset and the bytes of each.
#[derive(Debug, Default)]
pub(super) struct Window {
    unseen: VecDeque<(Offset, usize)>,
    bytes: usize,
}

impl Window {
    /// Bytes the next frame may have; `None` while the window is shut.
    pub(super) fn room(&self) -> Option<usize> {
        let room = UNSEEN_MAX_BYTES.saturating_sub(self.bytes);
        (room >= ROOM_MIN_BYTES).then_some(room.min(BATCH_TARGET_BYTES))
    }

    /// Whether a frame may be sent now. An event larger than the whole window goes when nothing
    /// else is on its way.
    pub(super) fn admits(&self, bytes: usize) -> bool {
        self.unseen.is_empty() || self.bytes + bytes <= UNSEEN_MAX_BYTES
    }

    /// A frame goes out.
    pub(super) fn sent(&mut self, last: Offset, bytes: usize) {
        self.unseen.push_back((last, bytes));
        self.bytes += bytes;
    }

    /// The client has taken everything up to an offset.
    pub(super) fn seen(&mut self, offset: Offset) {
        while let Some(&(last, bytes)) = self.unseen.front()
            && last <= offset
        {
            self.unseen.pop_front();
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Offset {
        Offset::new(offset).unwrap()
    }

    #[test]
    fn a_window_shuts_when_it_is_full_and_opens_when_frames_are_seen() {
        let mut window = Window::default();
        assert_eq!(window.room(), Some(BATCH_TARGET_BYTES));
        window.sent(at(5), UNSEEN_MAX_BYTES - ROOM_MIN_BYTES);
        assert_eq!(window.room(), Some(ROOM_MIN_BYTES));
        assert!(window.admits(ROOM_MIN_BYTES) && !window.admits(ROOM_MIN_BYTES + 1));
        window.sent(at(6), 1);
        assert_eq!(window.room(), None, "little room is none");
        window.seen(at(4));
        assert_eq!(window.room(), None);
        window.seen(at(5));
        assert_eq!(window.room(), Some(BATCH_TARGET_BYTES));
        window.seen(at(9));
        assert!(window.admits(UNSEEN_MAX_BYTES));
    }

    #[test]
    fn an_event_larger_than_the_window_goes_alone() {
        let mut window = Window::default();
        assert!(window.admits(UNSEEN_MAX_BYTES + 1));
        window.sent(at(1), 10);
        assert!(!window.admits(UNSEEN_MAX_BYTES + 1));
        window.seen(at(1));
        window.sent(at(2), UNSEEN_MAX_BYTES + 1);
        assert_eq!(window.room(), None);
    }
}
