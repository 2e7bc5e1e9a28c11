//! The channel between the tabs of a group.

use std::rc::Rc;

use durable_sessions_protocol::fold::Node;
use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::BroadcastChannel;

use super::driver::Driver;
use super::handler::Handler;
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
        let channel = BroadcastChannel::new(name).ok()?;
        let handler = Handler::new(driver, 0, |_, event| read(event));
        channel.set_onmessage(Some(handler.function()));
        Some(Self { channel, _handler: handler })
    }

    /// The message of a head and what goes with it, as all others hear it.
    pub(super) fn post(&self, head: &str, cargo: &Cargo<JsNode>) -> Result<(), JsValue> {
        let message = Array::of1(&JsValue::from_str(head));
        match cargo {
            Cargo::None => {}
            Cargo::Frame(frame) => _ = message.push(&frame.0),
            Cargo::Text(text) => _ = message.push(&JsValue::from_str(text)),
        }
        self.channel.post_message(&message)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}

/// What is not of this shape is of another program, and says nothing.
fn read(event: &JsNode) -> Option<Input<JsNode>> {
    let mut items = event.field("data")?.items().into_iter();
    let head = JsNode::parse(items.next()?.0.unchecked_ref())?;
    Some(Input::Message { head, cargo: items.next() })
}
