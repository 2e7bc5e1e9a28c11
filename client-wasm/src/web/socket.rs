//! One WebSocket, the browser's own or another class of the same shape.

use std::rc::Rc;

use durable_sessions_protocol::SUBPROTOCOL;
use durable_sessions_protocol::fold::Node;
use wasm_bindgen::JsValue;

use super::driver::{CLOSED_ABNORMALLY, Driver};
use super::handler::Handler;
use super::js::{Array, WebSocket, construct};
use super::names::name;
use super::node::JsNode;
use crate::core::Input;

/// An open or opening socket. Dropped, it says nothing more.
pub(super) struct Socket {
    number: u32,
    web_socket: WebSocket,
    _handlers: [Handler; 3],
}

impl Socket {
    /// Opens a socket of the class in the options. `None`: it would not open.
    pub(super) fn open(driver: &Rc<Driver>, options: &JsNode, number: u32) -> Option<Self> {
        let (class, ignore) = (options.field("WebSocket")?.0, options.field("ignore")?.0);
        let arguments = Array::new();
        arguments.push(&options.field("url")?.0);
        arguments.push(&name(SUBPROTOCOL));
        let web_socket = construct(&class, &arguments).ok()?;

        let opened = Handler::new(driver, number, |socket, _| Some(Input::Opened { socket }));
        let message = Handler::new(driver, number, |socket, event| Some(read(socket, event)));
        let closed = Handler::new(driver, number, |socket, event| {
            // A class of another kind may give no code, or 0.
            let code = event.number("code").and_then(|code| u16::try_from(code).ok());
            let code = code.filter(|&code| code != 0).unwrap_or(CLOSED_ABNORMALLY);
            Some(Input::Closed { socket, code })
        });
        web_socket.set_onopen(opened.function());
        web_socket.set_onmessage(message.function());
        web_socket.set_onclose(closed.function());
        // A close follows, which says more. It is heard to the end all the same: a socket given up
        // while it connects tells its error only later, and one that nobody hears ends a Node
        // process.
        web_socket.set_onerror(&ignore);
        Some(Self { number, web_socket, _handlers: [opened, message, closed] })
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The socket itself, to send on while nothing is borrowed.
    pub(super) fn web_socket(&self) -> WebSocket {
        self.web_socket.clone()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.web_socket.set_onopen(&JsValue::NULL);
        self.web_socket.set_onmessage(&JsValue::NULL);
        self.web_socket.set_onclose(&JsValue::NULL);
    }
}

/// `bytes` is the length in UTF-16 units, at least a third of the bytes: what the server sends
/// before it hears that it was read is four times what the core takes before it says so.
fn read(socket: u32, event: &JsNode) -> Input<JsNode> {
    let text = event.field("data");
    // What is no text is no JSON either.
    match text.as_ref().and_then(|text| JsNode::parse(&text.0)) {
        Some(frame) => {
            let bytes = text.and_then(|text| text.number("length"));
            let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
            Input::Frame { socket, frame, bytes }
        }
        None => Input::Malformed { socket },
    }
}
