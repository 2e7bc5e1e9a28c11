//! A server in this process, and plain clients to talk to it.

mod client;
mod request;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use durable_sessions_server::config::{Cli, Command, Config};
use durable_sessions_server::log::{LogStore, MemoryStore};
use durable_sessions_server::server::Server;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use self::client::{Client, Incoming};
pub(crate) use self::request::{Reply, Request};

/// No wait of a test is longer; one that is has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port with a store in memory.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<MemoryStore>,
    shutdown: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl TestServer {
    /// Starts one with further command-line flags.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let store = Arc::new(MemoryStore::new());
        Self::start_on(flags, Arc::clone(&store), store).await
    }

    /// The same on `log`, which keeps what it is given in `store`.
    pub(crate) async fn start_on(
        flags: &[&str],
        store: Arc<MemoryStore>,
        log: Arc<dyn LogStore>,
    ) -> Self {
        let server = Server::start_on(config(flags), log).await.unwrap();
        let address = server.address();
        let (shutdown, asked) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = asked.await;
        }));
        Self { address, store, shutdown: Some(shutdown), running }
    }

    /// Tells it to shut down, as SIGTERM does.
    pub(crate) fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.running).await.expect("it ends").unwrap();
    }

    /// A socket that has said `hello`.
    pub(crate) async fn client(&self, principal: &str) -> Client {
        self.greeted(json!({"as": principal})).await
    }

    /// The same with a `hello` of its own.
    pub(crate) async fn greeted(&self, mut hello: Value) -> Client {
        hello["type"] = "hello".into();
        let mut client = Client::open(self.address).await;
        client.send(&hello).await;
        assert_eq!(client.frame().await["type"], "welcome");
        client
    }

    /// The value of a metric.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = Request::get("/metrics").send(self.address).await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }

    /// Waits until a metric has a value.
    pub(crate) async fn until_metric(&self, name: &str, value: u64) {
        let reached = async { while self.metric(name).await != value {} };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{name} is {}, not {value}", self.metric(name).await);
    }
}

/// The configuration of `durable-sessions serve --listen 127.0.0.1:0 …`.
pub(crate) fn config(flags: &[&str]) -> Config {
    let args = ["durable-sessions", "serve", "--listen", "127.0.0.1:0"];
    let Command::Serve(config) = Cli::parse_from(args.iter().chain(flags)).command;
    config
}

/// A user's note: a message that wakes nobody.
pub(crate) fn note(id: &str, text: &str) -> Value {
    json!({"kind": "message", "id": id, "role": "user", "to": null, "text": text})
}
