//! One WebSocket: `hello` first, then two halves in one task. [`inbox`] reads frames and asks the
//! hub; [`outbox`] owns everything that is sent. Whichever ends first says how the socket closes.

mod answers;
mod fetches;
mod follows;
mod groups;
mod inbox;
mod liveness;
mod outbox;
mod supply;
mod window;

use std::time::Duration;

use durable_sessions_protocol::close;
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::Principal;
use durable_sessions_protocol::frame::{ClientFrame, Hello, ServerFrame};
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::FRAME_MAX_BYTES;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

pub(crate) use self::groups::Groups;
use self::inbox::{Inbox, Unreadable};
use self::liveness::LastReceived;
use self::outbox::Outbox;
use super::problem::invalid;
use super::{App, Phase, reached};
use crate::auth;
use crate::hub::{Device, Writer};
use crate::limits::{SOCKET_CLOSE_TIMEOUT_MS, SOCKET_COMMAND_QUEUE_MAX, SOCKET_READ_BUFFER_BYTES};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// How a connection ends.
#[derive(Debug)]
enum Ending {
    /// The other end closed or is gone.
    Gone,
    /// We close, after an `error` frame if there is one.
    Close { code: u16, error: Option<Problem> },
}

impl Ending {
    /// Closes without a word: the code says it all.
    const fn with(code: u16) -> Self {
        Self::Close { code, error: None }
    }

    fn malformed(problem: Problem) -> Self {
        Self::Close { code: close::MALFORMED, error: Some(problem) }
    }
}

/// Serves one socket to its end.
pub(super) async fn run(app: &App, upgraded: Upgraded) {
    let config = WebSocketConfig::default()
        .read_buffer_size(SOCKET_READ_BUFFER_BYTES)
        .max_message_size(Some(FRAME_MAX_BYTES))
        .max_frame_size(Some(FRAME_MAX_BYTES));
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let open = app.metrics.connections.enter();
    let ending = match hello(app, &mut socket).await {
        Ok(who) => converse(app, &mut socket, who).await,
        Err(ending) => ending,
    };
    drop(open);
    let limit = Duration::from_millis(SOCKET_CLOSE_TIMEOUT_MS);
    // A client that does not take its close frame in time is cut off.
    let _ = match ending {
        Ending::Gone => timeout(limit, answer_close(socket)).await,
        Ending::Close { code, error } => {
            if let Some(problem) = &error {
                app.metrics.refuse(problem.code);
            }
            timeout(limit, say_goodbye(socket, code, error)).await
        }
    };
}

/// Who is at the other end.
struct Who {
    principal: Principal,
    client: Option<Id>,
    group: Option<Id>,
}

/// Waits for the first frame, which names the client.
async fn hello(app: &App, socket: &mut Socket) -> Result<Who, Ending> {
    let deadline = Instant::now() + Duration::from_millis(app.clocks.hello_timeout_ms);
    let mut phase = app.phase.clone();
    let text = loop {
        let message = tokio::select! {
            message = timeout_at(deadline, socket.next()) => message,
            () = reached(&mut phase, Phase::Draining) => {
                return Err(Ending::with(close::DRAINING));
            }
        };
        let message = message.map_err(|_| Ending::with(close::HELLO_TIMEOUT))?;
        if let Some(text) = text_of(message.ok_or(Ending::Gone)?)? {
            break text;
        }
    };
    let refused = |error| Ending::Close { code: close::HELLO_REFUSED, error: Some(error) };
    match inbox::parse(&text) {
        Ok(ClientFrame::Hello(Hello { token: _, principal, client, group })) => {
            let principal = auth::claimed(principal.as_deref()).map_err(refused)?;
            Ok(Who { principal, client, group })
        }
        Ok(_) => Err(refused(invalid("the first frame is `hello`"))),
        Err(Unreadable::BadHello(problem)) => Err(refused(problem)),
        Err(Unreadable::BadFrame(bad)) => Err(refused(bad.problem)),
        Err(Unreadable::NoFrame(problem)) => Err(Ending::malformed(problem)),
    }
}

/// Serves a client that has said who it is.
async fn converse(app: &App, socket: &mut Socket, who: Who) -> Ending {
    let Who { principal, client, group } = who;
    let connection = app.hub.connect(client);
    let device =
        Device::of(&principal, group.as_ref(), connection.client.as_ref(), connection.number);
    let mut place = app.groups.enter(&principal, group);
    let received = LastReceived::now();
    let (sink, stream) = socket.split();
    let (commands, orders) = mpsc::channel(SOCKET_COMMAND_QUEUE_MAX);
    let mut outbox = Outbox::new(app, device, sink, orders, &received);
    outbox.send(&ServerFrame::Welcome {
        connection: connection.number.to_string(),
        heartbeat_ms: app.clocks.heartbeat_ms,
        limits: durable_sessions_protocol::frame::Limits::default(),
    });
    let writer = Writer { principal, connection: Some(connection.clone()) };
    let mut inbox = Inbox::new(app, connection.clone(), writer, stream, commands, &received);
    let ending = tokio::select! {
        ending = inbox.run() => ending,
        ending = outbox.run() => ending,
        () = place.taken() => replaced(),
    };
    // It follows nothing from now on, however long its sessions take to hear of it.
    drop(outbox);
    app.hub.disconnect(&connection);
    inbox.leave().await;
    ending
}

fn replaced() -> Ending {
    let detail = "a newer connection of the same group took over";
    Ending::Close { code: close::REPLACED, error: Some(Problem::new(ErrorCode::Closed, detail)) }
}

/// Completes the closing handshake of a client that closed; one that is just gone hears nothing.
async fn answer_close(mut socket: Socket) {
    // Its close frame is answered by the first flush after it was read.
    if socket.flush().await.is_ok() {
        let _ = socket.get_mut().shutdown().await;
    }
}

/// Sends the last frames, and reads on for a moment: a client that is still sending would otherwise
/// see a reset connection and never the close code.
async fn say_goodbye(mut socket: Socket, code: u16, error: Option<Problem>) {
    if let Some(error) = error {
        let frame = ServerFrame::Error { error }.to_json();
        if socket.feed(Message::text(frame)).await.is_err() {
            return;
        }
    }
    let close = CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::default() };
    if socket.close(Some(close)).await.is_err() {
        return;
    }
    let io = socket.get_mut();
    let _ = io.shutdown().await;
    let mut surplus = [0; 1024];
    while io.read(&mut surplus).await.is_ok_and(|count| count > 0) {}
}

/// The text of a message; `None` for messages that carry none.
fn text_of(message: Result<Message, Error>) -> Result<Option<Utf8Bytes>, Ending> {
    match message {
        Ok(Message::Text(text)) => Ok(Some(text)),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Ok(None),
        Ok(Message::Binary(_)) => Err(Ending::malformed(invalid("frames are text, not binary"))),
        Ok(Message::Close(_)) => Err(Ending::Gone),
        Err(Error::Capacity(_)) => Err(Ending::Close {
            code: close::TOO_LARGE,
            error: Some(Problem::new(
                ErrorCode::TooLarge,
                format!("a frame has at most {FRAME_MAX_BYTES} bytes"),
            )),
        }),
        Err(Error::Utf8(_)) => Err(Ending::malformed(invalid("the frame is not UTF-8"))),
        Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Err(Ending::Gone),
        Err(Error::Protocol(_)) => Err(Ending::with(CloseCode::Protocol.into())),
        Err(_) => Err(Ending::Gone),
    }
}
