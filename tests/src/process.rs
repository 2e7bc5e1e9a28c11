//! Programs under test, as processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::eventually;

const LISTENING: &str = "listening on http://";

/// A server that can be killed and started again: on the same port, with the same data. It ends
/// with its handle.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    data: PathBuf,
    flags: &'static [&'static str],
    address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts a server on a free port and waits until it listens.
    pub async fn start(program: &str, data: &Path) -> Self {
        Self::start_with(program, data, &[]).await
    }

    /// The same with more flags, which it keeps.
    pub async fn start_with(program: &str, data: &Path, flags: &'static [&'static str]) -> Self {
        let (program, data) = (PathBuf::from(program), data.to_path_buf());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut child = serve(&program, &data, flags, any);
        let address = listening(&mut child).await;
        Self { program, data, flags, address, child }
    }

    /// Where it listens, now and after each restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it: SIGKILL, so that it finishes nothing.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a process of this test");
    }

    /// Starts it again after [`Server::kill`] and waits until it listens.
    pub async fn restart(&mut self) {
        self.child = serve(&self.program, &self.data, self.flags, self.address);
        let address = listening(&mut self.child).await;
        assert_eq!(address, self.address, "the port it had");
    }

    /// Starts it after [`Server::kill`] and kills it again before it may be ready.
    pub async fn restart_and_kill(&mut self, after: Duration) {
        self.child = serve(&self.program, &self.data, self.flags, self.address);
        sleep(after).await;
        self.kill().await;
    }
}

/// Starts an agent and waits for the line that says it serves.
pub async fn start_agent(program: &str, arguments: &[&str]) -> Child {
    let mut child = spawn(Command::new(program).args(arguments));
    let line = first_line(&mut child).await;
    assert!(line.starts_with("serving "), "{program} says {line:?}");
    child
}

fn serve(program: &Path, data: &Path, flags: &[&str], address: SocketAddr) -> Child {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", &address.to_string(), "--data"]).arg(data);
    spawn(command.args(flags))
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("a program that cargo built");
    let stderr = child.stderr.take().expect("it is piped");
    tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if !line.starts_with("no key is configured") {
                eprintln!("{line}");
            }
        }
    });
    child
}

async fn listening(child: &mut Child) -> SocketAddr {
    let line = first_line(child).await;
    let address = line.strip_prefix(LISTENING).and_then(|address| address.parse().ok());
    address.unwrap_or_else(|| panic!("the server says {line:?}"))
}

async fn first_line(child: &mut Child) -> String {
    let stdout = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines();
    let line = eventually("the first line of a program", lines.next_line()).await;
    line.expect("its output is text").expect("it says something before it ends")
}
