//! The one loop for replay and live: read to the tail, then follow it.

use std::sync::Arc;

use durable_sessions_protocol::offset::Offset;
use tokio::sync::watch;

use super::chunk::{self, Chunk};
use super::live::Live;

/// Reads one session from its own cursor. Slow readers lose nothing: what has left the ring comes
/// from the store.
#[derive(Debug)]
pub struct Reader {
    live: Arc<Live>,
    cursor: Offset,
    tail: watch::Receiver<Offset>,
}

/// The session's actor is gone because the store failed; open the session again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderClosed;

impl Reader {
    pub(super) fn new(live: Arc<Live>, cursor: Offset) -> Self {
        let tail = live.tail_changes();
        Self { live, cursor, tail }
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
        if *self.tail.borrow() <= self.cursor {
            return Ok(None);
        }
        let chunk = match self.live.recent(self.cursor, max_bytes) {
            Some(chunk) => Some(chunk),
            None => self.stored(max_bytes).await?,
        };
        if let Some(chunk) = &chunk {
            self.cursor = chunk.last();
        }
        Ok(chunk)
    }

    async fn stored(&self, max_bytes: usize) -> Result<Option<Arc<Chunk>>, ReaderClosed> {
        let events = self
            .live
            .store()
            .read(self.live.id(), self.cursor, max_bytes)
            .await
            .map_err(|_| ReaderClosed)?;
        let (session, texts) = (self.live.id(), events.iter().map(chunk::text));
        let fitting = chunk::fitting(session, texts.clone(), max_bytes);
        let chunk = Chunk::new(session, self.cursor.next(), texts.take(fitting));
        Ok(chunk.map(Arc::new))
    }
}
