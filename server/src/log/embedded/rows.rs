//! Rows of the `meta` keyspace that belong to a session: its title and its newest checkpoint.
//!
//! Both may hold any bytes, and the guard tells one batch of a journal from the next by the trailer
//! that ends it. So they are *stuffed*: a zero stands behind each start of a trailer, and no row of
//! ours can look like one.

use bytes::Bytes;
use durable_sessions_protocol::offset::Offset;
use fjall::Readable;

use super::journal::{Reader, TRAILER};
use super::tables::{TablesError, View};
use crate::log::LoadCursor;

/// A trailer without its last byte.
const MARK: [u8; 3] = [TRAILER[0], TRAILER[1], TRAILER[2]];

impl View<'_> {
    pub(super) fn title(&self, session: u64) -> Result<Option<String>, TablesError> {
        let row = self.snapshot.get(&self.tables.meta, title_key(session))?;
        row.map(|row| String::from_utf8(unstuff(&row)).map_err(|_| TablesError::Row("meta")))
            .transpose()
    }

    /// The newest checkpoint of a session and where it was written.
    pub(super) fn checkpoint(
        &self,
        session: u64,
    ) -> Result<Option<(LoadCursor, Bytes)>, TablesError> {
        let row = self.snapshot.get(&self.tables.meta, checkpoint_key(session))?;
        row.map(|row| decode_checkpoint(&row).ok_or(TablesError::Row("meta"))).transpose()
    }
}

pub(super) fn title_key(session: u64) -> Vec<u8> {
    [&b"title"[..], &session.to_be_bytes()].concat()
}

pub(super) fn checkpoint_key(session: u64) -> Vec<u8> {
    [&b"checkpoint"[..], &session.to_be_bytes()].concat()
}

pub(super) fn encode_title(title: &str) -> Vec<u8> {
    stuff(Vec::with_capacity(title.len()), title.as_bytes())
}

pub(super) fn encode_checkpoint(place: LoadCursor, checkpoint: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(12 + checkpoint.len());
    row.extend(place.after.as_u64().to_le_bytes());
    row.extend(place.notes.to_le_bytes());
    stuff(row, checkpoint)
}

fn decode_checkpoint(row: &[u8]) -> Option<(LoadCursor, Bytes)> {
    let mut reader = Reader { rest: row };
    let (after, notes) = (Offset::new(reader.u64()?)?, reader.u32()?);
    Some((LoadCursor { after, notes }, unstuff(reader.rest).into()))
}

/// Appends `bytes` to `to`.
fn stuff(mut to: Vec<u8>, mut bytes: &[u8]) -> Vec<u8> {
    while let Some((marked, rest)) = split_behind_mark(bytes) {
        to.extend_from_slice(marked);
        to.push(0);
        bytes = rest;
    }
    to.extend_from_slice(bytes);
    to
}

fn unstuff(mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    while let Some((marked, rest)) = split_behind_mark(bytes) {
        plain.extend_from_slice(marked);
        bytes = rest.get(1..).unwrap_or_default();
    }
    plain.extend_from_slice(bytes);
    plain
}

fn split_behind_mark(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(MARK.len()).position(|window| window == MARK)?;
    bytes.split_at_checked(at + MARK.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stuffed_bytes_come_back_and_hold_no_trailer(
            words in prop::collection::vec(
                prop_oneof![Just(TRAILER.to_vec()), Just(MARK.to_vec()), any::<[u8; 2]>().prop_map(Vec::from)],
                0..20,
            ),
        ) {
            let plain = words.concat();
            let stuffed = stuff(Vec::new(), &plain);
            prop_assert!(!stuffed.windows(TRAILER.len()).any(|window| window == TRAILER));
            prop_assert_eq!(unstuff(&stuffed), plain);
        }
    }
}
