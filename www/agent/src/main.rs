//! The demo's agent: serves the analyst of this crate's library on all sessions of a server.
//!
//! It keeps nothing. What it needs it reads from the session, so it may be killed and started
//! again at any time: a run that it leaves behind ends `lost` after its lease, and its input is
//! offered to the next agent.

mod chat;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use durable_sessions_client::core::Status;
use durable_sessions_client::native::{Client, Options, Serve};
use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::id::Id;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Answers at a time; more input waits its turn.
const SLOTS: u32 = 8;

/// The demo's agent, an analyst of ecommerce unit economics
#[derive(Debug, Parser)]
#[command(name = "durable-sessions-demo-agent", version)]
struct Cli {
    /// The server, as http://127.0.0.1:8787
    #[arg(long, alias = "url", env = "DURABLE_SESSIONS_SERVER", value_name = "URL")]
    server: String,

    /// Whose input it answers
    #[arg(long, env = "DURABLE_SESSIONS_NAME", default_value = "assistant", value_parser = Id::parse)]
    name: Id,

    /// How fast it writes
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

/// Serves until SIGTERM or Ctrl-C, through any number of lost connections.
async fn serve(cli: Cli) -> Result<(), Box<dyn Error>> {
    let mut ends = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let client = Client::connect(&cli.server, Options::agent(cli.name.as_str()))?;
    let pace = Duration::from_secs(1) / cli.tokens_per_second;
    let offer = Serve { slots: SLOTS, ..Serve::default() };
    let worker = client.serve(cli.name.as_str(), offer, move |run| chat::answer(run, pace));
    tokio::select! {
        () = ended(&mut ends) => return Ok(()),
        live = until_live(&client) => live?,
    }
    // Whoever started the agent waits for this line.
    let mut stdout = io::stdout();
    writeln!(stdout, "serving {} at {}", cli.name, cli.server)?;
    stdout.flush()?;
    tokio::select! {
        () = ended(&mut ends) => Ok(()),
        // A server that refuses this client for good ends the connection, not the worker.
        error = until_refused(&client) => Err(error),
        () = worker => Ok(()),
    }
}

/// Waits until the server has greeted this client, or refused it for good.
async fn until_live(client: &Client) -> Result<(), Box<dyn Error>> {
    tokio::select! {
        live = reach(client, Status::Live) => live.map(drop),
        error = until_refused(client) => Err(error),
    }
}

async fn until_refused(client: &Client) -> Box<dyn Error> {
    match reach(client, Status::Closed).await {
        Ok(Some(problem)) => problem.to_string().into(),
        Ok(None) => "the connection was closed for good".into(),
        Err(error) => error,
    }
}

async fn reach(client: &Client, status: Status) -> Result<Option<Problem>, Box<dyn Error>> {
    let mut state = client.state();
    let reached = state.wait_for(|state| state.status == status).await?;
    Ok(reached.error.clone())
}

async fn ended((terminate, interrupt): &mut (Signal, Signal)) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
