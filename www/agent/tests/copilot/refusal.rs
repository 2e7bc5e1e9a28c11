//! A server that will not have one of the agents.

use std::process::Stdio;
use std::sync::Arc;

use durable_sessions_protocol::close::HELLO_REFUSED;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::support::{eventually, program};

/// The agent that the server refuses.
const REFUSED: &str = "bid-cap";

/// A server that greets four agents of five, and then refuses one of the five.
struct Gate {
    url: String,
    /// The one that hears nothing: none, if the refused one is not greeted.
    ignored: Option<&'static str>,
    /// How many it has greeted.
    greeted: watch::Sender<usize>,
}

impl Gate {
    async fn open(ignored: Option<&'static str>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gate = Arc::new(Self { url, ignored, greeted: watch::Sender::new(0) });
        let keeper = Arc::clone(&gate);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&keeper).meet(stream));
            }
        });
        gate
    }

    async fn meet(self: Arc<Self>, stream: TcpStream) {
        #[expect(clippy::result_large_err, reason = "the callback's type is not ours")]
        let accept = |request: &Request, mut response: Response| {
            let offered = request.headers()["sec-websocket-protocol"].clone();
            response.headers_mut().insert("sec-websocket-protocol", offered);
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, accept).await.unwrap();
        let hello = socket.next().await.unwrap().unwrap();
        let hello: Value = serde_json::from_str(hello.to_text().unwrap()).unwrap();
        let agent = hello["as"].as_str().unwrap().trim_start_matches("agent/");
        let (is_refused, is_ignored) = (agent == REFUSED, self.ignored == Some(agent));
        if !is_ignored && (!is_refused || self.ignored.is_some()) {
            welcome(&mut socket).await;
            // What it offers: so it knows that it was greeted.
            socket.next().await.unwrap().unwrap();
            self.greeted.send_modify(|greeted| *greeted += 1);
        }
        if is_refused {
            let mut greeted = self.greeted.subscribe();
            greeted.wait_for(|greeted| *greeted == 4).await.unwrap();
            refuse(&mut socket).await;
        }
        // Until the other side has gone.
        while let Some(Ok(_)) = socket.next().await {}
    }
}

async fn welcome(socket: &mut WebSocketStream<TcpStream>) {
    let limits = json!({
        "event_max_bytes": 262_144, "frame_max_bytes": 1_048_576, "publish_max_events": 1_024,
        "attach_max_sessions": 1_024, "unseen_max_bytes": 262_144,
    });
    let welcome = json!({
        "type": "welcome", "connection": "1", "heartbeat_ms": 15_000, "limits": limits,
    });
    socket.send(Message::text(welcome.to_string())).await.unwrap();
}

async fn refuse(socket: &mut WebSocketStream<TcpStream>) {
    let error = json!({
        "type": "urn:durable-sessions:error:forbidden", "title": "Not allowed", "status": 403,
        "detail": "this agent is on leave", "code": "forbidden", "retryable": false,
        "side_effects": "none",
    });
    let told = json!({"type": "error", "error": error}).to_string();
    socket.send(Message::text(told)).await.unwrap();
    let close = CloseFrame { code: HELLO_REFUSED.into(), reason: "".into() };
    socket.send(Message::Close(Some(close))).await.unwrap();
}

/// Waits until the agents end, and for the right reason.
async fn assert_all_end(gate: &Gate) {
    let mut command = program(&gate.url);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = eventually("the agents to end", command.kill_on_drop(true).output()).await.unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status.code(), Some(1), "{complained}");
    assert_eq!(complained, "error: bid-cap: forbidden: this agent is on leave\n");
    assert_eq!(said, "", "nobody is told that all five serve");
}

#[tokio::test]
async fn one_agent_that_is_refused_ends_all_and_is_named() {
    assert_all_end(&*Gate::open(None).await).await;
}

#[tokio::test]
async fn one_agent_that_is_refused_after_its_greeting_ends_all_while_another_still_connects() {
    assert_all_end(&*Gate::open(Some("unit-economics")).await).await;
}
