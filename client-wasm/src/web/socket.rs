//! One WebSocket, the browser's own or another class of the same shape.

use std::rc::{Rc, Weak};

use durable_sessions_protocol::SUBPROTOCOL;
use durable_sessions_protocol::fold::Node;
use js_sys::{Array, Function, JsString, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::WebSocket;

use super::driver::{CLOSED_ABNORMALLY, Driver};
use super::global;
use super::names::name;
use super::node::JsNode;
use crate::core::Input;

#[wasm_bindgen]
extern "C" {
    /// The text stays on JavaScript's side, where `js_sys::JSON::parse` would copy it in and out.
    #[wasm_bindgen(catch, js_namespace = JSON, js_name = parse)]
    fn parse_json(text: &JsString) -> Result<JsValue, JsValue>;
}

/// An open or opening socket. Dropped, it says nothing more.
#[derive(Debug)]
pub(super) struct Socket {
    number: u32,
    web_socket: WebSocket,
}

impl Socket {
    /// Opens a socket of the class given, else of the global one. `None`: it would not open.
    pub(super) fn open(
        driver: &Rc<Driver>,
        class: Option<&Function>,
        url: &str,
        number: u32,
    ) -> Option<Self> {
        let class = match class {
            Some(class) => class.clone(),
            None => global::field("WebSocket")?.0.dyn_into().ok()?,
        };
        let arguments = Array::of2(&JsValue::from_str(url), &name(SUBPROTOCOL));
        let made = Reflect::construct(&class, &arguments).ok()?;
        let web_socket = made.unchecked_into::<WebSocket>();

        let opened = handler(driver, move |_| Input::Opened { socket: number });
        let message = handler(driver, move |event| read(number, event));
        let closed = handler(driver, move |event| {
            let code = JsNode(event).number("code").and_then(|code| u16::try_from(code).ok());
            Input::Closed { socket: number, code: code.unwrap_or(CLOSED_ABNORMALLY) }
        });
        web_socket.set_onopen(Some(&opened));
        web_socket.set_onmessage(Some(&message));
        web_socket.set_onclose(Some(&closed));
        // A close follows an error and says more. But a socket given up while it connects tells its
        // error only later, and one that nobody hears ends a Node process.
        web_socket.set_onerror(Some(&function(|_| ())));
        Some(Self { number, web_socket })
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The socket itself, to send on while nothing is borrowed.
    pub(super) fn web_socket(&self) -> WebSocket {
        self.web_socket.clone()
    }

    /// Closes it with a code; nothing more is heard of it.
    pub(super) fn close(self, code: u16) {
        // An error: the code is one that pages may not give.
        let _: Result<(), JsValue> = self.web_socket.close_with_code(code);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.web_socket.set_onopen(None);
        self.web_socket.set_onmessage(None);
        self.web_socket.set_onclose(None);
    }
}

fn handler(driver: &Rc<Driver>, input: impl Fn(JsValue) -> Input<JsNode> + 'static) -> Function {
    let driver: Weak<Driver> = Rc::downgrade(driver);
    function(move |event| {
        if let Some(driver) = driver.upgrade() {
            driver.handle(input(event));
        }
    })
}

/// A function that JavaScript owns: it is freed with the socket, and never while it runs. `Fn`, not
/// `FnMut`: a socket may call one handler from within another.
fn function(act: impl Fn(JsValue) + 'static) -> Function {
    Closure::<dyn Fn(JsValue)>::new(act).into_js_value().unchecked_into()
}

/// `bytes` is the length in UTF-16 units, at least a third of the bytes: what the server sends
/// before it hears that it was read is four times what the core takes before it says so.
fn read(socket: u32, event: JsValue) -> Input<JsNode> {
    let text = JsNode(event).field("data").and_then(|data| data.0.dyn_into::<JsString>().ok());
    let Some(text) = text else { return Input::Malformed { socket } };
    let bytes = usize::try_from(text.length()).unwrap_or(usize::MAX);
    match parse_json(&text) {
        Ok(frame) => Input::Frame { socket, frame: JsNode(frame), bytes },
        Err(_) => Input::Malformed { socket },
    }
}
