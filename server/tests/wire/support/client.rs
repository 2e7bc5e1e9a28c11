//! A WebSocket client that does only what it is told.

use std::collections::VecDeque;
use std::net::SocketAddr;

use durable_sessions_protocol::frame::SUBPROTOCOL;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::PATIENCE;

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    requests: u64,
    /// Frames that came before an answer that was waited for.
    earlier: VecDeque<Value>,
    /// Who was said to be there; it may be said at any time, so it stands beside the rest.
    presence: VecDeque<Value>,
}

/// What comes over a socket.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming {
    Frame(Value),
    Closed(Option<u16>),
}

impl Client {
    /// Opens a socket and says nothing.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut request = format!("ws://{address}/v1/connect").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let (socket, response) = client_async(request, stream).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], SUBPROTOCOL);
        Self { socket, requests: 0, earlier: VecDeque::new(), presence: VecDeque::new() }
    }

    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_message(Message::text(frame.to_string())).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next thing that comes, or came.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.earlier.pop_front() {
            Some(frame) => Incoming::Frame(frame),
            None => self.receive().await,
        }
    }

    /// The next `presence` frame; others are kept.
    pub(crate) async fn presence(&mut self) -> Value {
        loop {
            if let Some(frame) = self.presence.pop_front() {
                return frame;
            }
            match self.receive_any().await {
                Incoming::Frame(frame) if frame["type"] == "presence" => return frame,
                Incoming::Frame(frame) => self.earlier.push_back(frame),
                Incoming::Closed(code) => panic!("closed with {code:?}"),
            }
        }
    }

    async fn receive(&mut self) -> Incoming {
        loop {
            match self.receive_any().await {
                Incoming::Frame(frame) if frame["type"] == "presence" => {
                    self.presence.push_back(frame);
                }
                incoming @ (Incoming::Frame(_) | Incoming::Closed(_)) => return incoming,
            }
        }
    }

    async fn receive_any(&mut self) -> Incoming {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("something comes");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Incoming::Frame(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(frame))) => {
                    return Incoming::Closed(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Incoming::Closed(None),
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> Value {
        match self.next().await {
            Incoming::Frame(frame) => frame,
            Incoming::Closed(code) => panic!("closed with {code:?}"),
        }
    }

    /// The next frame of a type; others before it are dropped.
    pub(crate) async fn frame_of(&mut self, frame_type: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["type"] == frame_type {
                return frame;
            }
        }
    }

    /// The close code; frames before it are dropped.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Incoming::Closed(code) = self.next().await {
                return code;
            }
        }
    }

    /// Sends a frame with a request number and waits for its answer; other frames are kept.
    pub(crate) async fn ask(&mut self, mut frame: Value) -> Value {
        self.requests += 1;
        frame["request"] = self.requests.into();
        self.send(&frame).await;
        loop {
            match self.receive().await {
                Incoming::Frame(answer) if answer["request"] == self.requests => return answer,
                Incoming::Frame(frame) => self.earlier.push_back(frame),
                Incoming::Closed(code) => panic!("closed with {code:?}"),
            }
        }
    }

    pub(crate) async fn attach(&mut self, session: &str) -> Value {
        let answer = self.ask(json!({"type": "attach", "session": session})).await;
        assert_eq!(answer["type"], "attached", "{answer}");
        answer
    }

    /// Publishes one event.
    pub(crate) async fn publish(&mut self, session: &str, event: Value) -> Value {
        self.ask(json!({"type": "publish", "session": session, "events": [event]})).await
    }

    /// Everything that comes before the server answers a ping: what it had to say so far.
    pub(crate) async fn until_quiet(&mut self) -> Vec<Value> {
        self.requests += 1;
        self.send(&json!({"type": "ping", "request": self.requests})).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.frame().await;
            if frame["type"] == "pong" && frame["request"] == self.requests {
                return frames;
            }
            frames.push(frame);
        }
    }
}
