//! Work over HTTP. DS-11.14 and following.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{PATIENCE, Reply, Request, TestServer};

const PATH: &str = "/v1/agents/assistant/next";
const REQUESTS: &str = "durable_sessions_http_requests_total";

fn next(body: &Value) -> Request {
    Request::post(PATH, body).header("session-as", "agent/py")
}

/// A request that is waiting at the server.
async fn parked(server: &TestServer, body: Value) -> JoinHandle<Reply> {
    let before = server.metric(REQUESTS).await;
    let address = server.address;
    let reply = tokio::spawn(async move { next(&body).send(address).await });
    until_request(server, before).await;
    reply
}

/// Waits until one more request came than those that look at the number.
async fn until_request(server: &TestServer, before: u64) {
    let mut looks = 1;
    let came = async {
        while server.metric(REQUESTS).await < before + looks + 1 {
            looks += 1;
        }
    };
    timeout(PATIENCE, came).await.expect("the request comes");
}

/// A user asks the default agent; `more` is added to the message.
async fn ask(server: &TestServer, session: &str, id: &str, more: Value) {
    let mut message = json!({"kind": "message", "id": id, "role": "user", "text": "hi"});
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    let reply = events(server, session, "user/ann", &message).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
}

async fn events(server: &TestServer, session: &str, who: &str, event: &Value) -> Reply {
    let path = format!("/v1/sessions/{session}/events");
    Request::post(&path, event).header("session-as", who).send(server.address).await
}

async fn log(server: &TestServer, session: &str) -> Value {
    Request::get(&format!("/v1/sessions/{session}/events")).send(server.address).await.json()
}

async fn problem(server: &TestServer, request: Request) -> (u16, String) {
    let reply = request.send(server.address).await;
    (reply.status.as_u16(), reply.problem())
}

