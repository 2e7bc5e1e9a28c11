//! The loop around the core.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Array, Function};
use wasm_bindgen::JsValue;

use super::listener::Listener;
use super::node::{JsNode, number};
use super::options::Options;
use super::page::{self, Page};
use super::patch::encode;
use super::problem;
use super::socket::Socket;
use super::timer::{Timer, now_ms};
use crate::core::{Client, Input, Output};

/// What a socket that would not open is closed with.
const CLOSED_ABNORMALLY: u16 = 1006;

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
            let listener = self.listener.borrow().clone();
            if let Some(listener) = listener {
                // An error is the app's, and must not become the driver's.
                let _: Result<(), JsValue> = self.carry_out_one(&listener, output);
            }
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

    /// Does what the core asks or passes on what it tells.
    fn carry_out_one(
        self: &Rc<Self>,
        listener: &Listener,
        output: Output<JsNode>,
    ) -> Result<(), JsValue> {
        match output {
            Output::Open { socket } => self.open(socket),
            Output::Transmit { socket, text } => self.transmit(socket, &text),
            Output::Disconnect { socket, code } => {
                if let Some(socket) = self.socket_of(socket) {
                    socket.close(code);
                }
            }
            Output::NeedToken { socket } => listener.token(socket)?,
            Output::Status { status, retry_at, error } => {
                let problem = problem::to_js(error.as_ref());
                listener.status(status.as_str(), retry_at.map(number), &problem)?;
            }
            Output::Session { session, status, error } => {
                let problem = problem::to_js(error.as_ref());
                listener.session(session.as_str(), status.as_str(), &problem)?;
            }
            Output::Reset { session, log } => listener.reset(session.as_str(), log.as_str())?,
            Output::Patches { session, log, offset, patches } => {
                let offset = number(offset.as_u64());
                listener.patches(session.as_str(), log.as_str(), offset, &encode(patches))?;
            }
            Output::Events { session, first, last, events, .. } => {
                let events = events.into_iter().map(|event| event.0).collect::<Array>();
                let (first, last) = (number(first.as_u64()), number(last.as_u64()));
                listener.events(session.as_str(), first, last, &events)?;
            }
            Output::Sent { session, id, offset, runs } => {
                let runs = runs.iter().map(|run| JsValue::from_str(run.as_str())).collect();
                listener.sent(session.as_str(), id.as_str(), number(offset.as_u64()), &runs)?;
            }
            Output::Refused { session, id, problem } => {
                let problem = problem::to_js(Some(&problem));
                listener.refused(session.as_str(), id.as_str(), &problem)?;
            }
            // Pages neither serve nor write runs.
            Output::Wake { .. }
            | Output::RunStarted { .. }
            | Output::RunRefused { .. }
            | Output::RunStopped { .. }
            | Output::WriteRefused { .. }
            | Output::RunEnded { .. }
            | Output::WriterReady { .. }
            | Output::ProducerFenced { .. } => {}
        }
        Ok(())
    }
}
