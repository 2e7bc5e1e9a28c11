//! The one loop for replay and live: read to the tail, then follow it.

use std::sync::Arc;

use durable_sessions_protocol::merge::Merge;
use durable_sessions_protocol::offset::Offset;
use tokio::sync::watch;

use super::chunk::{self, Chunk};
use super::live::Live;

/// A merging reader that is fewer events behind takes them as they are: there is little to join.
const MERGE_MIN_EVENTS: u64 = 16;
/// Bytes of events that are read at a time while a merged frame has room for more.
const MERGE_PAGE_MIN_BYTES: usize = 8 * 1024;
/// Bytes of events that go into one merged frame: who joins late hears of the first of them before
/// all are read.
const MERGE_MAX_READ_BYTES: usize = 16 * 1024 * 1024;

/// Reads one session from its own cursor. Slow readers lose nothing: what has left the ring comes
/// from the store.
#[derive(Debug)]
pub struct Reader {
    live: Arc<Live>,
    cursor: Offset,
    tail: watch::Receiver<Offset>,
    merges: bool,
}

/// The session's actor is gone because the store failed; open the session again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderClosed;

impl Reader {
    pub(super) fn new(live: Arc<Live>, cursor: Offset) -> Self {
        let tail = live.tail_changes();
        Self { live, cursor, tail, merges: false }
    }

    /// The same reader, which gets fewer events for as long as it is behind: those of the
    /// [`Merge`] of a log. At the tail it takes the very chunks that all others take.
    #[must_use]
    pub fn merging(self, merges: bool) -> Self {
        Self { merges, ..self }
    }

    /// The last offset given out.
    #[must_use]
    pub fn cursor(&self) -> Offset {
        self.cursor
    }

    /// The next events, at most `max_bytes` of frame but at least one; waits at the tail. Dropping
    /// the future loses nothing.
    pub async fn next(&mut self, max_bytes: usize) -> Result<Arc<Chunk>, ReaderClosed> {
        loop {
            if let Some(chunk) = self.poll_page(max_bytes).await? {
                return Ok(chunk);
            }
            let (cursor, live) = (self.cursor, &self.live);
            self.tail
                .wait_for(|&tail| tail > cursor || live.is_closed())
                .await
                .map_err(|_| ReaderClosed)?;
        }
    }

    /// The next events if there are any.
    pub async fn poll_page(
        &mut self,
        max_bytes: usize,
    ) -> Result<Option<Arc<Chunk>>, ReaderClosed> {
        if self.live.is_closed() {
            return Err(ReaderClosed);
        }
        let tail = *self.tail.borrow();
        if tail <= self.cursor {
            return Ok(None);
        }
        let chunk = if self.merges && tail.since(self.cursor) >= MERGE_MIN_EVENTS {
            let live = &self.live;
            let made = live.newest(self.cursor, max_bytes);
            match made.or_else(|| live.merged(self.cursor, max_bytes)) {
                Some(chunk) => Some(chunk),
                None => self.merged(tail, max_bytes).await?,
            }
        } else {
            self.events(self.cursor, max_bytes).await?
        };
        if let Some(chunk) = &chunk {
            self.cursor = chunk.last();
        }
        Ok(chunk)
    }

    /// The events after an offset, at most `max_bytes` of frame but at least one, if there is any.
    async fn events(
        &self,
        after: Offset,
        max_bytes: usize,
    ) -> Result<Option<Arc<Chunk>>, ReaderClosed> {
        if let Some(chunk) = self.live.recent(after, max_bytes) {
            return Ok(Some(chunk));
        }
        let session = self.live.id();
        let read = self.live.store().read(session, after, max_bytes);
        let events = read.await.map_err(|_| ReaderClosed)?;
        let texts = events.iter().map(chunk::text);
        let fitting = chunk::fitting(session, texts.clone(), max_bytes);
        Ok(Chunk::new(session, after.next(), texts.take(fitting)).map(Arc::new))
    }

