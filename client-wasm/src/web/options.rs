//! The options object, read field by field.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::Id;
use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};

use super::node::JsNode;
use crate::core;

/// What the driver and the core need to know.
#[derive(Debug)]
pub(super) struct Options {
    /// `ws://` or `wss://`.
    pub(super) url: String,
    /// In place of the global `WebSocket`.
    pub(super) web_socket: Option<Function>,
    pub(super) core: core::Options,
}

impl Options {
    /// `None` when `client` is not an id.
    pub(super) fn read(options: &JsValue) -> Option<Self> {
        let options = JsNode(options.clone());
        let core = core::Options {
            client: Id::parse(&options.text("client")?).ok()?,
            principal: options.text("as"),
            has_tokens: options.field("hasTokens").is_some_and(|has| has.0.is_truthy()),
            seed: seed(),
        };
        Some(Self {
            url: options.text("url")?,
            web_socket: options.field("WebSocket").and_then(|made| made.0.dyn_into().ok()),
            core,
        })
    }
}

/// Jitter needs no secret: any random number serves.
fn seed() -> u64 {
    js_sys::Math::random().to_bits()
}
