//! The folder that the server shows: the files of `www/`, and the npm package as `pkg/`.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{package, repository, wasm::Optimise};

/// What is in `www/` for the agent and not for the browser.
const NOT_SERVED: [&str; 1] = ["agent"];

/// Builds the package and makes the folder anew.
pub(crate) fn assemble(folder: &Path, optimise: Optimise) -> Result<()> {
    let package = package::directory(optimise)?;
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    copy(&repository::path("www"), folder, &NOT_SERVED)?;
    copy(&package.join("dist"), &folder.join("pkg"), &[])
}

fn copy(from: &Path, to: &Path, except: &[&str]) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if except.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&source, &target, &[])?;
        } else {
            fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}
