//! A language model words what was worked out.

use std::sync::{Arc, Mutex};

use durable_sessions_protocol::fold::RunState;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{SHOP, Stage, eventually, plan};

/// What the model of a test answers.
#[derive(Clone, Debug)]
enum Reply {
    /// These pieces of text, then the end.
    Says(&'static [&'static str]),
    /// One piece, and then nothing for ever.
    Hangs,
    /// One piece, and then the connection closes.
    BreaksOff,
    /// A body that is no event stream.
    Garbage,
    Status(u16),
}

/// An endpoint that answers every request the same.
struct Endpoint {
    url: String,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
    /// Connections that the other side closed while the answer was under way.
    dropped: watch::Receiver<u32>,
}

impl Endpoint {
    async fn open(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::default();
        let (drops, dropped) = watch::channel(0);
        let drops = Arc::new(drops);
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, seen, drops) = (reply.clone(), Arc::clone(&seen), Arc::clone(&drops));
                tokio::spawn(async move {
                    if answer(stream, reply, &seen).await.is_none() {
                        drops.send_modify(|drops| *drops += 1);
                    }
                });
            }
        });
        Self { url, requests, dropped }
    }

    async fn stage(&self) -> Stage {
        let environment = [
            ("OPENAI_BASE_URL", self.url.as_str()),
            ("OPENAI_API_KEY", "secret-key"),
            ("OPENAI_MODEL", "small"),
        ];
        Stage::with(1_000, &environment).await
    }

    fn requests(&self) -> Vec<(String, Value)> {
        self.requests.lock().unwrap().clone()
    }
}

/// `None`: the other side closed first.
async fn answer(
    mut stream: TcpStream,
    reply: Reply,
    seen: &Mutex<Vec<(String, Value)>>,
) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        stream.read_buf(&mut bytes).await.ok().filter(|count| *count > 0)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    seen.lock().unwrap().push((head, serde_json::from_str(&body).unwrap()));

    let status = if let Reply::Status(status) = reply { status } else { 200 };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let pieces: &[&str] = match reply {
        Reply::Says(pieces) => pieces,
        Reply::Hangs | Reply::BreaksOff => &["A beginning"],
        Reply::Garbage | Reply::Status(_) => {
            stream.write_all(b"<html>No such thing</html>").await.ok()?;
            return Some(());
        }
    };
    for piece in pieces {
        let chunk = json!({"choices": [{"index": 0, "delta": {"content": piece}}]});
        stream.write_all(format!("data: {chunk}\n\n").as_bytes()).await.ok()?;
    }
    match reply {
        Reply::Hangs => {
            let mut byte = [0];
            while stream.read(&mut byte).await.ok().is_some_and(|count| count > 0) {}
            return None;
        }
        Reply::BreaksOff => return Some(()),
        Reply::Says(_) | Reply::Garbage | Reply::Status(_) => {}
    }
    stream.write_all(b"data: [DONE]\n\n").await.ok()?;
    Some(())
}

#[tokio::test]
async fn a_model_words_the_figures_that_were_worked_out() {
    let endpoint =
        Endpoint::open(Reply::Says(&["An order ", "leaves $26.66", " – naïvely."])).await;
    let stage = endpoint.stage().await;
    let run = stage.run_for(&stage.say(SHOP).await).await;
    assert_eq!(stage.ended(&run).await, RunState::Completed);
    assert_eq!(stage.said_by(&run), "An order leaves $26.66 – naïvely.");

    let requests = endpoint.requests();
    let [(head, body)] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer secret-key"), "{head}");
    assert_eq!((&body["model"], &body["stream"]), (&json!("small"), &json!(true)));
    let system = body["messages"][0]["content"].as_str().unwrap();
    assert!(system.contains("Contribution margin: $26.66 an order"), "{system}");
    assert_eq!(body["messages"][1], json!({"role": "user", "content": SHOP}));
}

