//! From Rust to the browser's modules: `client-wasm/pkg`, which the TypeScript facade is compiled against.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    command::{cargo, output, run},
    names, node, package, repository, tools,
};

/// Whether the module is also made small, which takes seconds that a demo does not spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Optimise {
    Size,
    No,
}

/// A module of the client crate.
struct Module {
    name: &'static str,
    features: &'static [&'static str],
}

/// What every page loads, and the same once more for those that serve an agent.
const MODULES: [Module; 2] = [
    Module { name: "client", features: &[] },
    Module { name: "agent", features: &["--features=agent"] },
];

/// Writes a `.js`, `.d.ts` and `.wasm` of each module into `client-wasm/pkg`.
pub(crate) fn build(optimise: Optimise) -> Result<()> {
    let made = repository::target().join("wasm-pkg");
    empty(&made)?;
    for module in MODULES {
        bind(&compile(&module)?, module.name, &made)?;
        finish(module.name, &made, optimise)?;
    }
    // Whoever reads the folder meanwhile finds it as it was, but for a moment.
    let directory = repository::path("client-wasm/pkg");
    empty(&directory)?;
    for file in fs::read_dir(&made)? {
        let file = file?;
        fs::copy(file.path(), directory.join(file.file_name()))?;
    }
    Ok(())
}

fn empty(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)
            .with_context(|| format!("cannot empty {}", directory.display()))?;
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))
}

/// From what the bindings generator made to the module itself.
fn finish(name: &str, directory: &Path, optimise: Optimise) -> Result<()> {
    let bound = directory.join(format!("{name}_bg.wasm"));
    let module = directory.join(format!("{name}.wasm"));
    match optimise {
        Optimise::No => fs::rename(&bound, &module)?,
        Optimise::Size => {
            let (from, to) = (bound.to_string_lossy(), module.to_string_lossy());
            // Without feature flags: the module says which features it uses, and all of them load in Node 20.
            let strip = ["--strip-debug", "--strip-producers"];
            // Flat code and loops made anew are where the optimiser finds 1 % more.
            let small = ["--flatten", "--rereloop", "-Oz", "-Oz"];
            let arguments =
                [&small[..], &strip, &[names::WASM_OPT_PASS, &from, "-o", &to]].concat();
            let renames = output(&mut node::program(&package::source(), "wasm-opt", &arguments))?;
            let glue = directory.join(format!("{name}.js"));
            fs::write(&glue, names::apply(&renames, &fs::read_to_string(&glue)?)?)?;
        }
    }
    Ok(())
}

fn compile(module: &Module) -> Result<PathBuf> {
    tools::wasm_target()?;
    let mut compiler = cargo(&[
        "rustc",
        "--package=durable-sessions-client",
        "--lib",
        // The crate is an rlib too, and no link-time optimisation happens in a build of both: 3 KB gzip.
        "--crate-type=cdylib",
        "--target=wasm32-unknown-unknown",
        "--profile=wasm",
    ]);
    compiler.args(module.features);
    run(compiler.env("CARGO_ENCODED_RUSTFLAGS", rustflags()?))?;
    Ok(repository::target().join("wasm32-unknown-unknown/wasm/durable_sessions_client.wasm"))
}

/// Those of the environment, and none of this machine's paths: where a dependency can panic, the module
/// says in which file.
fn rustflags() -> Result<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home =
        home.or_else(|| Some(env::home_dir()?.join(".cargo"))).context("no home directory")?;
    let remap = |from: PathBuf, to| format!("--remap-path-prefix={}={to}", from.display());
    let mut paths = vec![remap(repository::root(), ".")];
    // One folder for each registry, named after its host. Without one there is nothing to name.
    if let Ok(registries) = fs::read_dir(home.join("registry/src")) {
        paths.extend(registries.flatten().map(|registry| remap(registry.path(), "crates")));
    }

    let given = env::var("RUSTFLAGS").unwrap_or_default();
    let flags: Vec<&str> =
        given.split_whitespace().chain(paths.iter().map(String::as_str)).collect();
    Ok(flags.join("\x1f"))
}

fn bind(compiled: &Path, name: &str, directory: &Path) -> Result<()> {
    let generate = || {
        Bindgen::new()
            .input_path(compiled)
            .out_name(name)
            .web(true)?
            .typescript(true)
            // The package finds its module itself; the default would be an import.meta.url that bundlers trip over.
            .omit_default_module_path(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(directory)
    };
    generate().map_err(|error| anyhow!("wasm-bindgen: {error:?}"))
}

#[cfg(test)]
mod tests {
    use crate::tools::locked_version;

    #[test]
    fn the_bindings_generator_is_of_the_version_that_the_client_is_compiled_with() {
        let manifest = include_str!("../Cargo.toml");
        let wanted = format!(
            "wasm-bindgen-cli-support = \"={}\"",
            locked_version("wasm-bindgen").expect("a version")
        );
        assert!(manifest.contains(&wanted), "xtask/Cargo.toml must say `{wanted}`");
    }
}
