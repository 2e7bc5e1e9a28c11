//! The newest durable events of a session, in memory for those who follow it.

use std::collections::VecDeque;
use std::sync::Arc;

use durable_sessions_protocol::id::SessionId;
use durable_sessions_protocol::offset::Offset;

use super::chunk::{self, Chunk};

/// Bytes of frames a session keeps for its followers. Who is further behind reads the store.
pub(super) const RING_MAX_BYTES: usize = 1024 * 1024;
/// Frames a session keeps for its followers.
pub(super) const RING_MAX_CHUNKS: usize = 4096;

/// Chunks without a gap, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ring {
    chunks: VecDeque<Arc<Chunk>>,
    bytes: usize,
}

impl Ring {
    /// Adds the next chunk and lets the oldest go when there are too many.
    pub(super) fn push(&mut self, chunk: Chunk) {
        self.bytes += chunk.bytes();
        self.chunks.push_back(Arc::new(chunk));
        while self.chunks.len() > 1
            && (self.bytes > RING_MAX_BYTES || self.chunks.len() > RING_MAX_CHUNKS)
        {
            if let Some(gone) = self.chunks.pop_front() {
                self.bytes -= gone.bytes();
            }
        }
    }

    /// The newest chunk, if it is what follows `after` and has at most `max_bytes` of frame.
    pub(super) fn newest(&self, after: Offset, max_bytes: usize) -> Option<Arc<Chunk>> {
        let newest = self.chunks.back()?;
        let is_next = newest.first() == after.next() && newest.bytes() <= max_bytes;
        is_next.then(|| Arc::clone(newest))
    }

    /// The events after `after`, at most `max_bytes` of frame but at least one. `None` when the
    /// ring does not reach back that far, or nothing follows.
    pub(super) fn after(
        &self,
        session: &SessionId,
        after: Offset,
        max_bytes: usize,
    ) -> Option<Arc<Chunk>> {
        let index = self.chunks.partition_point(|chunk| chunk.last() <= after);
        let head = self.chunks.get(index)?;
        if head.first() > after.next() {
            return None;
        }
        let follows = self.chunks.get(index + 1);
        let fits = |bytes: usize| bytes <= max_bytes;
        if head.first() == after.next()
            && fits(head.bytes())
            && follows.is_none_or(|next| !fits(head.bytes() + next.bytes()))
        {
            return Some(Arc::clone(head));
        }
        // Behind by several small chunks, or inside one: put the wanted events together anew.
        let events = self.chunks.range(index..).enumerate().flat_map(|(nth, chunk)| {
            let skip = if nth == 0 { after.since(chunk.first().prev()) } else { 0 };
            chunk.events().skip(usize::try_from(skip).unwrap_or(usize::MAX))
        });
        let taken = chunk::fitting(session, events.clone(), max_bytes);
        Chunk::new(session, after.next(), events.take(taken)).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(sizes: &[usize]) -> (Ring, SessionId) {
        let session = SessionId::parse("s").unwrap();
        let mut ring = Ring::default();
        let mut next = 1;
        for &size in sizes {
            let events: Vec<String> =
                (0..size).map(|i| format!("{{\"n\":{}}}", next + i)).collect();
            let first = Offset::new(next as u64).unwrap();
            ring.push(Chunk::new(&session, first, events.iter().map(String::as_str)).unwrap());
            next += size;
        }
        (ring, session)
    }

    #[test]
    fn every_cursor_reads_on_without_gap_or_overlap() {
        let (ring, session) = ring(&[1, 3, 2, 1, 5]);
        for max_bytes in [1, 20, 40, 90, 100_000] {
            for start in 0..12 {
                let mut cursor = Offset::new(start).unwrap();
                let mut seen = Vec::new();
                while let Some(chunk) = ring.after(&session, cursor, max_bytes) {
                    assert_eq!(chunk.first(), cursor.next());
                    seen.extend(chunk.events().map(str::to_owned));
                    cursor = chunk.last();
                }
                let wanted: Vec<String> =
                    (start + 1..=12).map(|n| format!("{{\"n\":{n}}}")).collect();
                assert_eq!(seen, wanted, "from {start} by {max_bytes}");
            }
        }
    }

    #[test]
    fn readers_at_the_same_place_share_one_text() {
        let (ring, session) = ring(&[1, 1]);
        let one = ring.after(&session, Offset::new(1).unwrap(), 1000).unwrap();
        let two = ring.after(&session, Offset::new(1).unwrap(), 1000).unwrap();
        assert!(Arc::ptr_eq(&one, &two));
    }

    #[test]
    fn a_ring_forgets_its_oldest_chunks() {
        let (ring, session) = ring(&vec![1; RING_MAX_CHUNKS + 10]);
        assert!(ring.after(&session, Offset::ZERO, 100).is_none());
        assert!(ring.after(&session, Offset::new(10).unwrap(), 100).is_some());
    }
}
