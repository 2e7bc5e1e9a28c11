//! The lines of the README, run as they stand against a real server.

use std::process::Stdio;
use std::time::Duration;

use durable_sessions_tests::process::Server;
use tokio::process::Command;

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");
const README: &str = include_str!("../../README.md");
/// Stands before each block that is meant to be run.
const MARK: &str = "<!-- These lines are run by tests/tests/readme.rs. -->\n```sh\n";
/// Where the README's server listens.
const ADDRESS: &str = "127.0.0.1:8787";

/// The marked blocks, in order.
fn blocks() -> Vec<&'static str> {
    README.split(MARK).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs lines of the README against a server of this test and returns all they print.
async fn run(lines: &str, server: &Server) -> String {
    assert!(lines.contains(ADDRESS), "the lines name the server's address");
    let lines = lines.replace(ADDRESS, &server.address().to_string());
    let mut shell = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &lines])
        // A person's terminal stays open; wscat ends when its input does.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stdin = shell.stdin.take();
    let output = tokio::time::timeout(Duration::from_secs(120), shell.wait_with_output())
        .await
        .expect("the lines come to an end")
        .unwrap();
    drop(stdin);
    let printed = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{printed}\n{complaints}", output.status);
    printed
}

#[tokio::test]
async fn the_curl_lines_append_follow_and_stop() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(SERVER, data.path()).await;
    let printed = run(blocks()[0], &server).await;
    // Three appends: two are new, the third is the second again.
    assert!(printed.starts_with("200\n200\n204\n"), "{printed}");
    assert!(printed.contains("event: data"), "{printed}");
    assert!(printed.contains(r#""upToDate":true"#), "{printed}");
    assert!(printed.contains(r#""runs":["r1"]"#), "{printed}");
    assert!(printed.contains(r#""code":"run_stopped""#), "{printed}");
    assert!(printed.contains(r#""text":"Hello Ann""#), "{printed}");
    assert!(printed.contains(r#""state":"stopped""#), "{printed}");
}

#[tokio::test]
async fn the_websocket_lines_attach_publish_and_stop() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(SERVER, data.path()).await;
    let printed = run(blocks()[1], &server).await;
    let frames: Vec<serde_json::Value> =
        printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let frame = |wanted: &'static str| frames.iter().filter(move |frame| frame["type"] == wanted);
    assert_eq!(frame("welcome").count(), 1, "{printed}");
    assert_eq!(frame("attached").next().unwrap()["request"], 1, "{printed}");
    let acks: Vec<_> = frame("ack").map(|ack| (&ack["request"], &ack["first"])).collect();
    assert_eq!(acks, [(&2.into(), &1.into()), (&3.into(), &2.into())], "{printed}");
    let kinds: Vec<_> = frame("events")
        .flat_map(|frame| frame["events"].as_array().unwrap())
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["message", "stop.requested"], "{printed}");
}
