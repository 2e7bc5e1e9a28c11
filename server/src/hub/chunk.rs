//! A run of consecutive events, put together once for all who read it as it is.

use bytes::Bytes;
use durable_sessions_protocol::frame::events_frame;
use durable_sessions_protocol::id::SessionId;
use durable_sessions_protocol::offset::Offset;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Consecutive events as one `events` frame. Every socket sends this very text; SSE and pages cut
/// their parts out of it.
#[derive(Debug)]
pub struct Chunk {
    first: Offset,
    last: Offset,
    frame: Utf8Bytes,
    /// Where the array of events begins in the frame.
    array_start: usize,
    /// Where each event ends in the frame.
    ends: Vec<u32>,
}

/// What stands behind the array in a frame.
const FRAME_END: &str = "}";
/// Most bytes of a frame beside its session's id, its events and a comma for each.
const FRAME_MAX_OVERHEAD_BYTES: usize = 96;

/// How many of the events fit a frame of `max_bytes`: at least one, if there is any.
pub(super) fn fitting<'a>(
    session: &SessionId,
    events: impl Iterator<Item = &'a str>,
    max_bytes: usize,
) -> usize {
    let mut bytes = overhead_bytes(session);
    let mut count = 0;
    for event in events {
        bytes += event.len() + 1;
        if count > 0 && bytes > max_bytes {
            break;
        }
        count += 1;
    }
    count
}

/// Bytes of a frame beside its events and a comma for each, at most.
pub(super) fn overhead_bytes(session: &SessionId) -> usize {
    FRAME_MAX_OVERHEAD_BYTES + session.as_str().len()
}

impl Chunk {
    /// Puts events together, the first of which has the offset `first`. `None` without events.
    pub(super) fn new<'a>(
        session: &SessionId,
        first: Offset,
        events: impl Iterator<Item = &'a str> + Clone,
    ) -> Option<Self> {
        let count = events.clone().count() as u64;
        (count > 0).then(|| Self::covering(session, first, first.plus(count - 1), events))
    }

    /// Puts merged events together, which stand for those from `first` to `last`.
    pub(super) fn covering<'a>(
        session: &SessionId,
        first: Offset,
        last: Offset,
        events: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let bytes: usize = events.clone().map(|event| event.len() + 1).sum();
        let frame = events_frame(session, first, last, events.clone());
        let array_start = frame.len() - FRAME_END.len() - bytes - 1;
        let mut end = array_start;
        let ends = events
            .map(|event| {
                end += event.len() + 1;
                u32::try_from(end).unwrap_or(u32::MAX)
            })
            .collect();
        Self { first, last, frame: frame.into(), array_start, ends }
    }

    /// The first event's offset.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.first
    }

    /// The last event's offset.
    #[must_use]
    pub fn last(&self) -> Offset {
        self.last
    }

    /// The whole frame; cloning it copies no text.
    #[must_use]
    pub fn frame(&self) -> Utf8Bytes {
        self.frame.clone()
    }

    /// The events as a JSON array.
    #[must_use]
    pub fn array(&self) -> &str {
        let end = self.frame.len() - FRAME_END.len();
        self.frame.get(self.array_start..end).unwrap_or_default()
    }

    /// The events one by one.
    pub fn events(&self) -> impl Iterator<Item = &str> + Clone {
        let starts =
            std::iter::once(self.array_start).chain(self.ends.iter().map(|&end| end as usize));
        // Before each event stands the bracket or a comma.
        starts
            .zip(&self.ends)
            .map(|(start, &end)| self.frame.get(start + 1..end as usize).unwrap_or_default())
    }

    /// Bytes of the frame.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.frame.len()
    }
}

/// An event's text. The store keeps what was UTF-8 when it was admitted.
pub(super) fn text(event: &Bytes) -> &str {
    std::str::from_utf8(event).unwrap_or("null")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_a_frame_makes_no_larger_one() {
        let session = SessionId::parse(&"s".repeat(128)).unwrap();
        let first = Offset::MAX.prev();
        for max_bytes in [0, 300, 301, 302, 303, 304, 1000] {
            let events = [r#"{"a":1}"#; 200];
            let count = fitting(&session, events.into_iter(), max_bytes);
            let chunk = Chunk::new(&session, first, events.into_iter().take(count)).unwrap();
            assert!(count == 1 || chunk.bytes() <= max_bytes, "{count} in {max_bytes}");
        }
        assert_eq!(fitting(&session, std::iter::empty(), 1000), 0);
    }

    #[test]
    fn a_chunk_gives_back_its_events_and_their_array() {
        let session = SessionId::parse("s").unwrap();
        let events = [r#"{"a":1}"#, r#"{"b":"ü"}"#, "{}"];
        let chunk = Chunk::new(&session, Offset::ZERO.plus(7), events.into_iter()).unwrap();
        assert_eq!(chunk.array(), r#"[{"a":1},{"b":"ü"},{}]"#);
        assert_eq!(chunk.events().collect::<Vec<_>>(), events);
        assert_eq!((chunk.first().as_u64(), chunk.last().as_u64()), (7, 9));
        assert_eq!(
            &*chunk.frame(),
            r#"{"type":"events","session":"s","first":7,"last":9,"events":[{"a":1},{"b":"ü"},{}]}"#
        );
        assert!(Chunk::new(&session, Offset::ZERO, std::iter::empty()).is_none());
    }
}
