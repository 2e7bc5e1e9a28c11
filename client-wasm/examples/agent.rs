//! An orchestrator and two agents it works with: one in any process, one beside it.
//!
//! `cargo run -p durable-sessions-client --features native --example agent -- http://127.0.0.1:8080 desk-1`
//!
//! Kill it in the middle and start it again within 30 s: it goes on with what it was at.

use durable_sessions_client::native::{Client, Options, Run, RunError, Serve};
use durable_sessions_protocol::event::Outcome;
use durable_sessions_protocol::id::Id;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let producer = arguments.next().map(|name| Id::parse(&name)).transpose()?;
    let client = Client::connect(&url, Options::agent("desk"))?;
    let offer = Serve { producer, ..Serve::default() };
    let desk = client.serve("assistant", offer.clone(), desk);
    let clerk = client.serve("clerk", offer, clerk);
    tokio::signal::ctrl_c().await?;
    tokio::join!(desk.shutdown(), clerk.shutdown());
    client.close().await;
    Ok(())
}

async fn desk(run: Run) -> Result<Option<Value>, RunError> {
    run.write("Let me ask. ").await?;
    // Two at once: another agent, which may be anywhere, and a child of this run's own.
    let (found, counted) = tokio::join!(
        run.delegate("clerk", run.input().text.as_str()),
        run.child("counter", async |child| {
            let words = child.input().text.split_whitespace().count();
            child.write(&format!("{words} words. ")).await?;
            Ok(Some(words.into()))
        }),
    );
    let (found, counted) = (found?, counted?);
    if found.outcome != Outcome::Completed {
        return Err(RunError::failed("no_clerk"));
    }
    let answer = run.ask(&json!({"question": "Shall I order it?"})).await?;
    let is_sure = answer.get("sure").and_then(Value::as_bool).unwrap_or(false);
    run.write(if is_sure { "Ordered." } else { "Then not." }).await?;
    Ok(Some(json!({"words": counted, "price": found.data})))
}

async fn clerk(run: Run) -> Result<Option<Value>, RunError> {
    let mut steers = run.steers();
    for word in run.input().text.split_inclusive(' ') {
        while let Some(steer) = steers.try_next().await {
            run.write(&format!("({}) ", steer.text)).await?;
        }
        run.write(word).await?;
        tokio::select! {
            // A stop ends whatever takes long.
            () = run.stopped() => return Err(RunError::Stopped),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
        }
    }
    Ok(Some(7.into()))
}