#[tokio::test]
async fn a_waiting_input_is_claimed_and_comes_with_its_stored_bytes() {
    let server = TestServer::start(&[]).await;
    let message =
        r#"{ "role":"user", "text":"h\u00e4", "kind":"message", "later":1.50, "id":"m\"1" }"#;
    Request::new("POST", "/v1/sessions/s/events")
        .header("content-type", "application/json")
        .body(message)
        .send(server.address)
        .await;

    let reply = next(&json!({})).send(server.address).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/json");
    let stored = Request::get("/v1/sessions/s/events").send(server.address).await;
    assert_eq!(reply.header("session-log"), stored.header("session-log"));
    let (work, stored) = (reply.json(), stored.text());
    let message_bytes = stored.strip_prefix('[').unwrap().split(r#",{"offset":2"#).next().unwrap();
    assert!(reply.text().contains(&format!(r#""message":{message_bytes}}}"#)), "{stored}");
    assert_eq!((&work["session"], &work["input"]), (&json!("s"), &json!("m\"1")));
    assert_eq!(work["attempt"], 1);

    let started = log(&server, "s").await[1].clone();
    assert_eq!(started["kind"], "run.started");
    assert_eq!(started["from"], json!({"kind": "agent", "id": "py"}));
    assert_eq!((&started["run"], &started["agent"]), (&work["run"], &json!("assistant")));
    assert_eq!(started["in_reply_to"], "m\"1");
    assert_eq!(started["lease_ms"], Value::Null);
}

#[tokio::test]
async fn the_run_belongs_to_the_caller_with_and_without_a_producer() {
    let server = TestServer::start(&[]).await;
    ask(&server, "s", "m1", json!({})).await;
    let work = next(&json!({})).send(server.address).await.json();
    let run = work["run"].as_str().unwrap();
    let delta = |n: u32| {
        json!({"kind": "delta", "id": format!("d{n}"), "run": run,
                                "message": "a1", "text": "x"})
    };
    let other = events(&server, "s", "agent/other", &delta(0)).await;
    assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "not_owner"));
    assert_eq!(events(&server, "s", "agent/py", &delta(1)).await.status, 204);
    let produced = Request::post("/v1/sessions/s/events", &delta(2))
        .header("session-as", "agent/py")
        .header("producer-id", run)
        .header("producer-epoch", "1")
        .header("producer-seq", "0");
    assert_eq!(produced.send(server.address).await.status, 200);
}

#[tokio::test]
async fn a_request_waits_for_input_that_comes_later() {
    let server = TestServer::start(&[]).await;
    let waiting = parked(&server, json!({})).await;
    ask(&server, "s", "m1", json!({})).await;
    let work = waiting.await.unwrap();
    assert_eq!((work.status.as_u16(), &work.json()["input"]), (200, &json!("m1")));
}

#[tokio::test]
async fn nothing_in_time_is_no_content() {
    let server = TestServer::start(&[]).await;
    for wait_ms in [0, 20] {
        let reply = next(&json!({"wait_ms": wait_ms})).send(server.address).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (204, ""));
    }
    ask(&server, "s", "m1", json!({})).await;
    // What is there is given even to who does not wait.
    let reply = next(&json!({"wait_ms": 0})).send(server.address).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_request_needs_no_body() {
    let server = TestServer::start(&[]).await;
    ask(&server, "s", "m1", json!({"to": "an agent/ü"})).await;
    let bare = Request::new("POST", "/v1/agents/an%20agent%2F%C3%BC/next");
    let reply = bare.header("session-as", "agent/py").send(server.address).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn only_the_named_sessions_are_worked_on() {
    let server = TestServer::start(&[]).await;
    for session in ["other", "shop-1"] {
        ask(&server, session, "m1", json!({})).await;
    }
    let body = json!({"sessions": ["demo", "shop-*"], "wait_ms": 0});
    assert_eq!(next(&body).send(server.address).await.json()["session"], "shop-1");
    assert_eq!(next(&body).send(server.address).await.status, 204);
}

#[tokio::test]
async fn one_input_goes_to_one_of_those_who_wait() {
    let server = TestServer::start(&[]).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(parked(&server, json!({"wait_ms": 1_000})).await);
    }
    ask(&server, "s", "m1", json!({})).await;
    let mut answers = Vec::new();
    for reply in waiting {
        answers.push(reply.await.unwrap().status.as_u16());
    }
    answers.sort_unstable();
    assert_eq!(answers, [200, 204, 204, 204, 204]);
}

#[tokio::test]
async fn who_was_offered_what_another_claimed_waits_on() {
    let server = TestServer::start(&[]).await;
    ask(&server, "s", "m1", json!({})).await;
    server.store.hold_sync();
    let claim =
        json!({"kind": "run.started", "run": "r1", "agent": "assistant", "in_reply_to": "m1"});
    let address = server.address;
    let claimed = tokio::spawn(async move {
        let claim = Request::post("/v1/sessions/s/events", &claim);
        claim.header("session-as", "agent/quick").send(address).await
    });
    server.store.until_waiting(1).await;
    let waiting = parked(&server, json!({})).await;
    server.until_metric("durable_sessions_wakes_total", 1).await;
    server.store.release_sync();
    assert_eq!(claimed.await.unwrap().status, 204);
    ask(&server, "t", "m2", json!({})).await;
    assert_eq!(waiting.await.unwrap().json()["input"], "m2");
}

#[tokio::test]
async fn a_request_whose_caller_is_gone_takes_nothing() {
    let server = TestServer::start(&[]).await;
    let before = server.metric(REQUESTS).await;
    let mut gone = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: {}\r\n", server.address);
    let rest = "session-as: agent/gone\r\ncontent-length: 0\r\n\r\n";
    gone.write_all((head + rest).as_bytes()).await.unwrap();
    until_request(&server, before).await;
    gone.shutdown().await.unwrap();
    // The server has let go of it.
    assert_eq!(timeout(PATIENCE, gone.read(&mut [0])).await.unwrap().unwrap(), 0);

    ask(&server, "s", "m1", json!({})).await;
    let work = next(&json!({"wait_ms": 0})).send(server.address).await;
    assert_eq!((work.status.as_u16(), &work.json()["attempt"]), (200, &json!(1)));
}

#[tokio::test]
async fn a_run_without_a_sign_of_life_for_its_own_lease_is_lost_and_given_out_again() {
    let server = TestServer::start(&[]).await;
    ask(&server, "s", "m1", json!({})).await;
    let first = next(&json!({"lease_ms": 1_000})).send(server.address).await.json();
    assert_eq!(log(&server, "s").await[1]["lease_ms"], 1_000);
    let second = next(&json!({})).send(server.address).await.json();
    assert_eq!((&second["input"], &second["attempt"]), (&json!("m1"), &json!(2)));
    assert_ne!(second["run"], first["run"]);
    let log = log(&server, "s").await;
    assert_eq!((&log[2]["kind"], &log[2]["outcome"]), (&json!("run.ended"), &json!("lost")));
}

#[tokio::test]
async fn only_agents_work() {
    let server = TestServer::start(&[]).await;
    let user = Request::post(PATH, &json!({})).header("session-as", "user/ann");
    assert_eq!(problem(&server, user).await, (403, "forbidden".to_owned()));
    let nobody = Request::post(PATH, &json!({}));
    assert_eq!(problem(&server, nobody).await, (403, "forbidden".to_owned()));
}

#[tokio::test]
async fn what_cannot_be_wanted_is_invalid() {
    let server = TestServer::start(&[]).await;
    for body in [
        json!({"wait_ms": 60_001}),
        json!({"wait_ms": -1}),
        json!({"wait_ms": "1"}),
        json!({"lease_ms": 999}),
        json!({"lease_ms": 86_400_001}),
        json!({"sessions": []}),
        json!({"sessions": ["a b"]}),
        json!({"sessions": "s"}),
        json!([1]),
        json!(null),
    ] {
        let asked = problem(&server, next(&body)).await;
        assert_eq!(asked, (400, "invalid".to_owned()), "{body}");
    }
    let no_json = Request::new("POST", PATH).header("session-as", "agent/py").body("{}");
    assert_eq!(problem(&server, no_json).await, (400, "invalid".to_owned()));
    let long = format!("/v1/agents/{}/next", "a".repeat(129));
    let long = Request::post(&long, &json!({})).header("session-as", "agent/py");
    assert_eq!(problem(&server, long).await, (400, "invalid".to_owned()));
    let get = problem(&server, Request::get(PATH)).await;
    assert_eq!(get, (405, "invalid".to_owned()));
}

#[tokio::test]
async fn a_server_that_goes_sends_away_who_waits() {
    let mut server = TestServer::start(&[]).await;
    let waiting = parked(&server, json!({})).await;
    server.shut_down();
    let reply = waiting.await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.problem().as_str()), (503, "draining"));
    assert!(reply.json()["retry_after_ms"].as_u64().unwrap() < 2_000);
    assert!(reply.header("retry-after").parse::<u64>().unwrap() <= 2);
    server.ended().await;
}

// DS-7.16
#[tokio::test]
async fn a_session_that_may_have_no_more_runs_open_keeps_whoever_asks_for_work_waiting() {
    let server = TestServer::start(&[]).await;
    let starts: Vec<Value> = (0..1024)
        .map(|n| json!({"kind": "run.started", "run": format!("r{n}"), "agent": "b"}))
        .collect();
    let full = Request::post("/v1/sessions/s/events", &json!(starts))
        .header("session-as", "agent/b")
        .header("producer-id", "p")
        .header("producer-epoch", "0")
        .header("producer-seq", "0")
        .send(server.address)
        .await;
    assert_eq!(full.status, 200, "{}", full.text());
    ask(&server, "s", "m1", json!({})).await;
    // The claim is refused; there may be other work.
    let work = parked(&server, json!({})).await;
    ask(&server, "other", "m2", json!({})).await;
    let work = work.await.unwrap();
    assert_eq!((work.status.as_u16(), work.json()["session"].clone()), (200, json!("other")));
}