    /// Reads on until the merged events fill a frame, with a pause for others after each page.
    async fn merged(
        &self,
        tail: Offset,
        max_bytes: usize,
    ) -> Result<Option<Arc<Chunk>>, ReaderClosed> {
        let session = self.live.id();
        let room = max_bytes.saturating_sub(chunk::overhead_bytes(session));
        let mut merge = Merge::new();
        let mut last = self.cursor;
        let mut read_bytes = 0;
        'frame: while last < tail && read_bytes < MERGE_MAX_READ_BYTES {
            let page_bytes = room.saturating_sub(merge.bytes()).max(MERGE_PAGE_MIN_BYTES);
            let Some(page) = self.events(last, page_bytes).await? else { break };
            for event in page.events() {
                if !merge.push(event, room) {
                    break 'frame;
                }
                last = last.next();
            }
            read_bytes += page.bytes();
            tokio::task::yield_now().await;
        }
        if last == self.cursor {
            return Ok(None);
        }
        let events: Vec<String> = merge.into_events().collect();
        let texts = events.iter().map(String::as_str);
        let chunk = Arc::new(Chunk::covering(session, self.cursor.next(), last, texts));
        self.live.keep_merged(&chunk);
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use durable_sessions_protocol::id::{LogId, SessionId};

    use super::*;
    use crate::log::{Batch, LogStore, MemoryStore, Record};

    /// Deltas of one part.
    fn deltas(first: u64, count: u64) -> Vec<Record> {
        let delta = |n: u64| {
            Record {
            json: format!(r#"{{"offset":{n},"at":0,"kind":"delta","run":"r","message":"m","text":"0123456789"}}"#).into(),
            grant: 0,
            seq: 0,
        }
        };
        (first..first + count).map(delta).collect()
    }

    async fn live(count: u64) -> Arc<Live> {
        let store = Arc::new(MemoryStore::new());
        let (session, log) = (SessionId::parse("s").unwrap(), LogId::parse("l").unwrap());
        let batch = Batch { events: deltas(1, count), ..Batch::default() };
        store.append(&session, &log, Offset::ZERO, batch).await.unwrap();
        Arc::new(Live::new(session, log, store, Offset::new(count).unwrap()))
    }

    async fn next(reader: &mut Reader, max_bytes: usize) -> Arc<Chunk> {
        reader.poll_page(max_bytes).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn readers_who_join_together_share_what_was_merged_once() {
        let live = live(20_000).await;
        let reader = || Reader::new(Arc::clone(&live), Offset::ZERO).merging(true);
        let (mut one, mut two) = (reader(), reader());
        for _ in 0..3 {
            let chunk = next(&mut one, 60_000).await;
            assert!(Arc::ptr_eq(&chunk, &next(&mut two, 60_000).await));
        }
        // Who has less room gets what fits, and who has more is not held back.
        let (mut narrow, mut wide) = (reader(), reader());
        assert!(next(&mut narrow, 1_000).await.bytes() <= 1_000);
        assert!(next(&mut wide, 200_000).await.bytes() > 150_000);
    }

    #[tokio::test]
    async fn what_was_merged_up_to_an_earlier_tail_is_merged_anew() {
        let live = live(20).await;
        let reader = || Reader::new(Arc::clone(&live), Offset::ZERO).merging(true);
        assert_eq!(next(&mut reader(), 60_000).await.last().as_u64(), 20);
        let more = deltas(21, 1);
        let batch = Batch { events: more.clone(), ..Batch::default() };
        live.store().append(live.id(), live.log(), live.tail(), batch).await.unwrap();
        let texts = more.iter().map(|record| chunk::text(&record.json));
        live.publish(vec![Chunk::new(live.id(), live.tail().next(), texts).unwrap()]);
        assert_eq!(next(&mut reader(), 60_000).await.last().as_u64(), 21);
    }
}
