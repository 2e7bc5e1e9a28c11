//! The tools of the Rust side that do not come with it.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::{
    command::{cargo, command, find, output, run},
    repository,
};

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const WASM_PACK_VERSION: &str = "0.15.1";

/// Sees to it that the toolchain can compile for the browser.
pub(crate) fn wasm_target() -> Result<()> {
    let libraries =
        output(&mut command("rustc", &["--print=target-libdir", "--target", WASM_TARGET]))?;
    if PathBuf::from(libraries).is_dir() {
        return Ok(());
    }
    if find("rustup").is_none() {
        bail!("this Rust has no target {WASM_TARGET}, and there is no rustup to add it with");
    }
    run(&mut command("rustup", &["target", "add", WASM_TARGET]))
}

/// The path of `wasm-pack`, installed if need be.
pub(crate) fn wasm_pack() -> Result<PathBuf> {
    tool("wasm-pack", "wasm-pack", None, &["wasm-pack", "--locked", "--version", WASM_PACK_VERSION])
}

/// The path of `wasm-bindgen`, of the very version that the client is compiled with; the runner of
/// browser tests lies beside it. Installed if need be.
pub(crate) fn wasm_bindgen() -> Result<PathBuf> {
    let version = locked_version("wasm-bindgen")?;
    // Not --locked: its lock file names a version that the registry no longer has.
    let arguments = ["wasm-bindgen-cli", "--version", &version];
    tool("wasm-bindgen", "wasm-bindgen-test-runner", Some(&version), &arguments)
}

/// The version of a dependency in Cargo.lock; the first, where there are several.
pub(crate) fn locked_version(package: &str) -> Result<String> {
    let path = repository::path("Cargo.lock");
    let lock =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = format!("name = \"{package}\"");
    lock.lines()
        .skip_while(|line| *line != name)
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .with_context(|| format!("{package} is not in Cargo.lock"))
}

/// The program on PATH or in target/tools, of that version, with its companion beside it. Where
/// another version is on PATH it is left alone and the wanted one goes to target/tools.
fn tool(name: &str, companion: &str, version: Option<&str>, install: &[&str]) -> Result<PathBuf> {
    let own = repository::target().join("tools");
    let own_program = own.join("bin").join(name);
    let on_path = find(name);
    for program in on_path.iter().chain(own_program.is_file().then_some(&own_program)) {
        if is_version(program, version)? && program.with_file_name(companion).is_file() {
            return Ok(program.clone());
        }
    }

    let own_text = own.to_string_lossy();
    let mut arguments = vec!["install"];
    arguments.extend(install);
    if on_path.is_some() {
        arguments.extend(["--root", &*own_text]);
    }
    eprintln!("{name} is not installed: installing it, which takes some minutes");
    // Each in a target directory of its own, as cargo does: a common one was measured to save nothing.
    run(&mut cargo(&arguments))?;
    if own_program.is_file() {
        return Ok(own_program);
    }
    find(name).with_context(|| {
        format!("`cargo install` was done, yet `{name}` is not on PATH: add cargo's bin directory")
    })
}

fn is_version(program: &PathBuf, wanted: Option<&str>) -> Result<bool> {
    let Some(wanted) = wanted else { return Ok(true) };
    let printed = output(&mut command(program, &["--version"]))?;
    Ok(printed.split_whitespace().last() == Some(wanted))
}
