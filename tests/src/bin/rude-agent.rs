//! An agent without manners and without the client library. It answers each input at about 50
//! tokens a second for ever: it ignores stops, refusals, other agents and the end of its runs.
//!
//! Prints a line on stdout once it serves, and connects again whenever it is cut off.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use durable_sessions_tests::socket::Socket;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_tungstenite::tungstenite::Error;

const PACE: Duration = Duration::from_millis(20);
const RETRY_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Parser)]
struct Cli {
    /// The server, as http://127.0.0.1:8787
    #[arg(long, alias = "url", value_parser = address)]
    server: SocketAddr,
    /// Whose input it takes
    #[arg(long, default_value = "assistant")]
    name: String,
}

fn address(url: &str) -> Result<SocketAddr, String> {
    let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    address.parse().map_err(|_| "expected http://ADDRESS:PORT".to_owned())
}

#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    let mut agent = Agent { runs: Vec::new(), requests: 0, has_served: false };
    loop {
        let Err(_cut) = agent.work(&cli).await;
        sleep(RETRY_PAUSE).await;
    }
}

struct Agent {
    runs: Vec<Run>,
    requests: u64,
    has_served: bool,
}

struct Run {
    session: String,
    id: String,
    words: u64,
}

impl Agent {
    /// Works until the connection is gone.
    async fn work(&mut self, cli: &Cli) -> Result<Infallible, Error> {
        let mut socket = Socket::hello(cli.server, &format!("agent/{}", cli.name)).await?;
        socket.send(&json!({"type": "serve", "agent": cli.name, "slots": 100})).await?;
        if !self.has_served {
            self.has_served = true;
            println!("serving {} at http://{}", cli.name, cli.server);
        }
        let mut beat = interval(PACE);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                frame = socket.next() => {
                    let frame = frame?;
                    if frame["type"] == "wake" {
                        self.start(&mut socket, &cli.name, &frame).await?;
                    }
                }
                _ = beat.tick() => self.write_on(&mut socket).await?,
            }
        }
    }

    async fn start(&mut self, socket: &mut Socket, name: &str, wake: &Value) -> Result<(), Error> {
        let session = wake["session"].as_str().unwrap_or_default().to_owned();
        let id = format!("rude-{:032x}", rand::random::<u128>());
        let event = json!({
            "kind": "run.started", "run": id, "agent": name, "in_reply_to": wake["input"],
        });
        self.publish(socket, &session, event).await?;
        self.runs.push(Run { session, id, words: 0 });
        Ok(())
    }

    async fn write_on(&mut self, socket: &mut Socket) -> Result<(), Error> {
        let mut runs = std::mem::take(&mut self.runs);
        let mut written = Ok(());
        for run in &mut runs {
            let event = json!({
                "kind": "delta", "run": run.id, "message": format!("{}-answer", run.id),
                "text": format!("blah {} ", run.words),
            });
            run.words += 1;
            written = self.publish(socket, &run.session, event).await;
            if written.is_err() {
                break;
            }
        }
        self.runs = runs;
        written
    }

    async fn publish(
        &mut self,
        socket: &mut Socket,
        session: &str,
        event: Value,
    ) -> Result<(), Error> {
        self.requests += 1;
        let request = self.requests;
        let frame = json!({
            "type": "publish", "request": request, "session": session, "events": [event],
        });
        socket.send(&frame).await
    }
}
