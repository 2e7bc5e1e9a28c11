//! The demo's agents: serve the growth copilot of this crate's library on all sessions of a server.
//!
//! One process serves all five names, or some of them. It keeps nothing: what it needs it reads from
//! the session, so it may be killed and started again at any time. Started again within the lease
//! it goes on with the runs it left, as its producer's name is always the same.

mod agents;
mod model;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use durable_sessions_client::core::Status;
use durable_sessions_client::native::{Client, Options, Serve, Worker};
use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::id::Id;
use futures_util::future::{join_all, select_all};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::agents::{ASSISTANT, Desk, NAMES, Pen, work};
use crate::model::Model;

/// Inputs at a time for each name; more wait their turn.
const SLOTS: u32 = 8;

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

/// Serves until SIGTERM or Ctrl-C, through any number of lost connections.
async fn serve(cli: Cli) -> Result<(), Box<dyn Error>> {
    let mut ends = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let model = Model::from_environment()?;
    if let Some(model) = &model {
        eprintln!("the words are those of {model}");
    }
    let names = if cli.name.is_empty() { NAMES.map(str::to_owned).to_vec() } else { cli.name };
    let first = names.first().map_or(ASSISTANT, String::as_str);
    let producer = match cli.producer {
        Some(producer) => producer,
        None => Id::parse(&format!("demo-{first}"))?,
    };

    let client = Client::connect(&cli.server, Options::agent(first))?;
    let pace = Duration::from_secs(1) / cli.tokens_per_second;
    let desk = Arc::new(Desk { client: client.clone(), pen: Pen { pace, model } });
    let workers = names.iter().map(|name| {
        let (desk, agent) = (Arc::clone(&desk), name.clone());
        let offer = Serve { slots: SLOTS, producer: Some(producer.clone()), ..Serve::default() };
        client.serve(name, offer, move |run| work(Arc::clone(&desk), agent.clone(), run))
    });
    let mut workers: Vec<Worker> = workers.collect();
    tokio::select! {
        () = ended(&mut ends) => return Ok(()),
        live = until_live(&client) => live?,
    }
    // Whoever started the agents waits for this line.
    let mut stdout = io::stdout();
    writeln!(stdout, "serving {} at {}", names.join(", "), cli.server)?;
    stdout.flush()?;
    tokio::select! {
        () = ended(&mut ends) => {}
        // A server that refuses this client for good ends the connection, not the worker.
        error = until_refused(&client) => return Err(error),
        _ = select_all(workers.iter_mut()) => {}
    }
    // All they wrote is delivered, and their runs are left to the next process.
    join_all(workers.into_iter().map(Worker::shutdown)).await;
    Ok(())
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
