//! What the facade asks for.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::{Id, SessionId};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::driver::Driver;
use super::handler::Handler;
use super::listener::Listener;
use super::node::JsNode;
use crate::core::{Act, Body, Client, Follow, Input, Options, StopTarget, Token};

/// One client of one server, which has not connected: a function that takes a command at any time,
/// from within the listener too. It answers whether it understood it, and does nothing when an id
/// in it is not one. `undefined` if `client` is not an id.
///
/// The options are `{url, client, seed, as?, hasTokens?, WebSocket, ignore, global?}`: `url` begins
/// with `ws`, `seed` is a number from 0 to 1 at random, `ignore` a function that does nothing, and
/// `global` the object whose `document`, `navigator` and events tell of the page and the network.
/// The commands are:
///
/// - `{type: "attach", session, events?}`: follows a session; the first one opens the connection.
///   `events` asks for the events beside the patches, and is changed by attaching again.
/// - `{type: "detach", session}`: follows it no longer.
/// - `{type: "send", session, id, event}`: delivers an event, its JSON with `kind` and id.
/// - `{type: "stop", session, id, run?, message?, only?}`: stops a run, what answers a message, or
///   all that was seen; with `only` not the runs below.
/// - `{type: "token", attempt, token?, failed?}`: the answer to `token` of the [`Listener`], of an
///   app whose function `failed`, or that is signed out without a token.
/// - `{type: "reconnect"}`: connects at once when waiting, and again when closed by the server.
/// - `{type: "close"}`: ends it for good; the listener is told what that refuses, then no more.
#[must_use]
#[wasm_bindgen]
pub fn connect(options: JsValue, listener: Listener) -> JsValue {
    start(JsNode(options), listener).unwrap_or(JsValue::UNDEFINED)
}

fn start(options: JsNode, listener: Listener) -> Option<JsValue> {
    let core = Client::new(Options {
        client: Id::parse(&options.text("client")?).ok()?,
        principal: options.text("as"),
        has_tokens: options.is("hasTokens"),
        seed: options.field("seed")?.0.as_f64()?.to_bits(),
    });
    let driver = Driver::start(core, options, listener);
    Some(Handler::new(&driver, 0, |_, command| read(command)).into_function())
}

fn read(command: &JsNode) -> Option<Input<JsNode>> {
    Some(match command.text("type")?.as_str() {
        "attach" => {
            let follow = Follow { events: command.is("events"), ..Follow::PATCHES };
            Input::Attach { session: session(command)?, follow }
        }
        "detach" => Input::Detach { session: session(command)? },
        "send" => act(command, Body::Event(command.text("event")?))?,
        "stop" => {
            let target = if command.field("run").is_some() {
                StopTarget::Run(id(command, "run")?)
            } else if command.field("message").is_some() {
                StopTarget::Message(id(command, "message")?)
            } else {
                StopTarget::All
            };
            act(command, Body::Stop { target, cascade: !command.is("only") })?
        }
        "token" => {
            let token = match command.text("token") {
                Some(token) => Token::Granted(token),
                None if command.is("failed") => Token::Failed,
                None => Token::SignedOut,
            };
            let socket = u32::try_from(command.number("attempt")?).ok()?;
            Input::Token { socket, token }
        }
        "reconnect" => Input::Reconnect,
        "close" => Input::Close,
        _ => return None,
    })
}

fn act(command: &JsNode, body: Body) -> Option<Input<JsNode>> {
    let act = Act { id: id(command, "id")?, body };
    Some(Input::Send { session: session(command)?, act })
}

fn session(command: &JsNode) -> Option<SessionId> {
    SessionId::parse(&command.text("session")?).ok()
}

fn id(command: &JsNode, field: &'static str) -> Option<Id> {
    Id::parse(&command.text(field)?).ok()
}
