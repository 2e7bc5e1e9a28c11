//! An agent on the native client that counts, to be killed: see `agent::count`.

use std::time::Duration;

use clap::Parser;
use durable_sessions_client::core::Status;
use durable_sessions_client::native::{Client, Options, Serve};
use durable_sessions_tests::agent::count;

#[derive(Debug, Parser)]
struct Cli {
    #[arg(long)]
    server: String,
    #[arg(long, default_value = "assistant")]
    name: String,
    #[arg(long, default_value_t = 100)]
    numbers: u32,
    #[arg(long, default_value_t = 20)]
    pace_ms: u64,
}

#[tokio::main]
async fn main() {
    let Cli { server, name, numbers, pace_ms } = Cli::parse();
    let client = Client::connect(&server, Options::agent(&name)).expect("a server's URL");
    let pace = Duration::from_millis(pace_ms);
    let worker = client.serve(&name, Serve::default(), move |run| count(run, numbers, pace));
    let mut state = client.state();
    let live = state.wait_for(|state| state.status == Status::Live).await;
    live.expect("the client is not closed");
    println!("serving {name} at {server}");
    worker.await.expect("an offer that the server takes");
}
