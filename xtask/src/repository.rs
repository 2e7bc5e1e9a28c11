//! Where things are.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The version of every crate and of the npm package.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    // Compiled in, and right while the checkout stays where it was built; `cargo run` says where it is now.
    let xtask = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_path_buf)
}

/// A path given from the root, with `/`.
pub(crate) fn path(from_root: &str) -> PathBuf {
    root().join(from_root)
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| path("target"), |dir| root().join(dir))
}

/// A program of the dev profile.
pub(crate) fn program(name: &str) -> PathBuf {
    target().join("debug").join(name)
}
