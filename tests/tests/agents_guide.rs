//! The agents of docs/AGENTS.md, run as they stand there against a real server.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use durable_sessions_tests::eventually;
use durable_sessions_tests::http::post;
use durable_sessions_tests::log::{deltas, find, read, text, until};
use durable_sessions_tests::process::Server;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");
const GUIDE: &str = include_str!("../../docs/AGENTS.md");
/// Stands before each block that is meant to be run.
const MARK: &str = "<!-- These lines are run by tests/tests/agents_guide.rs. -->\n```";
/// Where the guide's server listens.
const ADDRESS: &str = "127.0.0.1:8787";

/// The marked block in a language.
fn block(language: &str) -> &'static str {
    let mut blocks = GUIDE.split(MARK).skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.find_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    block.unwrap_or_else(|| panic!("the guide has lines of {language}"))
}

/// A program with the block as its text, for the server of this test.
fn program(interpreter: &str, language: &str, server: SocketAddr) -> Command {
    let lines = block(language);
    assert!(lines.contains(ADDRESS), "the lines name the server's address");
    let mut command = Command::new(interpreter);
    command.arg("-c").arg(lines.replace(ADDRESS, &server.to_string())).kill_on_drop(true);
    command
}

fn start_python(server: SocketAddr) -> Child {
    let started = program("python3", "python", server).spawn();
    started.unwrap_or_else(|error| {
        panic!("this test runs the agent of docs/AGENTS.md and needs a `python3`: {error}")
    })
}

/// A user says so many words.
async fn say(server: &Server, session: &str, id: &str, words: usize) -> String {
    let said: String = (0..words).map(|n| format!("word{n} ")).collect();
    let message = json!({"kind": "message", "id": id, "role": "user", "text": said});
    let path = format!("/v1/sessions/{session}/events");
    let posted = post(server.address(), &path, &[("session-as", "user/ann")], &message).await;
    assert_eq!(posted.unwrap().status, 204);
    said.to_uppercase()
}

/// Waits until the input's run has written so many deltas; the run.
async fn at_work(server: &Server, session: &str, input: &str, count: usize) -> String {
    let started = until(server.address(), session, |events| {
        let started = find(events, "run.started", "in_reply_to", input)?;
        let run = started["run"].as_str()?;
        (deltas(events, run).len() >= count).then(|| run.to_owned())
    });
    eventually("the agent writes", started).await
}

/// Waits until a run has ended; its end and the whole log.
async fn ended(server: &Server, session: &str, run: &str) -> (Value, Vec<Value>) {
    let end =
        until(server.address(), session, |events| find(events, "run.ended", "run", run).cloned());
    let end = eventually("the run ends", end).await;
    (end, read(server.address(), session).await)
}

#[test]
fn the_python_agent_has_15_lines() {
    let lines = block("python").lines().filter(|line| !line.trim().is_empty());
    assert_eq!(lines.count(), 15);
}

#[tokio::test]
async fn the_python_agent_answers_in_many_events() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(SERVER, data.path()).await;
    let _python = start_python(server.address());
    for (session, id) in [("s", "m1"), ("t", "m1"), ("s", "m2")] {
        let wanted = say(&server, session, id, 20).await;
        let run = at_work(&server, session, id, 1).await;
        let (end, events) = ended(&server, session, &run).await;
        assert_eq!(end["outcome"], "completed");
        assert_eq!(text(&events, &run), wanted);
        assert_eq!(deltas(&events, &run).len(), 20);
    }
}

#[tokio::test]
async fn the_python_agent_is_stopped_and_goes_on_with_the_next_message() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(SERVER, data.path()).await;
    let _python = start_python(server.address());
    // Far more than it can say in the time it takes to stop it.
    say(&server, "s", "m1", 20_000).await;
    let run = at_work(&server, "s", "m1", 5).await;
    let stop = post(server.address(), "/v1/sessions/s/stop", &[], &json!({"run": run})).await;
    let receipt = stop.unwrap().json();
    assert_eq!(receipt["runs"], json!([run]));
    let (end, events) = ended(&server, "s", &run).await;
    assert_eq!(end["outcome"], "stopped");
    assert_eq!(end["from"]["id"], "parrot", "the agent's own word, not the server's");
    let stopped_at = receipt["offset"].as_u64().unwrap();
    assert!(deltas(&events, &run).iter().all(|&offset| offset < stopped_at));

    say(&server, "s", "m2", 3).await;
    let run = at_work(&server, "s", "m2", 1).await;
    assert_eq!(ended(&server, "s", &run).await.0["outcome"], "completed");
}

#[tokio::test]
async fn the_python_agent_goes_on_when_the_server_was_killed() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(SERVER, data.path()).await;
    let _python = start_python(server.address());
    let wanted = say(&server, "s", "m1", 300).await;
    let run = at_work(&server, "s", "m1", 5).await;
    server.kill().await;
    server.restart().await;
    let (end, events) = ended(&server, "s", &run).await;
    assert_eq!(end["outcome"], "completed");
    assert_eq!(text(&events, &run), wanted, "each delta once");

    // Killed while the agent waits for work.
    server.kill().await;
    server.restart().await;
    say(&server, "s", "m2", 3).await;
    let run = at_work(&server, "s", "m2", 1).await;
    let (end, events) = ended(&server, "s", &run).await;
    assert_eq!(end["outcome"], "completed");
    let starts = events.iter().filter(|event| event["kind"] == "run.started").count();
    assert_eq!(starts, 2);
}

#[tokio::test]
async fn the_curl_lines_take_work_and_answer() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(SERVER, data.path()).await;
    let mut curl = program("bash", "sh", server.address());
    curl.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = tokio::time::timeout(Duration::from_secs(60), curl.output()).await;
    let output = output.expect("the lines come to an end").unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains("urn:durable-sessions:error"), "{printed}");
    let (work, transcript) = printed.split_once('\n').unwrap();
    let work: Value = serde_json::from_str(work).unwrap();
    assert_eq!((&work["attempt"], &work["message"]["text"]), (&json!(1), &json!("Hello?")));
    let transcript: Value = serde_json::from_str(transcript).unwrap();
    let answer = &transcript["messages"][1];
    assert_eq!((&answer["text"], &answer["state"]), (&json!("Hello Ann"), &json!("completed")));
}
