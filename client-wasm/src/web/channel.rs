//! The channel between the tabs of a group.

use std::rc::Rc;

use durable_sessions_protocol::fold::Node;
use wasm_bindgen::JsValue;

use super::driver::Driver;
use super::handler::Handler;
use super::js::{Array, BroadcastChannel};
use super::node::JsNode;
use crate::core::{Cargo, Input};

/// An open channel. Dropped, it is closed and says nothing more.
pub(super) struct Channel {
    channel: BroadcastChannel,
    _handler: Handler,
}

impl Channel {
    /// Listens to the channel of a name. `None`: there is none to be had.
    pub(super) fn open(driver: &Rc<Driver>, name: &str) -> Option<Self> {
        let channel = BroadcastChannel::open(name).ok()?;
        let handler = Handler::new(driver, 0, |_, event| read(event));
        channel.set_handler(handler.function());
        Some(Self { channel, _handler: handler })
    }

    /// The message of a head and what goes with it, as all others hear it.
    pub(super) fn post(&self, head: &str, cargo: &Cargo<JsNode>) -> Result<(), JsValue> {
        let message = Array::new();
        message.push(&JsValue::from_str(head));
        match cargo {
            Cargo::None => {}
            Cargo::Frame(frame) => message.push(&frame.0),
            Cargo::Text(text) => message.push(&JsValue::from_str(text)),
        }
        self.channel.post(&message)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.set_handler(&JsValue::NULL);
        self.channel.leave();
    }
}

/// What is not of this shape is of another program, and says nothing.
fn read(event: &JsNode) -> Option<Input<JsNode>> {
    let mut items = event.field("data")?.items().into_iter();
    let head = JsNode::parse(&items.next()?.0)?;
    Some(Input::Message { head, cargo: items.next() })
}
