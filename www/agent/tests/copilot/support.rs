//! A server in this process, the agents in one of their own, and someone who types.

use std::collections::BTreeSet;
use std::env;
use std::process::Stdio;
use std::time::Duration;

use clap::Parser;
use durable_sessions_client::core::{Act, Body, StopTarget};
use durable_sessions_client::native::{Client, Options, Session};
use durable_sessions_protocol::fold::{Run, RunState, Transcript};
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_server::config::{Cli, Command as ServerCommand};
use durable_sessions_server::server::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

pub(crate) const SHOP: &str = "Price $49.90, COGS $12, shipping $5.50, fees 2.9% + $0.30, conversion rate 2.5%, 1.2k \
                               orders and $30k ad spend a month, returns 8%";
pub(crate) const REST: &str = "CPM effect 40-50%, 12 video editors, test fee $150, 20k listicle visits a month, \
                               click-through 30%, payout $8, the #1 slot sells for $3,000 a month";
pub(crate) const SPECIALISTS: [&str; 4] =
    ["unit-economics", "bid-cap", "test-plan", "seo-listicle"];

/// Fast enough for a test, and slow enough to put a word in.
const TOKENS_PER_SECOND: u32 = 200;

pub(crate) fn plan() -> String {
    format!("Make me a growth plan. {SHOP}, {REST}")
}

pub(crate) async fn eventually<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match timeout(Duration::from_secs(60), happens).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within a minute"),
    }
}

/// A session, and all that works on it.
pub(crate) struct Stage {
    url: String,
    environment: Vec<(String, String)>,
    tokens_per_second: u32,
    agents: Child,
    pub(crate) session: Session,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self::with(TOKENS_PER_SECOND, &[]).await
    }

    /// At another pace.
    pub(crate) async fn at(tokens_per_second: u32) -> Self {
        Self::with(tokens_per_second, &[]).await
    }

    pub(crate) async fn with(tokens_per_second: u32, environment: &[(&str, &str)]) -> Self {
        let url = serve().await;
        let environment: Vec<(String, String)> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let agents = start(&url, tokens_per_second, &environment).await;
        let client = Client::connect(&url, Options::user("mia")).unwrap();
        let session = client.session(&SessionId::parse("shop").unwrap()).await.unwrap();
        session.ready().await.unwrap();
        Self { url, environment, tokens_per_second, agents, session }
    }

    /// Kills the agents as a crash does, and starts them again.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.crash().await;
        self.restart().await;
    }

    pub(crate) async fn crash(&mut self) {
        self.agents.kill().await.unwrap();
    }

    pub(crate) async fn restart(&mut self) {
        self.agents = start(&self.url, self.tokens_per_second, &self.environment).await;
    }

    /// Ends the agents as a terminal or a supervisor does, and starts them again.
    pub(crate) async fn end_and_restart(&mut self) {
        let pid = self.agents.id().unwrap().to_string();
        let ended = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(ended.success());
        assert!(eventually("the agents to end", self.agents.wait()).await.unwrap().success());
        self.agents = start(&self.url, self.tokens_per_second, &self.environment).await;
    }

    pub(crate) async fn say(&self, text: &str) -> String {
        self.session.send(text).await.unwrap().id.to_string()
    }

    /// Says something to one agent.
    pub(crate) async fn say_to(&self, agent: &str, text: &str) -> String {
        let id = id();
        let event = json!({"kind": "message", "id": id, "role": "user", "text": text, "to": agent});
        self.act(id.clone(), &event).await;
        id.to_string()
    }

    /// Puts a message in the place of another one and of all behind it.
    pub(crate) async fn edit(&self, message: &str, text: &str) -> String {
        let id = id();
        let event = json!({
            "kind": "message", "id": id, "role": "user", "text": text, "replaces": message,
        });
        self.act(id.clone(), &event).await;
        id.to_string()
    }

    pub(crate) async fn steer(&self, run: &str, text: &str) {
        let id = id();
        let event = json!({"kind": "steer", "id": id, "run": run, "text": text});
        self.act(id, &event).await;
    }

    pub(crate) async fn answer(&self, ask: &Ask, answer: Value) {
        let event = json!({"kind": "run.resumed", "run": ask.run, "ask": ask.id, "answer": answer});
        self.act(id(), &event).await;
    }

    pub(crate) async fn stop(&self, run: &str) {
        self.session.stop(StopTarget::Run(Id::parse(run).unwrap())).await.unwrap();
    }

    async fn act(&self, id: Id, event: &Value) {
        self.session.act(Act { id, body: Body::Event(event.to_string()) }).await.unwrap();
    }

    /// The run that answers a message, once it has begun.
    pub(crate) async fn run_for(&self, message: &str) -> String {
        self.until("a run for the message", |transcript| {
            let runs = transcript.runs().iter();
            let mut newest = runs.rev();
            Some(newest.find(|run| run.in_reply_to.as_deref() == Some(message))?.id.clone())
        })
        .await
    }

    /// The newest run of an agent, once it has written so many characters.
    pub(crate) async fn writing(&self, agent: &str, chars: usize) -> String {
        self.until(&format!("{agent} to write"), |transcript| {
            let run = newest(transcript, agent)?;
            (said(transcript, &run.id).len() >= chars).then(|| run.id.clone())
        })
        .await
    }

    /// The newest run of each specialist, once all four are open at the same time.
    pub(crate) async fn four_at_once(&self) -> BTreeSet<String> {
        self.until("four specialists at once", |transcript| {
            let open: BTreeSet<String> = SPECIALISTS
                .iter()
                .filter_map(|agent| newest(transcript, agent))
                .filter(|run| {
                    run.state == RunState::Running && !said(transcript, &run.id).is_empty()
                })
                .map(|run| run.id.clone())
                .collect();
            (open.len() == SPECIALISTS.len()).then_some(open)
        })
        .await
    }

    /// The newest open ask of an agent.
    pub(crate) async fn asked_by(&self, agent: &str) -> Ask {
        self.asked_but(agent, "").await
    }

    /// The newest open ask of an agent that is not the one named.
    pub(crate) async fn asked_but(&self, agent: &str, not: &str) -> Ask {
        self.until(&format!("{agent} to ask"), |transcript| {
            let run = newest(transcript, agent)?;
            let ask = run.asks.last()?;
            let id = ask["id"].as_str()?.to_owned();
            (id != not).then(|| Ask { run: run.id.clone(), id, body: ask["body"].clone() })
        })
        .await
    }

    /// How a run ended.
    pub(crate) async fn ended(&self, run: &str) -> RunState {
        self.until(&format!("{run} to end"), |transcript| {
            let run = transcript.runs().iter().find(|one| one.id == run)?;
            run.state.has_ended().then_some(run.state)
        })
        .await
    }

    /// Why a run failed.
    pub(crate) async fn error_of(&self, run: &str) -> Value {
        self.ended(run).await;
        let read = |transcript: &Transcript| {
            let run = transcript.runs().iter().find(|one| one.id == run)?;
            run.error.clone()
        };
        self.session.transcript(read).flatten().unwrap_or_default()
    }

    pub(crate) fn newest_run(&self, agent: &str) -> Run {
        self.session.transcript(|transcript| newest(transcript, agent).cloned()).flatten().unwrap()
    }

    /// What a run has said, without the tasks it gave out.
    pub(crate) fn said_by(&self, run: &str) -> String {
        self.session.transcript(|transcript| said(transcript, run)).unwrap()
    }

    /// The figures that stand in a run's answer.
    pub(crate) fn figures_of(&self, run: &str) -> Figures {
        let read = |transcript: &Transcript| {
            let mut parts = transcript
                .messages()
                .iter()
                .filter(|message| message.run.as_deref() == Some(run))
                .flat_map(|message| message.parts.clone());
            parts.find(|part| part["type"] == "figures")
        };
        Figures(
            self.session.transcript(read).unwrap().unwrap_or_else(|| panic!("no figures by {run}")),
        )
    }

    pub(crate) async fn until<T>(
        &self,
        what: &str,
        wanted: impl FnMut(&Transcript) -> Option<T>,
    ) -> T {
        let reached = timeout(Duration::from_secs(60), self.session.until(wanted)).await;
        match reached {
            Ok(found) => found.unwrap(),
            Err(_) => {
                let state = self.session.transcript(Transcript::to_json).unwrap();
                panic!("{what}: not within a minute: {state:#}")
            }
        }
    }
}

