//! Reading `tests/fixtures`. Events and frames stand in them as JSON; their text is taken as it is.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A fixture's JSON, byte for byte.
pub(crate) type Raw = Box<RawValue>;

/// Every fixture of a folder below `tests/fixtures`, by name, parsed.
pub(crate) fn all<T: DeserializeOwned>(folder: &str) -> Vec<(String, T)> {
    let folder = root().join(folder);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".json").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no fixtures in {}", folder.display());
    names.into_iter().map(|name| (name.clone(), read(&folder, &name))).collect()
}

/// One fixture.
pub(crate) fn one<T: DeserializeOwned>(folder: &str, name: &str) -> T {
    read(&root().join(folder), name)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> T {
    let path = folder.join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
