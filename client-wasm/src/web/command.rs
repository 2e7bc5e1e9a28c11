//! What the facade asks for.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::offset::Position;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::driver::Driver;
use super::handler::Handler;
use super::listener::Listener;
use super::node::JsNode;
use crate::core::read::Read;
use crate::core::{Act, Body, Client, Follow, Group, Input, Options, StopTarget, Token};

/// One client of one server, which has not connected: a function that takes a command at any time,
/// from within the listener too. It answers whether it understood it, and does nothing when an id
/// in it is not one. `undefined` if `client` is not an id.
///
/// The options are `{url, client, seed, as?, hasTokens?, tabs?, page, keeps?, WebSocket, ignore,
/// global?}`: `url` begins with `ws`, `seed` is a number from 0 to 1 at random, `page` an id that all
/// clients of the page have, `ignore` a function that does nothing, and `global` the object whose
/// `document`, `navigator` and events tell of the page and the network. `tabs`: a connection is
/// shared; `keeps`: what is sent is stored. The listener is asked for the group, the lock and the
/// store.
/// The commands are:
///
/// - `{type: "attach", session, events?, transcript?}`: follows a session; the first one opens the
///   connection. `events` asks for the events beside the patches, and is changed by attaching again.
///   With a transcript it goes on after that.
/// - `{type: "older", session, page, events}`: takes in what was before, with the events since it was
///   asked for; answered by patches unless the page has to be asked for again.
/// - `{type: "detach", session}`: follows it no longer.
/// - `{type: "send", session, id, event}`: delivers an event, its JSON with `kind` and id.
/// - `{type: "stop", session, id, run?, message?, only?}`: stops a run, what answers a message, or
///   all that was seen; with `only` not the runs below.
/// - `{type: "token", attempt, token?, failed?}`: the answer to `token` of the [`Listener`], of an
///   app whose function `failed`, or that is signed out without a token.
/// - `{type: "group", key?, id?}`: the answer to `group`, and again when a token has other rights;
///   without a key nothing is shared.
/// - `{type: "locked"}`, `{type: "lock_lost"}`: the lock of the group is held, or was stolen.
/// - `{type: "resend", tab, session, id, log?, event}`: delivers what the client `tab` stored, if
///   that is gone. It is told to `store` what it takes.
/// - `{type: "read", session, reader, after?, merge?}`: opens a reader at an offset, which may be given
///   joined deltas with `merge`, or asks for more.
/// - `{type: "read_end", session, reader}`: ends one.
/// - `{type: "reconnect"}`: connects at once when waiting, and again when closed by the server.
/// - `{type: "close"}`: ends it for good; the listener is told what that refuses, then no more.
///
/// With the feature `agent` there are those of `agent.rs` besides.
#[must_use]
#[wasm_bindgen]
pub fn connect(options: JsValue, listener: Listener) -> JsValue {
    start(JsNode(options), listener).unwrap_or(JsValue::UNDEFINED)
}

fn start(options: JsNode, listener: Listener) -> Option<JsValue> {
    let core = Client::new(Options {
        client: options.id("client")?,
        principal: options.text("as"),
        has_tokens: options.is("hasTokens"),
        tabs: options.is("tabs"),
        page: options.id("page")?,
        keeps: options.is("keeps"),
        seed: options.field("seed")?.0.as_f64()?.to_bits(),
    });
    let driver = Driver::start(core, options, listener);
    Some(Handler::new(&driver, 0, |_, command| read(command)).into_function())
}

fn read(command: &JsNode) -> Option<Input<JsNode>> {
    Some(match command.text("type")?.as_str() {
        "attach" => {
            let follow = Follow { events: command.is("events"), ..Follow::PATCHES };
            let session = command.session_id("session")?;
            match command.field("transcript") {
                Some(transcript) => {
                    let (log, offset) = (transcript.log_id("log")?, transcript.offset("offset")?);
                    let position = Position { log, offset };
                    Input::Resume { session, follow, position, transcript }
                }
                None => Input::Attach { session, follow },
            }
        }
        "older" => Input::Older {
            session: command.session_id("session")?,
            page: command.field("page")?,
            events: command.list("events"),
        },
        "detach" => Input::Detach { session: command.session_id("session")? },
        "send" => act(command, Body::Event(command.text("event")?))?,
        "stop" => {
            let target = if command.field("run").is_some() {
                StopTarget::Run(command.id("run")?)
            } else if command.field("message").is_some() {
                StopTarget::Message(command.id("message")?)
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
            Input::Token { socket: command.small("attempt")?, token }
        }
        "group" => {
            let group = match command.text("key") {
                Some(key) => Some(Group { key, id: command.id("id")? }),
                None => None,
            };
            Input::Group { group }
        }
        "locked" => Input::Locked,
        "lock_lost" => Input::LockLost,
        "resend" => Input::Resend {
            tab: command.id("tab")?,
            session: command.session_id("session")?,
            id: command.id("id")?,
            log: command.log_id("log"),
            event: command.text("event")?,
        },
        "read" => {
            let after = match command.field("after") {
                Some(_) => Some(command.offset("after")?),
                None => None,
            };
            Input::Read {
                session: command.session_id("session")?,
                reader: command.small("reader")?,
                after,
                merge: command.is("merge"),
            }
        }
        "read_end" => Input::ReadEnd {
            session: command.session_id("session")?,
            reader: command.small("reader")?,
        },
        "reconnect" => Input::Reconnect,
        "close" => Input::Close,
        #[cfg(feature = "agent")]
        other => return super::agent::read(other, command),
        #[cfg(not(feature = "agent"))]
        _ => return None,
    })
}

fn act(command: &JsNode, body: Body) -> Option<Input<JsNode>> {
    let act = Act { id: command.id("id")?, body };
    Some(Input::Send { session: command.session_id("session")?, act })
}
