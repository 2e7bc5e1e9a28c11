//! Which sessions there are.

use std::ops::Bound;

use durable_sessions_protocol::id::SessionId;
use fjall::Readable;

use super::tables::{SessionRow, TablesError, View, session_id};
use crate::log::SessionSummary;
use crate::log::batch::stamp;

impl View<'_> {
    pub(super) fn list(
        &self,
        prefix: &str,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionSummary>, TablesError> {
        let first = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            Some(_) | None => Bound::Included(prefix),
        };
        let mut found = Vec::new();
        for item in self.snapshot.range::<&str, _>(&self.tables.sessions, (first, Bound::Unbounded))
        {
            let (key, row) = item.into_inner()?;
            if found.len() >= limit || !key.starts_with(prefix.as_bytes()) {
                break;
            }
            let id = session_id(&key).ok_or(TablesError::Row("sessions"))?;
            let row = SessionRow::decode(&row).ok_or(TablesError::Row("sessions"))?;
            found.extend(self.summary(id, row)?);
        }
        Ok(found)
    }

    fn summary(
        &self,
        id: SessionId,
        SessionRow { number, log }: SessionRow,
    ) -> Result<Option<SessionSummary>, TablesError> {
        let Some((tail, last)) = self.last_event(number)? else { return Ok(None) };
        let (title, updated_at) = (self.title(number)?, stamp(&last.json));
        Ok(Some(SessionSummary { id, log, tail, title, updated_at }))
    }
}
