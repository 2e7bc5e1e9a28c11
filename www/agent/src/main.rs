//! The demo's agents: serve the growth copilot of this crate's library on all sessions of a server.
//!
//! One process serves all five, or some of them, each over its own connection and under its own name.
//! It keeps nothing: what it needs it reads from the session, so it may be killed and started again
//! at any time. Started again within the lease it goes on with the runs it left, as the names of its
//! producers are always the same.

mod agents;
mod model;
mod staff;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use durable_sessions_protocol::id::Id;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::agents::{NAMES, Pen};
use crate::model::Model;
use crate::staff::Staff;

/// The demo's agents, a growth copilot for a small ecommerce brand
#[derive(Debug, Parser)]
#[command(name = "durable-sessions-demo-agent", version, after_help = model::HELP)]
struct Cli {
    /// The server, as http://127.0.0.1:8787
    #[arg(long, alias = "url", env = "DURABLE_SESSIONS_SERVER", value_name = "URL")]
    server: String,

    /// Serves this agent only; may be given several times
    #[arg(long, env = "DURABLE_SESSIONS_NAME", value_delimiter = ',', value_parser = NAMES)]
    name: Vec<String>,

    /// Names the process for the server: one of the same name goes on with the runs it left, and
    /// two at the same time take them from each other
    #[arg(long, env = "DURABLE_SESSIONS_PRODUCER", value_name = "ID", value_parser = Id::parse)]
    producer: Option<Id>,

    /// How fast each agent writes
    #[arg(long, env = "DURABLE_SESSIONS_TOKENS_PER_SECOND", default_value_t = 45,
          value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    tokens_per_second: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or Ctrl-C, through any number of lost connections, or until the server will
/// not have one of the agents. Either way the work of all is left to the next process.
async fn serve(cli: Cli) -> Result<(), Box<dyn Error>> {
    let mut ends = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let model = Model::from_environment()?;
    if let Some(model) = &model {
        eprintln!("the words are those of {model}");
    }
    let names = chosen(cli.name);
    let pace = Duration::from_secs(1) / cli.tokens_per_second;
    let staff = Staff::start(&cli.server, &names, cli.producer.as_ref(), Pen { pace, model })?;
    let outcome = tokio::select! {
        () = ended(&mut ends) => Ok(()),
        error = attend(&staff, &names, &cli.server) => Err(error),
    };
    staff.shutdown().await;
    outcome
}

/// The names to serve, each once: two of one name would take their runs from each other.
fn chosen(names: Vec<String>) -> Vec<String> {
    if names.is_empty() {
        return NAMES.map(str::to_owned).to_vec();
    }
    let is_wanted = |name: &&str| names.iter().any(|wanted| wanted == name);
    NAMES.into_iter().filter(is_wanted).map(str::to_owned).collect()
}

/// Says when all are at work, and waits until one cannot go on.
async fn attend(staff: &Staff, names: &[String], server: &str) -> Box<dyn Error> {
    if let Err(refusal) = staff.live().await {
        return refusal.into();
    }
    if let Err(error) = announce(names, server) {
        return error.into();
    }
    staff.refused().await.into()
}

/// Whoever started the agents waits for this line.
fn announce(names: &[String], server: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "serving {} at {server}", names.join(", "))?;
    stdout.flush()
}

async fn ended((terminate, interrupt): &mut (Signal, Signal)) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
