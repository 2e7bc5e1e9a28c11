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

/// A run, and a producer of the same name that writes nothing else.
struct Run {
    session: String,
    id: String,
    epoch: u64,
    seq: u64,
    words: u64,
}

impl Agent {
    /// Works until the connection is gone.
    async fn work(&mut self, cli: &Cli) -> Result<Infallible, Error> {
        let mut socket = Socket::hello(cli.server, &format!("agent/{}", cli.name)).await?;
        for run in &mut self.runs {
            run.attach(&mut socket).await?;
        }
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
                _ = beat.tick() => {
                    for run in &mut self.runs {
                        self.requests += 1;
                        run.write_on(&mut socket, self.requests).await?;
                    }
                }
            }
        }
    }

    async fn start(&mut self, socket: &mut Socket, name: &str, wake: &Value) -> Result<(), Error> {
        let session = wake["session"].as_str().unwrap_or_default().to_owned();
        let id = format!("rude-{:032x}", rand::random::<u128>());
        let mut run = Run { session, id, epoch: 0, seq: 0, words: 0 };
        run.attach(socket).await?;
        let event = json!({
            "kind": "run.started", "run": run.id, "agent": name, "in_reply_to": wake["input"],
        });
        self.requests += 1;
        run.publish(socket, self.requests, event).await?;
        self.runs.push(run);
        Ok(())
    }
}

impl Run {
    /// Takes the producer's place, for the first time or again.
    async fn attach(&mut self, socket: &mut Socket) -> Result<(), Error> {
        let mut claim = json!({"id": self.id, "runs": [self.id]});
        if self.epoch > 0 {
            claim["epoch"] = self.epoch.into();
        }
        let session = &self.session;
        let attach = json!({"type": "attach", "session": session, "last": 0, "producer": claim});
        socket.send(&attach).await?;
        let granted = socket.until("attached").await?["producer"].take();
        self.epoch = granted["epoch"].as_u64().unwrap_or_default();
        self.seq = granted["seq"].as_u64().unwrap_or_default();
        Ok(())
    }

    async fn write_on(&mut self, socket: &mut Socket, request: u64) -> Result<(), Error> {
        let event = json!({
            "kind": "delta", "run": self.id, "message": format!("{}-answer", self.id),
            "text": format!("blah {} ", self.words),
        });
        self.words += 1;
        self.publish(socket, request, event).await
    }

    async fn publish(
        &mut self,
        socket: &mut Socket,
        request: u64,
        event: Value,
    ) -> Result<(), Error> {
        let producer = json!({"id": self.id, "epoch": self.epoch, "seq": self.seq});
        self.seq += 1;
        let frame = json!({
            "type": "publish", "request": request, "session": self.session, "producer": producer,
            "events": [event],
        });
        socket.send(&frame).await
    }
}
