//! An agent that says back what it hears, word by word.
//!
//! `cargo run -p durable-sessions-client --features native --example echo -- http://127.0.0.1:8787`

use std::time::Duration;

use durable_sessions_client::native::{Client, Options, Serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8787".to_owned());
    let client = Client::connect(&url, Options::agent("echo"))?;
    client
        .serve("assistant", Serve::default(), async |run| {
            for word in run.input().text.split_inclusive(' ') {
                run.write(word).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(None)
        })
        .await?;
    Ok(())
}
