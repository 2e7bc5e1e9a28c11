//! The file that says that the store was made whole, and in which format.
//!
//! Format 2 has all that 1 has, and titles and indexes that are known to speak of every session. A
//! store of format 1 is opened as it is; the file is written anew once they do.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::guard::directory;
use crate::log::StoreError;

const FILE: &str = "format";
const UNFINISHED_FILE: &str = "format.new";

/// How a store was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Before there were titles.
    One,
    /// As this version writes it.
    Two,
}

impl Format {
    const ALL: [Self; 2] = [Self::One, Self::Two];

    const fn text(self) -> &'static str {
        match self {
            Self::One => "durable-sessions store 1\n",
            Self::Two => "durable-sessions store 2\n",
        }
    }

    /// Reads which format a store has.
    pub(super) fn read(store: &Path) -> Result<Self, StoreError> {
        let path = store.join(FILE);
        let found = fs::read(&path).map_err(|error| StoreError::Damaged {
            path,
            detail: format!("it cannot be read: {error}"),
        })?;
        let known = Self::ALL.into_iter().find(|format| format.text().as_bytes() == found);
        known.ok_or_else(|| {
            let detail = format!("found {:?}", String::from_utf8_lossy(&found));
            StoreError::Format { path: store.into(), detail }
        })
    }

    /// Writes it durably: the file has the old text or the new one at any moment.
    pub(super) fn write(self, store: &Path) -> Result<(), StoreError> {
        self.replace(store).map_err(directory(store))
    }

    /// The same, with the bare error.
    pub(super) fn replace(self, store: &Path) -> io::Result<()> {
        let unfinished = store.join(UNFINISHED_FILE);
        let mut file = File::create(&unfinished)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, store.join(FILE))?;
        File::open(store)?.sync_all()
    }
}
