//! `cargo xtask demo`: server, agent and page on one address.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    command, net, page, repository,
    supervisor::{Service, Supervisor},
    wasm::Optimise,
};

const DEFAULT_PORT: u16 = 8787;
/// Reading a large log takes a while.
const SERVER_START_TIMEOUT: Duration = Duration::from_secs(60);
const AGENT_START_TIMEOUT: Duration = Duration::from_secs(30);
/// What the server says before its address.
const LISTENING: &str = "listening on http://";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where to listen on 127.0.0.1; 0 takes a free port
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Where the server keeps its log; without it a temporary folder, removed at the end
    #[arg(long)]
    data: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    net::check_free(options.port)?;
    build(&[])?;
    let www = repository::target().join("www");
    page::assemble(&www, Optimise::No)?;

    // Dropped from the last to the first: services, then their data.
    let temporary;
    let data = match &options.data {
        Some(data) => std::path::absolute(data)?,
        None => {
            temporary = tempfile::Builder::new().prefix("durable-sessions-demo-").tempdir()?;
            temporary.path().to_path_buf()
        }
    };
    let mut services = Supervisor::new()?;

    let first = server(SocketAddr::from(([127, 0, 0, 1], options.port)), &data, &www);
    let Some(line) = services.start(first, SERVER_START_TIMEOUT)? else { return Ok(()) };
    let address = line
        .strip_prefix(LISTENING)
        .and_then(|address| address.trim_end_matches('/').parse::<SocketAddr>().ok())
        .with_context(|| format!("the server says `{line}`, not `{LISTENING}ADDRESS`"))?;
    // With port 0 the next server must take the port that the first was given.
    services.set_arguments("server", server(address, &data, &www).arguments);
    let Some(_) = services.start(agent(address), AGENT_START_TIMEOUT)? else { return Ok(()) };
    for path in ["/", "/pkg/index.js"] {
        net::check_serves(address, path)?;
    }

    println!("demo: http://{address}/");
    services.watch()
}

/// Builds server and agent, and what else cargo is to build with them.
///
/// The dev profile: its dependencies are optimised a little, and it compiles in a third of the time.
pub(crate) fn build(others: &[&str]) -> Result<()> {
    let mut arguments = vec!["build"];
    arguments.extend(["--package=durable-sessions-server", "--bin=durable-sessions"]);
    arguments
        .extend(["--package=durable-sessions-demo-agent", "--bin=durable-sessions-demo-agent"]);
    arguments.extend(others);
    command::run(&mut command::cargo(&arguments))
}

fn server(address: SocketAddr, data: &Path, www: &Path) -> Service {
    let listen = address.to_string();
    let (data, www) = (data.to_string_lossy(), www.to_string_lossy());
    let words = ["serve", "--listen", &listen, "--data", &data, "--www", &www];
    service("server", "durable-sessions", &words)
}

/// Prints a line when it is connected and serves.
fn agent(server: SocketAddr) -> Service {
    let url = format!("http://{server}");
    service("agent", "durable-sessions-demo-agent", &["--server", &url])
}

fn service(name: &'static str, binary: &str, arguments: &[&str]) -> Service {
    Service {
        name,
        program: repository::program(binary),
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
    }
}
