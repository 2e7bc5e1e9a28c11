//! A server with data of its own, and the session that the tests of it use.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use durable_sessions_client::native::{Client, Options, Session};
use durable_sessions_protocol::id::SessionId;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::Server;
use crate::{eventually, http, log};

/// The session of a test that needs one.
pub const SESSION: &str = "s";

/// A server, its data, and the session `s` on it.
#[derive(Debug)]
pub struct Place {
    /// The server, which may be killed and started again.
    pub server: Server,
    _data: TempDir,
}

impl Place {
    /// Starts this program with no data.
    pub async fn start(program: &str) -> Self {
        let data = tempfile::tempdir().expect("a directory for temporary files");
        Self { server: Server::start(program, data.path()).await, _data: data }
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// All events of the session.
    pub async fn log(&self) -> Vec<Value> {
        log::read(self.address(), SESSION).await
    }

    /// Waits until the session's log is as wanted.
    pub async fn until<T>(&self, what: &str, wanted: impl Fn(&[Value]) -> Option<T>) -> T {
        eventually(what, log::until(self.address(), SESSION, wanted)).await
    }

    /// Waits for the end of a run.
    pub async fn ended(&self, run: &str) -> Value {
        let ended = |events: &[Value]| log::find(events, "run.ended", "run", run).cloned();
        self.until("a run ends", ended).await
    }

    /// Waits until a run that answers the input has written so many deltas; which run it is.
    pub async fn streaming(&self, input: &str, deltas: usize) -> String {
        self.until("an answer begins", |events| {
            let started = log::find(events, "run.started", "in_reply_to", input)?;
            let run = started["run"].as_str().unwrap_or_default().to_owned();
            (log::deltas(events, &run).len() >= deltas).then_some(run)
        })
        .await
    }

    /// Stops over HTTP. Answers the stop's offset and the runs it fenced.
    pub async fn stop(&self, body: Value) -> (u64, BTreeSet<String>) {
        let path = format!("/v1/sessions/{SESSION}/stop");
        let stopped = http::post(self.address(), &path, &[], &body).await.expect("an answer");
        let receipt = stopped.json();
        assert_eq!(stopped.status, 202, "{receipt}");
        let runs = receipt["runs"].as_array().expect("the runs that the stop fenced").iter();
        let runs = runs.map(|run| run.as_str().expect("a run's id").to_owned()).collect();
        (receipt["offset"].as_u64().expect("the stop's offset"), runs)
    }

    /// A user's view of the session.
    pub async fn user(&self) -> Session {
        let client = Client::connect(&self.server.url(), Options::user("ada")).expect("its URL");
        let session = SessionId::parse(SESSION).expect("an id");
        client.session(&session).await.expect("a server that lives")
    }

    /// Kills the server and starts it again.
    pub async fn restart(&mut self) {
        self.server.kill().await;
        self.server.restart().await;
    }
}
