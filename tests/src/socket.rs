//! A WebSocket by hand: frames as JSON, and no library that knows what they mean.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// An open socket.
#[derive(Debug)]
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens a socket and says nothing.
    pub async fn open(server: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(server).await?;
        let address = format!("ws://{server}/v1/connect");
        Ok(Self(tokio_tungstenite::client_async(address, stream).await?.0))
    }

    /// Opens a socket as `user/ID` or `agent/ID` and waits to be welcome.
    pub async fn hello(server: SocketAddr, principal: &str) -> Result<Self, Error> {
        let mut socket = Self::open(server).await?;
        socket.send(&json!({"type": "hello", "as": principal})).await?;
        socket.until("welcome").await?;
        Ok(socket)
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &Value) -> Result<(), Error> {
        self.0.send(Message::text(frame.to_string())).await
    }

    /// The next frame that is not a `ping`; those are answered. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Value, Error> {
        loop {
            let text = match self.0.next().await.ok_or(Error::ConnectionClosed)?? {
                Message::Text(text) => text,
                Message::Close(_) => return Err(Error::ConnectionClosed),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                    continue;
                }
            };
            let frame: Value = serde_json::from_str(&text).expect("servers send JSON");
            if frame["type"] != "ping" {
                return Ok(frame);
            }
            self.send(&json!({"type": "pong", "request": frame["request"]})).await?;
        }
    }

    /// The next frame of a type; others before it are dropped.
    pub async fn until(&mut self, frame_type: &str) -> Result<Value, Error> {
        loop {
            let frame = self.next().await?;
            if frame["type"] == frame_type {
                return Ok(frame);
            }
        }
    }
}