#[tokio::test]
async fn figures_of_a_plan_do_not_depend_on_the_model() {
    let endpoint = Endpoint::open(Reply::Says(&["Well."])).await;
    let stage = endpoint.stage().await;
    let lead = stage.run_for(&stage.say(&plan()).await).await;
    let ask = stage.asked_by("assistant").await;
    assert_eq!(ask.body["amount"]["text"], "$12,794.55");
    let run = stage.newest_run("bid-cap").id;
    assert_eq!(stage.said_by(&run), "Well.");
    assert_eq!(stage.figures_of(&run).text("bid_cap"), "$21.67");
    stage.answer(&ask, json!({"approved": true})).await;
    assert_eq!(stage.ended(&lead).await, RunState::Completed);
    let facts = endpoint.requests();
    let told = |part: &str| {
        facts
            .iter()
            .any(|(_, body)| body["messages"][0]["content"].as_str().unwrap().contains(part))
    };
    assert!(told("- Bid cap: $21.67\n"));
    assert!(told("Assumed, because you did not say:"));
}

#[tokio::test]
async fn a_stop_drops_the_connection_to_the_model() {
    let endpoint = Endpoint::open(Reply::Hangs).await;
    let stage = endpoint.stage().await;
    stage.say(SHOP).await;
    let run = stage.writing("assistant", "A beginning".len()).await;
    assert_eq!(*endpoint.dropped.borrow(), 0);
    stage.stop(&run).await;
    assert_eq!(stage.ended(&run).await, RunState::Stopped);
    let mut dropped = endpoint.dropped.clone();
    eventually("the connection to close", dropped.wait_for(|dropped| *dropped == 1)).await.unwrap();
}

#[tokio::test]
async fn a_steer_asks_the_model_anew() {
    let endpoint = Endpoint::open(Reply::Hangs).await;
    let stage = endpoint.stage().await;
    stage.say(SHOP).await;
    let run = stage.writing("assistant", "A beginning".len()).await;
    stage.steer(&run, "assume COGS 14").await;
    let mut dropped = endpoint.dropped.clone();
    eventually("the first answer to be dropped", dropped.wait_for(|dropped| *dropped == 1))
        .await
        .unwrap();
    stage.writing("assistant", 2 * "A beginning".len() + "Changed: COGS $14.00.".len()).await;
    let requests = endpoint.requests();
    let facts = requests.last().unwrap().1["messages"][0]["content"].as_str().unwrap().to_owned();
    assert!(facts.contains("goods $14.00"), "{facts}");
}

#[tokio::test]
async fn a_model_that_fails_ends_the_run_with_a_code() {
    for (reply, code) in [
        (Reply::Status(401), "model_unauthorized"),
        (Reply::Status(400), "model_refused"),
        (Reply::Status(429), "model_rate_limited"),
        (Reply::Status(503), "model_unavailable"),
        (Reply::Garbage, "model_garbled"),
        (Reply::Says(&[]), "model_garbled"),
        (Reply::BreaksOff, "model_cut_off"),
    ] {
        let endpoint = Endpoint::open(reply.clone()).await;
        let stage = endpoint.stage().await;
        let run = stage.run_for(&stage.say(SHOP).await).await;
        assert_eq!(stage.ended(&run).await, RunState::Failed, "{reply:?}");
        assert_eq!(stage.error_of(&run).await, json!({"code": code}), "{reply:?}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let environment = [("OPENAI_BASE_URL", url.as_str()), ("OPENAI_API_KEY", "key")];
    let stage = Stage::with(1_000, &environment).await;
    let run = stage.run_for(&stage.say(SHOP).await).await;
    assert_eq!(stage.error_of(&run).await, json!({"code": "model_unreachable"}));
}

#[tokio::test]
async fn without_a_key_no_model_is_asked() {
    let endpoint = Endpoint::open(Reply::Says(&["Never."])).await;
    let stage = Stage::with(1_000, &[("OPENAI_BASE_URL", endpoint.url.as_str())]).await;
    let run = stage.run_for(&stage.say(SHOP).await).await;
    assert_eq!(stage.ended(&run).await, RunState::Completed);
    assert!(stage.said_by(&run).contains("Contribution margin: $26.66"));
    assert!(endpoint.requests().is_empty());
}
