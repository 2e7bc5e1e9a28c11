//! One WebSocket: opening it, and sending on it without ever holding up the driver.

use std::time::Duration;

use durable_sessions_protocol::frame::SUBPROTOCOL;
use durable_sessions_protocol::limits::FRAME_MAX_BYTES;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::client::InvalidUrl;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Largest message a server may send, in bytes: an event at its limit and its frame fit easily.
const MESSAGE_MAX_BYTES: usize = 4 * FRAME_MAX_BYTES;
/// Read buffer of a socket, in bytes.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// How long a socket that is given up may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Frames handed to the socket before it is flushed.
const SEND_BATCH_MAX: usize = 64;
/// What a socket says that ended without a close frame.
pub(super) const CLOSE_ABNORMAL: u16 = 1006;

/// The WebSocket address of a server's URL.
pub(super) fn address(url: &str) -> Result<String, InvalidUrl> {
    let invalid = || InvalidUrl(url.to_owned());
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://"));
    let host = rest.ok_or_else(invalid)?.trim_end_matches('/');
    let address = format!("ws://{host}/v1/connect");
    if host.is_empty() || host.contains('/') || address.as_str().into_client_request().is_err() {
        return Err(invalid());
    }
    Ok(address)
}

/// Opens a socket.
pub(super) async fn open(address: &str) -> Result<Socket, Error> {
    let mut request = address.into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES));
    let (stream, _) = connect_async_with_config(request, Some(config), true).await?;
    let (sink, stream) = stream.split();
    // What may wait here is bounded by the core: a window of publishes and one act a session.
    let (outbox, queue) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write(sink, queue));
    Ok(Socket { stream, outbox, writer })
}

/// An open socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: SplitStream<Stream>,
    outbox: mpsc::UnboundedSender<Message>,
    writer: JoinHandle<()>,
}

/// What a socket says.
#[derive(Debug)]
pub(super) enum Said {
    Text(String),
    /// Something that is not text.
    Binary,
    Closed {
        code: u16,
    },
}

impl Socket {
    /// The next message. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            return match self.stream.next().await {
                Some(Ok(Message::Text(text))) => Said::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(_))) => Said::Binary,
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(CLOSE_ABNORMAL, |frame| frame.code.into());
                    Said::Closed { code }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(_)) | None => Said::Closed { code: CLOSE_ABNORMAL },
            };
        }
    }

    pub(super) fn send(&self, text: String) {
        // A writer that has failed is noticed by the reader.
        let _ = self.outbox.send(Message::text(text));
    }

    /// Says goodbye in the background.
    pub(super) fn close(self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        let _ = self.outbox.send(Message::Close(Some(frame)));
        let Self { stream, outbox, mut writer } = self;
        tokio::spawn(async move {
            drop(outbox);
            if tokio::time::timeout(CLOSE_TIMEOUT, &mut writer).await.is_err() {
                writer.abort();
            }
            drop(stream);
        });
    }
}

async fn write(mut sink: SplitSink<Stream, Message>, mut queue: mpsc::UnboundedReceiver<Message>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, SEND_BATCH_MAX).await > 0 {
        for message in batch.drain(..) {
            if sink.feed(message).await.is_err() {
                return;
            }
        }
        if sink.flush().await.is_err() {
            return;
        }
    }
}
