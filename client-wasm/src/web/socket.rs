//! One WebSocket, the browser's own or another class of the same shape.

use std::rc::Rc;

use durable_sessions_protocol::SUBPROTOCOL;
use durable_sessions_protocol::fold::Node;
use wasm_bindgen::{JsCast, JsValue};

use super::driver::{CLOSED_ABNORMALLY, Driver};
use super::handler::Handler;
use super::js::{self, Array, WebSocket};
use super::names::name;
use super::node::JsNode;
use crate::core::Input;

/// An open or opening socket. Dropped, it says nothing more.
pub(super) struct Socket {
    number: u32,
    web_socket: JsNode,
    _handlers: [Handler; 3],
}

impl Socket {
    /// Opens a socket of the class in the options. `None`: it would not open.
    pub(super) fn open(driver: &Rc<Driver>, options: &JsNode, number: u32) -> Option<Self> {
        let (class, ignore) = (options.field("WebSocket")?.0, options.field("ignore")?.0);
        let arguments = Array::new();
        arguments.push(&options.field("url")?.0);
        arguments.push(&name(SUBPROTOCOL));
        let web_socket = JsNode(js::construct(&class, &arguments).ok()?);

        let opened = Handler::new(driver, number, |socket, _| Some(Input::Opened { socket }));
        let message = Handler::new(driver, number, |socket, event| Some(read(socket, event)));
        let closed = Handler::new(driver, number, |socket, event| {
            let code = event.number("code").and_then(|code| u16::try_from(code).ok());
            Some(Input::Closed { socket, code: code.unwrap_or(CLOSED_ABNORMALLY) })
        });
        web_socket.set("onopen", opened.function());
        web_socket.set("onmessage", message.function());
        web_socket.set("onclose", closed.function());
        // A close follows, which says more. It is heard to the end all the same: a socket given up
        // while it connects tells its error only later, and one that nobody hears ends a Node
        // process.
        web_socket.set("onerror", &ignore);
        Some(Self { number, web_socket, _handlers: [opened, message, closed] })
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The socket itself, to send on while nothing is borrowed.
    pub(super) fn web_socket(&self) -> WebSocket {
        self.web_socket.0.clone().unchecked_into()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        for handler in ["onopen", "onmessage", "onclose"] {
            self.web_socket.set(handler, &JsValue::NULL);
        }
    }
}

/// `bytes` is the length in UTF-16 units, at least a third of the bytes: what the server sends
/// before it hears that it was read is four times what the core takes before it says so.
fn read(socket: u32, event: &JsNode) -> Input<JsNode> {
    // What is no text is no JSON either.
    if let Some(text) = event.field("data")
        && let Ok(Some(frame)) = js::parse(&text.0)
    {
        let bytes = text.number("length").and_then(|length| usize::try_from(length).ok());
        return Input::Frame { socket, frame: JsNode(frame), bytes: bytes.unwrap_or(0) };
    }
    Input::Malformed { socket }
}
