//! The browser that tests drive, and its driver.

use std::{env, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::{command, find, run};

/// Names that Chromium goes by, the plain one first.
const CHROMIUM: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Overrides the search, and tells it to the tests written in JavaScript.
pub(crate) const CHROMIUM_VARIABLE: &str = "CHROMIUM";

/// The path of Chromium, installed if need be and allowed.
pub(crate) fn chromium() -> Result<PathBuf> {
    installed(|| {
        let named = env::var_os(CHROMIUM_VARIABLE).map(PathBuf::from);
        named.or_else(|| CHROMIUM.iter().find_map(|name| find(name)))
    })
    .with_context(|| format!("or set {CHROMIUM_VARIABLE} to the path of one"))
}

/// The path of `chromedriver`, installed if need be and allowed.
pub(crate) fn chromedriver() -> Result<PathBuf> {
    installed(|| find("chromedriver"))
}

fn installed(search: impl Fn() -> Option<PathBuf>) -> Result<PathBuf> {
    if let Some(found) = search() {
        return Ok(found);
    }
    let install = ["install", "--yes", "--no-install-recommends", "chromium", "chromium-driver"];
    let line = format!("apt-get update && apt-get {}", install.join(" "));
    if find("apt-get").is_none() {
        bail!("Chromium and its driver are needed (Debian: `{line}`)");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("Chromium and its driver are needed; as root: `{line}`");
    }
    run(&mut command("apt-get", &["update"]))?;
    run(command("apt-get", &install).env("DEBIAN_FRONTEND", "noninteractive"))?;
    search().with_context(|| format!("`{line}` was done, and still there is none"))
}
