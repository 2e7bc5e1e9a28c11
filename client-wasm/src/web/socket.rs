//! One WebSocket, the browser's own or another class of the same shape.

use std::rc::{Rc, Weak};

use durable_sessions_protocol::SUBPROTOCOL;
use js_sys::{Array, Function, JsString, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::driver::Driver;
use super::names::name;
use super::node::JsNode;
use crate::core::Input;

#[wasm_bindgen]
extern "C" {
    /// The text stays on JavaScript's side, where `js_sys::JSON::parse` would copy it in and out.
    #[wasm_bindgen(catch, js_namespace = JSON, js_name = parse)]
    fn parse_json(text: &JsString) -> Result<JsValue, JsValue>;
}

/// `Fn`, not `FnMut`: a socket may call one handler from within another.
type Handler = Closure<dyn Fn(JsValue)>;

thread_local! {
    /// Hears an error and lives on: a socket given up while it connects tells its error only later,
    /// and one that nobody hears ends a Node process.
    static DEAF: Handler = Closure::new(|_| ());
}

/// An open or opening socket. Dropped, it says nothing more.
#[derive(Debug)]
pub(super) struct Socket {
    number: u32,
    web_socket: WebSocket,
    handlers: [Handler; 3],
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
            None => Reflect::get(&js_sys::global(), &name("WebSocket")).ok()?.dyn_into().ok()?,
        };
        let arguments = Array::of2(&JsValue::from_str(url), &name(SUBPROTOCOL));
        let made = Reflect::construct(&class, &arguments).ok()?;
        let web_socket = made.unchecked_into::<WebSocket>();

        let handlers = [
            handler(driver, move |_| Input::Opened { socket: number }),
            handler(driver, move |event| read(number, &event.unchecked_into())),
            handler(driver, move |event| {
                let code = event.unchecked_into::<CloseEvent>().code();
                Input::Closed { socket: number, code }
            }),
        ];
        let socket = Self { number, web_socket, handlers };
        let [opened, message, closed] = socket.handlers.each_ref().map(function);
        socket.web_socket.set_onopen(Some(opened));
        socket.web_socket.set_onmessage(Some(message));
        socket.web_socket.set_onclose(Some(closed));
        // A close follows, which says more.
        DEAF.with(|deaf| socket.web_socket.set_onerror(Some(function(deaf))));
        Some(socket)
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

fn handler(driver: &Rc<Driver>, input: impl Fn(JsValue) -> Input<JsNode> + 'static) -> Handler {
    let driver: Weak<Driver> = Rc::downgrade(driver);
    Closure::new(move |event| {
        if let Some(driver) = driver.upgrade() {
            driver.handle(input(event));
        }
    })
}

fn function(handler: &Handler) -> &Function {
    handler.as_ref().unchecked_ref()
}

/// `bytes` is the length in UTF-16 units, at least a third of the bytes: what the server sends
/// before it hears that it was read is four times what the core takes before it says so.
fn read(socket: u32, event: &MessageEvent) -> Input<JsNode> {
    let text = event.data().dyn_into::<JsString>();
    let Ok(text) = text else { return Input::Malformed { socket } };
    let bytes = usize::try_from(text.length()).unwrap_or(usize::MAX);
    match parse_json(&text) {
        Ok(frame) => Input::Frame { socket, frame: JsNode(frame), bytes },
        Err(_) => Input::Malformed { socket },
    }
}
