//! What joining small pieces of text costs and saves: how long tokens are on their way from
//! `write` to a reader, against events that are not joined.
//!
//! `cargo run --release -p durable-sessions-client --features native --example latency -- http://127.0.0.1:8787 100`
//!
//! The second argument is the number of tokens a second.

use std::time::Duration;

use durable_sessions_client::native::{Client, Options, Run, RunError, Serve, Update};
use durable_sessions_protocol::id::SessionId;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

const TOKENS: u32 = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8787".to_owned());
    let rate: u32 = arguments.next().map_or(Ok(100), |rate| rate.parse())?;
    let epoch = Instant::now();
    let agent = Client::connect(&url, Options::agent("latency"))?;
    let _worker = agent.serve("latency", Serve::default(), move |run| stream(run, epoch, rate));

    let name = format!("latency-{:032x}", rand::random::<u128>());
    let user = Client::connect(&url, Options::user("reader"))?;
    let session = user.session(&SessionId::parse(&name)?).await?;
    let mut updates = session.events().await?;
    session.send_to("latency", "go").await?;
    let (mut joined, mut single, mut events) = (Vec::new(), Vec::new(), 0);
    while let Some(update) = updates.next().await {
        let Update::Events { events: batch, .. } = update else { continue };
        let now = micros(epoch);
        for event in batch {
            let text = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
            match text("kind") {
                "delta" => {
                    events += 1;
                    let sent = text("text").split_whitespace();
                    joined.extend(sent.filter_map(|sent| since(now, sent)));
                }
                "data" => single.extend(since(now, text("data"))),
                "run.ended" => {
                    report(&format!("{TOKENS} tokens joined to {events} events"), joined);
                    report("each an event of its own", single);
                    return Ok(());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Writes the time, as text that is joined and, between, as events that are not.
async fn stream(run: Run, epoch: Instant, rate: u32) -> Result<Option<Value>, RunError> {
    let mut beat = interval(Duration::from_secs(1) / rate);
    for _ in 0..TOKENS {
        beat.tick().await;
        run.write(&format!("{} ", micros(epoch))).await?;
    }
    for _ in 0..TOKENS {
        beat.tick().await;
        run.data("sent", &json!(micros(epoch).to_string())).await?;
    }
    Ok(None)
}

fn micros(epoch: Instant) -> u128 {
    epoch.elapsed().as_micros()
}

fn since(now: u128, sent: &str) -> Option<u128> {
    now.checked_sub(sent.parse().ok()?)
}

#[expect(clippy::print_stdout, reason = "it is what the program is for")]
fn report(what: &str, mut taken: Vec<u128>) {
    taken.sort_unstable();
    let at = |percent: usize| taken.get((taken.len() * percent / 100).min(taken.len() - 1));
    let millis = |percent| at(percent).map_or(0.0, |&micros| micros as f64 / 1_000.0);
    println!("{what}: p50 {:.1} ms, p99 {:.1} ms", millis(50), millis(99));
}
