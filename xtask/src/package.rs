//! The npm package, from the wasm to the tarball, and the checks that a published package must pass.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{
    command::run as run_command,
    node, repository,
    repository::VERSION,
    wasm::{self, Optimise},
};

/// `cargo xtask package`
pub(crate) fn run() -> Result<()> {
    println!("{}", tarball()?.display());
    Ok(())
}

/// The package's own sources: manifest, TypeScript, build script.
pub(crate) fn source() -> PathBuf {
    repository::path("client-wasm/npm")
}

/// Builds the package as a directory, `dist` and all, and gives that directory.
///
/// Without [`Optimise::Size`] it has no type declarations either: both are for who installs it.
pub(crate) fn directory(optimise: Optimise) -> Result<PathBuf> {
    let (source, built) = (source(), packages().join("durable-sessions"));
    node::install(&source)?;
    wasm::build(optimise)?;
    let built_text = built.to_string_lossy();
    let mut arguments = vec!["build.mjs", &*built_text];
    if optimise == Optimise::No {
        arguments.push("--no-types");
    }
    run_command(&mut node::node(&source, &arguments))?;
    Ok(built)
}

/// Builds the tarball, checks what is in it, and gives its path.
pub(crate) fn tarball() -> Result<PathBuf> {
    let built = directory(Optimise::Size)?;
    let packages = packages();
    let tarball = tarball_path();
    if tarball.exists() {
        fs::remove_file(&tarball)
            .with_context(|| format!("cannot replace {}", tarball.display()))?;
    }
    let (into, path) = (packages.to_string_lossy(), tarball.to_string_lossy());
    run_command(&mut node::npm(&built, &["pack", "--silent", "--pack-destination", &into]))?;
    ensure!(
        tarball.is_file(),
        "npm pack made no {path}: client-wasm/npm/package.json must have the workspace's version, {VERSION}"
    );

    let source = source();
    run_command(&mut node::program(&source, "publint", &["run", "--strict", &path]))?;
    run_command(&mut node::program(
        &source,
        "attw",
        &[
            &path,
            // The resolution of TypeScript before 4.7 knows no `exports` at all.
            "--profile=node16",
            "--format=ascii",
            "--no-emoji",
            // It looks for types, and these files are no JavaScript.
            "--exclude-entrypoints",
            "client.wasm",
            "agent.wasm",
        ],
    ))?;
    Ok(tarball)
}

/// Where [`tarball`] puts it.
pub(crate) fn tarball_path() -> PathBuf {
    packages().join(format!("durable-sessions-{VERSION}.tgz"))
}

fn packages() -> PathBuf {
    repository::target().join("package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_npm_package_has_the_version_of_the_workspace() {
        for file in ["package.json", "package-lock.json"] {
            let text = fs::read_to_string(source().join(file)).expect(file);
            let first = text.lines().find(|line| line.contains("\"version\"")).expect("a version");
            assert!(first.contains(&format!("\"{VERSION}\"")), "{file}: {first}, not {VERSION}");
        }
    }
}