/// An open ask.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) run: String,
    pub(crate) id: String,
    pub(crate) body: Value,
}

/// The rows of a figures part.
#[derive(Debug)]
pub(crate) struct Figures(pub(crate) Value);

impl Figures {
    pub(crate) fn value(&self, name: &str) -> f64 {
        self.row(name)["value"].as_f64().unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.row(name)["text"].as_str().unwrap()
    }

    pub(crate) fn assert_close(&self, name: &str, expected: f64) {
        let value = self.value(name);
        assert!(
            (value - expected).abs() < 1e-6 * expected.abs().max(1.0),
            "{name}: {value}, not {expected}"
        );
    }

    fn row(&self, name: &str) -> &Value {
        let mut rows = self.0["rows"].as_array().unwrap().iter();
        rows.find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {:#}", self.0))
    }
}

fn newest<'a>(transcript: &'a Transcript, agent: &str) -> Option<&'a Run> {
    transcript.runs().iter().rev().find(|run| run.agent == agent)
}

fn said(transcript: &Transcript, run: &str) -> String {
    let runs = transcript.runs();
    let given: BTreeSet<&str> = runs.iter().filter_map(|run| run.in_reply_to.as_deref()).collect();
    let own = transcript.messages().iter().filter(|message| {
        message.role == "assistant"
            && message.run.as_deref() == Some(run)
            && !given.contains(message.id.as_str())
    });
    own.map(|message| message.text.as_str()).collect()
}

fn id() -> Id {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Id::parse(&format!("act-{}", NEXT.fetch_add(1, Ordering::Relaxed))).unwrap()
}

async fn serve() -> String {
    let words = ["durable-sessions", "serve", "--listen", "127.0.0.1:0", "--store", "memory"];
    let ServerCommand::Serve(config) = Cli::try_parse_from(words).unwrap().command;
    let server = Server::start(config).await.unwrap();
    let url = format!("http://{}", server.address());
    tokio::spawn(server.run(std::future::pending()));
    url
}

/// The program, which heeds only what a test says: nothing of this shell's.
pub(crate) fn program(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durable-sessions-demo-agent"));
    command.args(["--server", url]);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("OPENAI_") || name.starts_with("DURABLE_SESSIONS_") {
            command.env_remove(&*name);
        }
    }
    command
}

async fn start(url: &str, tokens_per_second: u32, environment: &[(String, String)]) -> Child {
    let mut command = program(url);
    command.args(["--tokens-per-second", &tokens_per_second.to_string()]);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = eventually("the agents to serve", lines.next_line()).await.unwrap().unwrap();
    assert_eq!(line, format!("serving assistant, {} at {url}", SPECIALISTS.join(", ")));
    child
}
