//! An agent to kill and start again, without the client library. It claims what it is offered under a
//! short lease, goes on with the runs its producer left, and obeys stops.
//!
//! Prints a line on stdout once it serves, and connects again when it is cut off.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process;
use std::time::Duration;

use clap::Parser;
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::writer::{Writer, delta, ended};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Error;

const RETRY_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Parser)]
struct Cli {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long, default_value = "assistant")]
    name: String,
    #[arg(long, default_value_t = 1)]
    slots: u32,
    #[arg(long, default_value_t = 1_000)]
    lease_ms: u64,
    /// A fixed name: a process that comes back with it goes on with its runs.
    #[arg(long)]
    producer: Option<String>,
    /// Deltas of an answer.
    #[arg(long, default_value_t = 1)]
    words: u64,
    /// Between deltas.
    #[arg(long, default_value_t = 0)]
    pace_ms: u64,
    /// Dies as soon as it has claimed an input.
    #[arg(long)]
    crash: bool,
}

#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    let mut has_served = false;
    loop {
        let Err(_cut) = serve(&cli, &mut has_served).await;
        sleep(RETRY_PAUSE).await;
    }
}

/// Takes work until the connection is gone.
async fn serve(cli: &Cli, has_served: &mut bool) -> Result<Infallible, Error> {
    let mut socket = Socket::hello(cli.server, &format!("agent/{}", cli.name)).await?;
    let serve = json!({
        "type": "serve", "request": 1, "agent": cli.name, "slots": cli.slots,
        "producer": cli.producer,
    });
    socket.send(&serve).await?;
    socket.until("ack").await?;
    if !*has_served {
        *has_served = true;
        println!("serving {} at {}", cli.name, cli.server);
    }
    loop {
        let wake = socket.until("wake").await?;
        let cli = cli.clone();
        tokio::spawn(async move {
            // A run whose connection breaks is its lease's.
            let _ = work(&cli, &wake).await;
        });
    }
}

/// Answers an input over a connection of its own, or goes on with the run of a process before it.
async fn work(cli: &Cli, wake: &Value) -> Result<(), Error> {
    let session = wake["session"].as_str().unwrap_or_default();
    let principal = format!("agent/{}", cli.name);
    let left = wake["run"].as_str();
    let run = left.map_or_else(|| format!("run-{:032x}", rand::random::<u128>()), str::to_owned);
    // One producer a run, unless it is to be found again.
    let producer = cli.producer.as_deref().unwrap_or(&run);
    let runs: Vec<&str> = left.into_iter().collect();
    let mut writer = Writer::attach(cli.server, &principal, session, producer, &runs).await?;
    if left.is_none() {
        let started = json!({
            "kind": "run.started", "run": run, "agent": cli.name, "in_reply_to": wake["input"],
            "lease_ms": cli.lease_ms,
        });
        if writer.publish(&json!([started])).await?["type"] == "refused" {
            return Ok(());
        }
    }
    if cli.crash {
        process::abort();
    }
    for word in 0..cli.words {
        let said = writer.publish(&json!([delta(&run, &format!("{word} "))])).await?;
        if said["type"] == "refused" {
            writer.publish(&json!([ended(&run, "stopped")])).await?;
            return Ok(());
        }
        sleep(Duration::from_millis(cli.pace_ms)).await;
    }
    writer.publish(&json!([ended(&run, "completed")])).await?;
    Ok(())
}
