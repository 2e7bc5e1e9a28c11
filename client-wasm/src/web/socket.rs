//! One WebSocket, the browser's own or another class of the same shape.

use std::rc::Rc;

use durable_sessions_protocol::SUBPROTOCOL;
use durable_sessions_protocol::fold::Node;
use js_sys::{Array, Function, JsString, Reflect};
use wasm_bindgen::JsCast;
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::driver::{CLOSED_ABNORMALLY, Driver};
use super::handler::Handler;
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
        let arguments = Array::of2(&options.field("url")?.0, &name(SUBPROTOCOL));
        let made = Reflect::construct(class.unchecked_ref::<Function>(), &arguments).ok()?;
        let web_socket = made.unchecked_into::<WebSocket>();

        let opened = Handler::new(driver, number, |socket, _| Some(Input::Opened { socket }));
        let message = Handler::new(driver, number, |socket, event| Some(read(socket, event)));
        let closed = Handler::new(driver, number, |socket, event| {
            // A class of another kind may give no code, which reads as 0.
            let code = event.0.unchecked_ref::<CloseEvent>().code();
            Some(Input::Closed { socket, code: if code == 0 { CLOSED_ABNORMALLY } else { code } })
        });
        web_socket.set_onopen(Some(opened.function()));
        web_socket.set_onmessage(Some(message.function()));
        web_socket.set_onclose(Some(closed.function()));
        // A close follows, which says more. It is heard to the end all the same: a socket given up
        // while it connects tells its error only later, and one that nobody hears ends a Node
        // process.
        web_socket.set_onerror(Some(ignore.unchecked_ref()));
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
        self.web_socket.set_onopen(None);
        self.web_socket.set_onmessage(None);
        self.web_socket.set_onclose(None);
    }
}

/// `bytes` is the length in UTF-16 units, at least a third of the bytes: what the server sends
/// before it hears that it was read is four times what the core takes before it says so.
fn read(socket: u32, event: &JsNode) -> Input<JsNode> {
    // What is no text is no JSON either.
    let text = event.0.unchecked_ref::<MessageEvent>().data().unchecked_into::<JsString>();
    match JsNode::parse(&text) {
        Some(frame) => {
            let bytes = usize::try_from(text.length()).unwrap_or(usize::MAX);
            Input::Frame { socket, frame, bytes }
        }
        None => Input::Malformed { socket },
    }
}
