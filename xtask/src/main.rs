//! `cargo xtask`: the repository's recipes, with nothing to install beforehand but rustup and Node 20.
//!
//! A recipe says each command it runs, installs what is missing by ordinary means (`npm ci`, `rustup target add`,
//! `cargo install`, `apt-get`), and where it may not, ends with the command a person has to run.

#![expect(clippy::print_stdout, reason = "a command-line tool whose output is its result")]

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod browser;
mod ci;
mod command;
mod demo;
mod names;
mod net;
mod node;
mod package;
mod page;
mod repository;
mod size;
mod stage;
mod supervisor;
mod test;
mod tools;
mod wasm;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The recipes of this repository")]
struct Cli {
    #[command(subcommand)]
    recipe: Recipe,
}

#[derive(Debug, Subcommand)]
enum Recipe {
    /// Build and run the demo: server, agent and page, until Ctrl-C
    Demo(demo::Options),
    /// Run every check and test, or some stages of them
    Test(test::Options),
    /// Make the npm package: target/package/durable-sessions-VERSION.tgz
    Package,
    /// Print the size of the browser package part by part, and fail above its limit
    Size,
    /// Run .ci/run as CI does: in a fresh clone of HEAD
    Ci,
}

fn main() -> ExitCode {
    match follow(&Cli::parse().recipe) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn follow(recipe: &Recipe) -> Result<ExitCode> {
    match recipe {
        Recipe::Demo(options) => demo::run(options)?,
        Recipe::Test(options) => return Ok(test::run(options)),
        Recipe::Package => package::run()?,
        Recipe::Size => size::run()?,
        Recipe::Ci => ci::run_in_clone()?,
    }
    Ok(ExitCode::SUCCESS)
}
