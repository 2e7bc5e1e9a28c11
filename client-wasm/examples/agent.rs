//! An orchestrator and two agents it works with: one in any process, one beside it.
//!
//! `cargo run -p durable-sessions-client --features native --example agent -- http://127.0.0.1:8787 desk-1`
//!
//! Kill it in the middle and start it again within 30 s: it goes on with what it was at.

use durable_sessions_client::native::{Client, Options, Run, RunError, Serve};
use durable_sessions_protocol::event::Outcome;
use durable_sessions_protocol::fold::Message;
use durable_sessions_protocol::id::Id;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8787".to_owned());
    let producer = arguments.next().map(|name| Id::parse(&name)).transpose()?;
    let client = Client::connect(&url, Options::agent("desk"))?;
    let offer = Serve { producer, ..Serve::default() };
    let mut desk = client.serve("assistant", offer.clone(), desk);
    let mut clerk = client.serve("clerk", offer, clerk);
    tokio::select! {
        // It ends by itself only if the server will not have it.
        ended = &mut desk => ended?,
        ended = &mut clerk => ended?,
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    tokio::join!(desk.shutdown(), clerk.shutdown());
    client.close().await;
    Ok(())
}

async fn desk(run: Run) -> Result<Option<Value>, RunError> {
    if said(&run).is_empty() {
        run.write("Let me ask. ").await?;
    }
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
    let answer = run.ask(&json!({"type": "confirm", "title": "Shall I order it?"})).await?;
    let is_approved = answer.get("approved").and_then(Value::as_bool).unwrap_or(false);
    run.write(if is_approved { "Ordered." } else { "Then not." }).await?;
    Ok(Some(json!({"words": counted, "price": found.data})))
}

async fn clerk(run: Run) -> Result<Option<Value>, RunError> {
    let mut steers = run.steers();
    let rest = run.input().text.strip_prefix(said(&run).as_str()).unwrap_or_default();
    for word in rest.split_inclusive(' ') {
        while let Some(steer) = steers.try_next().await {
            run.write_as("reasoning", &format!("Heard: {}. ", steer.text)).await?;
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

/// What the process before has written in this run.
fn said(run: &Run) -> String {
    let is_own = |message: &Message| {
        message.role == "assistant" && message.run.as_deref() == Some(run.id().as_str())
    };
    run.history().pop().filter(is_own).map(|message| message.text).unwrap_or_default()
}
