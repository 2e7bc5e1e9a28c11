//! Why a store could not do what it was asked.

use std::path::PathBuf;
use std::sync::Arc;

use durable_sessions_protocol::offset::Offset;

/// The store itself failed. The text says what to do; clones share the cause.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The data directory cannot be made, read or written.
    #[error(
        "cannot use the data directory {}: {error}; check that it exists or can be made, and that this user may write to it", path.display()
    )]
    Directory {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the system said.
        error: Arc<std::io::Error>,
    },
    /// Another process serves the same directory.
    #[error(
        "the data directory {} is in use by another process; stop that one or choose another directory", path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Stored bytes are not what was written. Nothing was changed on disk.
    #[error(
        "{} is damaged: {detail}; nothing was changed. Restore the data directory from a backup, or move it away to start empty", path.display()
    )]
    Damaged {
        /// The damaged file, or the folder it is in when the file is not known.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The directory was written by a version this one does not read.
    #[error("{} was written in another format: {detail}; serve it with the version that wrote it", path.display())]
    Format {
        /// The directory.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Writing or syncing failed: whether the batch lasts is not known.
    #[error("could not make the batch durable: {0}; the store must be reopened")]
    Write(String),
    /// An earlier write failed.
    #[error("an earlier write failed, so the store refuses to go on; it must be reopened")]
    Poisoned,
    /// Reading failed.
    #[error("could not read from the store: {0}")]
    Read(String),
    /// The store was closed or crashed while the call waited; whether a batch lasts is not known.
    #[error("the store was closed before it answered")]
    Closed,
}

/// Why an append was not answered with success.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Someone else wrote to the session, or its log is another one. Nothing was written.
    #[error("the session stands at offset {tail} of its log")]
    Moved {
        /// The session's last offset; zero when it does not exist.
        tail: Offset,
    },
    /// The store failed; whether the batch lasts is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
}
