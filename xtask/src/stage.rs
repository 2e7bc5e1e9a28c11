//! The stages of `cargo xtask test`: each is one line of the table at its end.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    browser,
    command::{cargo, command, path_with, run},
    demo, node, package, page, repository, size, tools,
    wasm::Optimise,
};

const WASM_TARGET: &str = "--target=wasm32-unknown-unknown";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// rustfmt
    Fmt,
    /// Lints of everything native
    Clippy,
    /// Lints of the client as the browser gets it
    ClippyWasm,
    /// Native tests
    Test,
    /// The client's tests in a headless Chromium
    WasmTest,
    /// The tarball and its checks
    Package,
    /// The tarball in a Vite project, in a plain page, in Node; its API against a fake server, and
    /// its agents against the server
    PackageTest,
    /// The page, server and agent in a headless Chromium
    Browser,
    /// The limit of the package's size
    Size,
}

impl Stage {
    /// As the command line calls it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Fmt => run(&mut cargo(&["fmt", "--all", "--check"])),
            // The first to compile: a lock file that is out of date fails here.
            Self::Clippy => lint(&["--workspace", "--locked"]),
            Self::ClippyWasm => {
                tools::wasm_target()?;
                let client = ["--package=durable-sessions-client", WASM_TARGET];
                lint(&client)?;
                lint(&[&client[..], &["--features=agent"]].concat())
            }
            Self::Test => run(&mut cargo(&["test", "--workspace"])),
            Self::WasmTest => wasm_test(),
            Self::Package => package::tarball().map(drop),
            Self::PackageTest => {
                node_test("tests/package", &[("TARBALL", package::tarball_path())])?;
                run(&mut cargo(&["build", "--package=durable-sessions-server"]))?;
                let server = repository::program("durable-sessions");
                node_test("client-wasm/npm", &[("DURABLE_SESSIONS_BIN", server)])
            }
            Self::Browser => browser_test(),
            Self::Size => size::run(),
        }
    }
}

fn lint(what: &[&str]) -> Result<()> {
    let mut arguments = vec!["clippy", "--all-targets"];
    arguments.extend(what);
    arguments.extend(["--", "--deny=warnings"]);
    run(&mut cargo(&arguments))
}

fn wasm_test() -> Result<()> {
    tools::wasm_target()?;
    let driver = browser::chromedriver()?;
    browser::chromium()?;
    let (wasm_pack, wasm_bindgen) = (tools::wasm_pack()?, tools::wasm_bindgen()?);
    let driver = driver.to_string_lossy();
    // `no-install`, or wasm-pack would download what is already here.
    let words = ["test", "--headless", "--chrome", "--chromedriver", &driver, "--mode=no-install"];
    let mut test = command(&wasm_pack, &words);
    test.arg("client-wasm");
    if let Some(tools) = wasm_bindgen.parent() {
        test.env("PATH", path_with(&[tools])?);
    }
    run(&mut test)
}

/// Against the programs and the package as they are now.
fn browser_test() -> Result<()> {
    let agents = ["--bin=rude-agent", "--bin=counting-agent"];
    demo::build(&[&["--package=durable-sessions-tests"], &agents[..]].concat())?;
    // Not the folder of a demo that may be running.
    let www = repository::target().join("browser/www");
    page::assemble(&www, Optimise::Size)?;
    let server = repository::program("durable-sessions");
    node_test("tests/browser", &[("DURABLE_SESSIONS_BIN", server), ("DURABLE_SESSIONS_WWW", www)])
}

fn node_test(from_root: &str, variables: &[(&str, PathBuf)]) -> Result<()> {
    let directory = repository::path(from_root);
    node::install(&directory)?;
    let chromium = browser::chromium()?;
    run(node::npm(&directory, &["test"])
        .env(browser::CHROMIUM_VARIABLE, chromium)
        .envs(variables.iter().map(|(name, path)| (name, path))))
}
