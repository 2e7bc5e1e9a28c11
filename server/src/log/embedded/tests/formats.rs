//! Directories that earlier versions wrote.

use std::fs;
use std::path::Path;

use crate::log::contract::{append, at, read_all, session};
use crate::log::{Batch, EmbeddedStore, LogStore, StoreError};

/// A copy of a data directory in `tests/fixtures/store`.
pub(crate) fn written_in_format(number: u32) -> tempfile::TempDir {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/store");
    let directory = tempfile::tempdir().unwrap();
    copy(&fixtures.join(number.to_string()), directory.path());
    directory
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            drop(fs::copy(entry.path(), to))
        }
    }
    // Git keeps no empty folders.
    if from.ends_with("keyspaces") {
        for keyspace in fs::read_dir(from).unwrap() {
            let tables = to.join(keyspace.unwrap().file_name()).join("tables");
            fs::create_dir_all(tables).unwrap();
        }
    }
}

#[tokio::test]
async fn a_directory_of_format_1_opens_with_all_its_sessions_and_goes_on() {
    let directory = written_in_format(1);
    let store = EmbeddedStore::open(directory.path()).unwrap();
    let listed = store.list("", None, 9).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|found| (found.id.as_str(), found.tail)).collect();
    assert_eq!(ids, [("notes", at(1)), ("shop-1", at(5)), ("shop-2", at(1))]);
    assert!(listed.iter().all(|found| found.updated_at.is_some() && found.title.is_none()));
    assert_eq!(store.indexed().await.unwrap(), [session("shop-2")]);
    let record = crate::log::Record { grant: 0, seq: 0, json: "{}".into() };
    let batch = Batch { events: vec![record], ..Batch::default() };
    let log = &listed[0].log;
    store.append(&session("notes"), log, at(1), batch).await.unwrap();
    drop(store);
    let store = EmbeddedStore::open(directory.path()).unwrap();
    assert_eq!(read_all(&store, "notes").await.len(), 2);
    assert_eq!(read_all(&store, "shop-1").await.len(), 5);
}

#[tokio::test]
async fn indexes_of_format_1_are_incomplete_until_they_are_completed_once() {
    let directory = written_in_format(1);
    let store = EmbeddedStore::open(directory.path()).unwrap();
    assert!(!store.has_complete_indexes().await.unwrap());
    drop(store);
    let store = EmbeddedStore::open(directory.path()).unwrap();
    assert!(!store.has_complete_indexes().await.unwrap(), "nobody has completed them");
    store.complete_indexes().await.unwrap();
    assert!(store.has_complete_indexes().await.unwrap());
    drop(store);
    let store = EmbeddedStore::open(directory.path()).unwrap();
    assert!(store.has_complete_indexes().await.unwrap());
    assert_eq!(read_all(&store, "shop-1").await.len(), 5);
}

#[tokio::test]
async fn a_new_directory_has_complete_indexes() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    assert!(store.has_complete_indexes().await.unwrap());
}

#[tokio::test]
async fn a_directory_of_a_later_format_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(directory.path()).unwrap();
    append(&store, "s", 0, Batch::default()).await;
    drop(store);
    let format = directory.path().join("store/format");
    fs::write(&format, "durable-sessions store 3\n").unwrap();
    let error = EmbeddedStore::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Format { .. }), "{error}");
    assert!(error.to_string().contains("serve it with the version that wrote it"), "{error}");
    assert_eq!(fs::read(&format).unwrap(), b"durable-sessions store 3\n");
}
