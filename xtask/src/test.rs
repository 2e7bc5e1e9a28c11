//! `cargo xtask test`: all stages one after the other, and what each took.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};

use crate::stage::Stage;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these stages
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Stage>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let chosen = |stage: &&Stage| options.only.is_empty() || options.only.contains(stage);
    let done: Vec<Done> = Stage::value_variants().iter().filter(chosen).map(measure).collect();

    println!();
    for Done { stage, passed, took } in &done {
        let verdict = if *passed { "passed" } else { "FAILED" };
        println!("{:<14}{verdict}{:>8.1} s", stage.name(), took.as_secs_f64());
    }
    let took: Duration = done.iter().map(|done| done.took).sum();
    println!("{:<20}{:>8.1} s", "in all", took.as_secs_f64());
    let failed = done.iter().filter(|done| !done.passed).count();
    println!("{} passed, {failed} failed", done.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Done {
    stage: Stage,
    passed: bool,
    took: Duration,
}

/// A stage that fails does not keep the others from telling more.
fn measure(&stage: &Stage) -> Done {
    println!("\n== {}", stage.name());
    let started = Instant::now();
    let result = stage.run();
    let took = started.elapsed();
    let passed = result.is_ok();
    if let Err(error) = result {
        println!("error: {error:#}");
    }
    println!(
        "== {}: {} in {:.1} s",
        stage.name(),
        if passed { "passed" } else { "FAILED" },
        took.as_secs_f64()
    );
    Done { stage, passed, took }
}
