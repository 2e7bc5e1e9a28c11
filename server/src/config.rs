//! The command line. Every flag is an environment variable too.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits;

use crate::limits::{CHECKPOINT_MIN_ENTRIES, SESSION_IDLE_UNLOAD_MS};

/// Durable, ordered sessions between AI agents and the people who talk to them.
#[derive(Debug, Parser)]
#[command(name = "durable-sessions", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve sessions over WebSocket and HTTP until SIGTERM or Ctrl-C
    Serve(Config),
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "DURABLE_SESSIONS_LISTEN", default_value = "127.0.0.1:8787", value_parser = listen_address)]
    pub listen: SocketAddr,

    /// Directory of the embedded store; made when it is not there
    #[arg(long, env = "DURABLE_SESSIONS_DATA", default_value = "./data")]
    pub data: PathBuf,

    /// Where sessions last
    #[arg(long, env = "DURABLE_SESSIONS_STORE", default_value = "embedded")]
    pub store: Store,

    /// Directory of static files to serve at /
    #[arg(long, env = "DURABLE_SESSIONS_WWW")]
    pub www: Option<PathBuf>,

    /// Another origin whose pages may connect, such as https://app.example; may be repeated
    #[arg(long = "allow-origin", env = "DURABLE_SESSIONS_ALLOW_ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub allow_origins: Vec<String>,

    /// Listen beyond this machine and answer to any host name, although nobody is authenticated
    #[arg(long, env = "DURABLE_SESSIONS_INSECURE")]
    pub insecure: bool,

    /// The agent that gets messages addressed to nobody
    #[arg(long, env = "DURABLE_SESSIONS_DEFAULT_AGENT", default_value = "assistant", value_name = "NAME", value_parser = Id::parse)]
    pub default_agent: Id,

    /// How long a session that nobody uses stays in memory, in milliseconds. Tests shorten it
    #[arg(long, env = "DURABLE_SESSIONS_IDLE_UNLOAD_MS", default_value_t = SESSION_IDLE_UNLOAD_MS, hide = true)]
    pub idle_unload_ms: u64,

    /// A session's state is written down after so many events, or more if it is large. Tests write
    /// it often
    #[arg(long, env = "DURABLE_SESSIONS_CHECKPOINT_MIN_ENTRIES", default_value_t = CHECKPOINT_MIN_ENTRIES, hide = true)]
    pub checkpoint_min_entries: u64,

    /// Clocks of a connection; the defaults are the protocol's.
    #[command(flatten)]
    pub clocks: Clocks,
}

/// Clocks of a WebSocket connection, in milliseconds. Tests shorten them.
#[derive(Debug, Clone, Copy, Args)]
pub struct Clocks {
    /// The first frame must be there within this time
    #[arg(long, env = "DURABLE_SESSIONS_HELLO_TIMEOUT_MS", default_value_t = limits::HELLO_TIMEOUT_MS, hide = true)]
    pub hello_timeout_ms: u64,
    /// Silence after which the server sends a ping
    #[arg(long, env = "DURABLE_SESSIONS_HEARTBEAT_MS", default_value_t = limits::HEARTBEAT_MS, hide = true)]
    pub heartbeat_ms: u64,
    /// How long a pinged client may stay silent
    #[arg(long, env = "DURABLE_SESSIONS_HEARTBEAT_GRACE_MS", default_value_t = limits::HEARTBEAT_GRACE_MS, hide = true)]
    pub heartbeat_grace_ms: u64,
}

/// Where sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// In files below the data directory
    Embedded,
    /// In memory only: gone when the server ends
    Memory,
}

/// Reads `ADDRESS:PORT`; the name `localhost` stands for 127.0.0.1.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| "expected an IP address and a port, as 127.0.0.1:8787".to_owned())
}

/// Reads an origin in the form browsers send: `scheme://host[:port]`, lower case, no path.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "{text:?} is not an origin; expected scheme://host[:port], as https://app.example (there is no wildcard)"
        )
    };
    let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://").ok_or_else(wrong)?;
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_authority = !authority.is_empty()
        && authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    if is_scheme && is_authority { Ok(text) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(args: &[&str]) -> Result<Config, clap::Error> {
        let args = ["durable-sessions", "serve"].iter().chain(args);
        let Command::Serve(config) = Cli::try_parse_from(args)?.command;
        Ok(config)
    }

    #[test]
    fn the_defaults_are_local_and_durable() {
        let config = serve(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8787");
        assert_eq!(config.store, Store::Embedded);
        assert_eq!(config.default_agent.as_str(), "assistant");
        assert!(!config.insecure && config.allow_origins.is_empty() && config.www.is_none());
        assert_eq!(config.clocks.heartbeat_ms, limits::HEARTBEAT_MS);
    }

    #[test]
    fn an_origin_is_kept_as_browsers_send_it() {
        let config =
            serve(&["--allow-origin", "https://App.example/", "--allow-origin", "http://[::1]:80"])
                .unwrap();
        assert_eq!(config.allow_origins, ["https://app.example", "http://[::1]:80"]);
        for wrong in ["*", "app.example", "https://", "https://a/b"] {
            assert!(serve(&["--allow-origin", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_listen_address_needs_a_port() {
        assert_eq!(listen_address("localhost:0").unwrap().to_string(), "127.0.0.1:0");
        assert!(listen_address("127.0.0.1").is_err());
        assert!(listen_address("example.com:80").is_err());
    }
}
