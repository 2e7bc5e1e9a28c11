//! `cargo xtask ci`: what CI runs, on this machine: committed files only, and nothing built before.

use anyhow::Result;

use crate::{
    command::{command, run},
    repository,
};

pub(crate) fn run_in_clone() -> Result<()> {
    let temporary = tempfile::Builder::new().prefix("durable-sessions-ci-").tempdir()?;
    let (from, to) = (repository::root(), temporary.path());
    let (from, to_text) = (from.to_string_lossy(), to.to_string_lossy());
    run(&mut command("git", &["clone", "--quiet", "--local", &from, &to_text]))?;
    let mut ci = command("bash", &[".ci/run"]);
    ci.current_dir(to).env("CI", "true");
    // What `cargo run` told this process about the checkout that it started in.
    for variable in ["CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR"] {
        ci.env_remove(variable);
    }
    run(&mut ci)
}
