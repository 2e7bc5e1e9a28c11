//! The program itself: what it prints, how it fails, how it ends.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::{Client, Incoming, Request, note};

struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    fn start(data: &Path) -> Self {
        let mut child = command(data, "127.0.0.1:0").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://").unwrap();
        Self { address: address.parse().unwrap(), child }
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(data: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_durable-sessions"));
    command
        .args(["serve", "--listen", listen, "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Asserts that the program ended with code 1 and one line that names what is wrong.
fn assert_fails(output: &Output, needle: &str) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(needle), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_taken_port_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    assert_fails(&command(data.path(), &address).output().unwrap(), &address);
}

#[test]
fn a_directory_in_use_is_told_in_one_line() {
    let data = tempfile::tempdir().unwrap();
    let _running = Program::start(data.path());
    assert_fails(
        &command(data.path(), "127.0.0.1:0").output().unwrap(),
        "in use by another process",
    );
}

#[test]
fn a_directory_that_is_none_is_told_in_one_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    assert_fails(&command(file.path(), "127.0.0.1:0").output().unwrap(), &path);
}

#[test]
fn an_open_address_needs_insecure() {
    let data = tempfile::tempdir().unwrap();
    assert_fails(&command(data.path(), "0.0.0.0:0").output().unwrap(), "--insecure");
}

#[test]
fn flags_are_environment_variables_too() {
    let data = tempfile::tempdir().unwrap();
    let output = command(data.path(), "127.0.0.1:0")
        .env("DURABLE_SESSIONS_WWW", "/nowhere/at/all")
        .output()
        .unwrap();
    assert_fails(&output, "/nowhere/at/all");
}

#[tokio::test]
async fn sigterm_ends_it_cleanly_and_kill_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let path = "/v1/sessions/s/events";
    let mut killed = Program::start(data.path());
    let posted = Request::post(path, &note("m1", "x")).send(killed.address).await;
    assert_eq!(posted.status, 204);
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();

    let mut program = Program::start(data.path());
    let read = Request::get(path).header("session-log", posted.header("session-log"));
    assert_eq!(read.send(program.address).await.json()[0]["id"], "m1");

    let mut client = Client::open(program.address).await;
    program.terminate();
    assert_eq!(client.next().await, Incoming::Closed(Some(4002)));
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    let mut stderr = String::new();
    program.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(stderr.contains("believes who its clients say they are"), "{stderr}");
}
