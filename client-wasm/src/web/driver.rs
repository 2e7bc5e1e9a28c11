//! The loop around the core.

use std::cell::Cell;
use std::rc::Rc;

use durable_sessions_protocol::fold::Node;
use gloo_timers::callback::Timeout;
use wasm_bindgen::JsValue;
use web_sys::WebSocket;

use super::channel::Channel;
use super::listener::Listener;
use super::node::JsNode;
use super::page::{self, Page};
use super::socket::Socket;
use super::timer::{now_ms, wake};
use super::told::encode;
use crate::core::{Cargo, Client, Input, Output};

/// What a socket that never opened, or broke without a word, is closed with.
pub(super) const CLOSED_ABNORMALLY: u16 = 1006;

/// The core with its socket, timer and listeners.
///
/// A cell is empty only while no foreign code runs. Outputs are carried out one at a time by the
/// outermost call; what JavaScript does meanwhile goes into the core and waits its turn, so
/// everybody is told everything in order.
pub(super) struct Driver {
    core: Cell<Option<Box<Client<JsNode>>>>,
    /// See [`super::connect`].
    options: JsNode,
    listener: Listener,
    socket: Cell<Option<Socket>>,
    channel: Cell<Option<Channel>>,
    timer: Cell<Option<Timeout>>,
    /// When the timer is due, on the clock of [`now_ms`].
    due: Cell<Option<u64>>,
    page: Cell<Option<Page>>,
    /// Itself, until it is closed: the listener is held from here, and holds the facade.
    own: Cell<Option<Rc<Self>>>,
    /// After it nobody is told anything more.
    is_closed: Cell<bool>,
    is_carrying_out: Cell<bool>,
}

impl Driver {
    /// A driver that listens to the page and has not connected.
    pub(super) fn start(core: Client<JsNode>, options: JsNode, listener: Listener) -> Rc<Self> {
        let driver = Rc::new(Self {
            core: Cell::new(Some(Box::new(core))),
            options,
            listener,
            socket: Cell::default(),
            channel: Cell::default(),
            timer: Cell::default(),
            due: Cell::default(),
            page: Cell::default(),
            own: Cell::default(),
            is_closed: Cell::default(),
            is_carrying_out: Cell::default(),
        });
        driver.own.set(Some(Rc::clone(&driver)));
        if let Some(global) = driver.options.field("global") {
            if page::is_offline(&global) {
                driver.handle(Input::Network { online: false });
            }
            if page::is_hidden(&global) {
                driver.handle(Input::Hidden);
            }
            driver.page.set(Some(Page::listen(&driver, global)));
        }
        driver
    }

    /// Takes in what happened, and does what follows.
    #[inline(never)]
    pub(super) fn handle(self: &Rc<Self>, input: Input<JsNode>) {
        if matches!(input, Input::Close) {
            drop((self.page.take(), self.own.take()));
            self.is_closed.set(true);
        }
        if matches!(input, Input::Timeout) {
            // It has fired, and may be due again at the same time.
            self.due.set(None);
        }
        let wakes = matches!(input, Input::Woke | Input::Restored);
        self.core(|core| core.handle(now_ms(), input));
        if wakes && self.options.field("global").as_ref().is_some_and(page::is_hidden) {
            // A page may go on, or begin, without being seen.
            self.core(|core| core.handle(now_ms(), Input::Hidden));
        }
        if self.is_carrying_out.replace(true) {
            return;
        }
        while let Some(output) = self.core(Client::poll).flatten() {
            self.carry_out(&output);
        }
        self.is_carrying_out.set(false);
        if self.is_closed.get() {
            drop((self.socket.take(), self.channel.take(), self.timer.take(), self.core.take()));
        } else {
            self.arm();
        }
    }

    /// Lends the core out; there is none once it is closed.
    fn core<T>(&self, act: impl FnOnce(&mut Client<JsNode>) -> T) -> Option<T> {
        let mut core = self.core.take()?;
        let answer = act(&mut core);
        self.core.set(Some(core));
        Some(answer)
    }

    fn arm(self: &Rc<Self>) {
        let due = self.core(|core| core.timeout()).flatten();
        if due == self.due.replace(due) {
            return;
        }
        self.timer.set(due.map(|due_ms| wake(self, due_ms)));
    }

    fn open(self: &Rc<Self>, number: u32) {
        let socket = Socket::open(self, &self.options, number);
        let failed = socket.is_none();
        drop(self.socket.replace(socket));
        if failed {
            self.handle(Input::Closed { socket: number, code: CLOSED_ABNORMALLY });
        }
    }

    /// The socket itself, to be used when its cell is filled again.
    fn web_socket(&self, number: u32) -> Option<WebSocket> {
        let socket = self.socket.take()?;
        let web_socket = (socket.number() == number).then(|| socket.web_socket());
        self.socket.set(Some(socket));
        web_socket
    }

    fn transmit(&self, number: u32, text: &str) {
        if let Some(web_socket) = self.web_socket(number) {
            // An error: it is not open any more, and its close is on the way.
            let _: Result<(), JsValue> = web_socket.send_with_str(text);
        }
    }

    fn disconnect(&self, number: u32, code: u16) {
        if let Some(web_socket) = self.web_socket(number) {
            // Nothing more is heard of it.
            drop(self.socket.take());
            // An error: the code is one that pages may not give.
            let _: Result<(), JsValue> = web_socket.close_with_code(code);
        }
    }

    fn join(self: &Rc<Self>, key: &str) {
        // The one before is closed first.
        drop(self.channel.take());
        let channel = Channel::open(self, key);
        let failed = channel.is_none();
        self.channel.set(channel);
        if failed {
            self.handle(Input::Group { group: None });
        }
    }

    fn post(self: &Rc<Self>, head: &str, cargo: &Cargo<JsNode>) {
        let Some(channel) = self.channel.take() else { return };
        let failed = channel.post(head, cargo).is_err();
        self.channel.set(Some(channel));
        if failed {
            self.handle(Input::Group { group: None });
        }
    }

    /// Does what the core asks, passes on what it tells.
    fn carry_out(self: &Rc<Self>, output: &Output<JsNode>) {
        match output {
            Output::Open { socket } => self.open(*socket),
            Output::Transmit { socket, text } => self.transmit(*socket, text),
            Output::Disconnect { socket, code } => self.disconnect(*socket, *code),
            Output::Join { key } => self.join(key),
            Output::Post { head, cargo } => self.post(head, cargo),
            Output::Leave => {
                drop(self.channel.take());
                self.listener.tell(&encode(output));
            }
            Output::NeedToken { .. }
            | Output::NeedGroup
            | Output::Lock
            | Output::Unlock
            | Output::Role { .. }
            | Output::Store { .. }
            | Output::Forget { .. }
            | Output::Recover
            | Output::Status { .. }
            | Output::Session { .. }
            | Output::Reset { .. }
            | Output::Patches { .. }
            | Output::Events { .. }
            | Output::Batch { .. }
            | Output::Presence { .. }
            | Output::Sent { .. }
            | Output::Refused { .. } => self.listener.tell(&encode(output)),
            #[cfg(feature = "agent")]
            Output::Wake { .. }
            | Output::ServeRefused { .. }
            | Output::RunStarted { .. }
            | Output::RunRefused { .. }
            | Output::RunStopped { .. }
            | Output::WriteRefused { .. }
            | Output::RunEnded { .. }
            | Output::WriterFull { .. }
            | Output::RunLeft { .. }
            | Output::WriterReady { .. }
            | Output::ProducerFenced { .. } => self.listener.tell(&encode(output)),
        }
    }
}
