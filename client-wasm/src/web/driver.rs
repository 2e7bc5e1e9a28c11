//! The loop around the core.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Function;
use wasm_bindgen::JsValue;

use super::listener::Listener;
use super::node::JsNode;
use super::options::Options;
use super::page::{self, Page};
use super::socket::Socket;
use super::timer::{Timer, now_ms};
use super::told::encode;
use crate::core::{Client, Input, Output};

/// What a socket that never opened, or broke without a word, is closed with.
pub(super) const CLOSED_ABNORMALLY: u16 = 1006;

/// The core with its socket, timer and listeners.
///
/// Each cell is borrowed for one statement that calls no foreign code. Outputs are carried out one
/// at a time by the outermost call; what JavaScript does meanwhile goes into the core and waits its
/// turn, so everybody is told everything in order.
#[derive(Debug)]
pub(super) struct Driver {
    core: RefCell<Client<JsNode>>,
    url: String,
    web_socket: Option<Function>,
    socket: RefCell<Option<Socket>>,
    timer: RefCell<Option<Timer>>,
    /// `None` once closed: nobody is told anything more.
    listener: RefCell<Option<Listener>>,
    page: RefCell<Option<Page>>,
    is_carrying_out: Cell<bool>,
}

impl Driver {
    /// A driver that listens to the page and has not connected.
    pub(super) fn start(options: Options, listener: Listener) -> Rc<Self> {
        let driver = Rc::new(Self {
            core: RefCell::new(Client::new(options.core)),
            url: options.url,
            web_socket: options.web_socket,
            socket: RefCell::default(),
            timer: RefCell::default(),
            listener: RefCell::new(Some(listener)),
            page: RefCell::default(),
            is_carrying_out: Cell::new(false),
        });
        let page = Page::listen(&driver);
        driver.page.replace(Some(page));
        if page::is_offline() {
            driver.handle(Input::Network { online: false });
        }
        driver
    }

    /// Takes in what happened, and does what follows.
    pub(super) fn handle(self: &Rc<Self>, input: Input<JsNode>) {
        self.core.borrow_mut().handle(now_ms(), input);
        self.carry_out();
    }

    /// Tells what the end refuses, and lets go of everything.
    pub(super) fn close(self: &Rc<Self>) {
        self.page.take();
        self.handle(Input::Close);
    }

    fn carry_out(self: &Rc<Self>) {
        if self.is_carrying_out.replace(true) {
            return;
        }
        loop {
            let output = self.core.borrow_mut().poll();
            let Some(output) = output else { break };
            self.carry_out_one(output);
        }
        self.is_carrying_out.set(false);
        if self.page.borrow().is_none() {
            self.let_go();
        } else {
            self.arm();
        }
    }

    fn let_go(&self) {
        let (socket, timer) = (self.socket.take(), self.timer.take());
        drop((socket, timer, self.listener.take()));
    }

    fn arm(self: &Rc<Self>) {
        let due = self.core.borrow().timeout();
        if due == self.timer.borrow().as_ref().map(Timer::due_ms) {
            return;
        }
        let timer = due.map(|due_ms| {
            let driver = Rc::downgrade(self);
            Timer::new(now_ms(), due_ms, move || {
                if let Some(driver) = driver.upgrade() {
                    driver.timer.take();
                    driver.handle(Input::Timeout);
                }
            })
        });
        self.timer.replace(timer);
    }

    /// Does what the core asks, passes on what it tells.
    fn carry_out_one(self: &Rc<Self>, output: Output<JsNode>) {
        if let Output::Open { socket } = output {
            self.open(socket);
        } else if let Output::Transmit { socket, text } = output {
            self.transmit(socket, &text);
        } else if let Output::Disconnect { socket, code } = output {
            if let Some(socket) = self.socket_of(socket) {
                socket.close(code);
            }
        } else {
            let listener = self.listener.borrow().clone();
            if let (Some(listener), Some(what)) = (listener, encode(output)) {
                listener.tell(&what);
            }
        }
    }

    fn open(self: &Rc<Self>, number: u32) {
        let socket = Socket::open(self, self.web_socket.as_ref(), &self.url, number);
        let failed = socket.is_none();
        let before = self.socket.replace(socket);
        drop(before);
        if failed {
            self.handle(Input::Closed { socket: number, code: CLOSED_ABNORMALLY });
        }
    }

    fn transmit(&self, number: u32, text: &str) {
        let web_socket = {
            let socket = self.socket.borrow();
            socket.as_ref().filter(|socket| socket.number() == number).map(Socket::web_socket)
        };
        if let Some(web_socket) = web_socket {
            // An error: it is not open any more, and its close is on the way.
            let _: Result<(), JsValue> = web_socket.send_with_str(text);
        }
    }

    /// Takes the socket of that number, if it is the one there is.
    fn socket_of(&self, number: u32) -> Option<Socket> {
        self.socket.borrow_mut().take_if(|socket| socket.number() == number)
    }
}
