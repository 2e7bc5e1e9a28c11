//! Node and npm.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::command::{command, find, output, run};

const OLDEST_MAJOR: u32 = 20;

/// A copy of the lock file that `node_modules` was made from.
const INSTALLED_LOCK: &str = "node_modules/.installed-lock.json";

/// `node` with these arguments, in a directory.
pub(crate) fn node(directory: &Path, arguments: &[&str]) -> Command {
    let mut node = command("node", arguments);
    node.current_dir(directory);
    node
}

/// `npm` with these arguments, in a directory.
pub(crate) fn npm(directory: &Path, arguments: &[&str]) -> Command {
    let mut npm = command("npm", arguments);
    npm.current_dir(directory);
    npm
}

/// A program of a package that `install` has installed there.
pub(crate) fn program(directory: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut program = command(directory.join("node_modules/.bin").join(name), arguments);
    program.current_dir(directory);
    program
}

/// Installs what the directory's lock file names, unless that is what is there.
pub(crate) fn install(directory: &Path) -> Result<()> {
    check_version()?;
    let lock = directory.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let installed = directory.join(INSTALLED_LOCK);
    if fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    // No dependency here needs a script of its own to be run at installation.
    run(&mut npm(directory, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}

fn check_version() -> Result<()> {
    if find("node").is_none() {
        bail!(
            "Node {OLDEST_MAJOR} or newer is needed and `node` is not on PATH: https://nodejs.org"
        );
    }
    let version = output(&mut command("node", &["--version"]))?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
    if major.is_none_or(|major: u32| major < OLDEST_MAJOR) {
        bail!("Node {OLDEST_MAJOR} or newer is needed, and this is {version}: https://nodejs.org");
    }
    Ok(())
}
