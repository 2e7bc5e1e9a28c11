//! What the page and the network tell.

use std::rc::Rc;

use durable_sessions_protocol::fold::Node;
use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::EventTarget;

use super::driver::Driver;
use super::handler::Handler;
use super::node::JsNode;
use crate::core::Input;

/// What the document tells. In a worker there is none.
const OF_DOCUMENT: &[&str] = &["visibilitychange", "freeze", "resume"];
/// What the global object tells. In Node it tells nothing.
const OF_GLOBAL: &[&str] = &["pageshow", "pagehide", "online", "offline"];

/// Listens until it is dropped.
pub(super) struct Page {
    global: JsNode,
    handler: Handler,
}

impl Page {
    pub(super) fn listen(driver: &Rc<Driver>, global: JsNode) -> Self {
        let page = Self { global, handler: Handler::new(driver, 0, |_, event| read(event)) };
        page.each(EventTarget::add_event_listener_with_callback);
        page
    }

    fn each(&self, act: fn(&EventTarget, &str, &Function) -> Result<(), JsValue>) {
        let document = self.global.field("document");
        let targets = [(document.as_ref(), OF_DOCUMENT), (Some(&self.global), OF_GLOBAL)];
        for (target, events) in targets {
            let Some(target) = target else { continue };
            for event in events {
                // An error: this object tells no events.
                let _: Result<(), JsValue> =
                    act(target.0.unchecked_ref(), event, self.handler.function());
            }
        }
    }
}

/// Whether the system says that there is no network.
pub(super) fn is_offline(global: &JsNode) -> bool {
    let on_line = global.field("navigator").and_then(|system| system.field("onLine"));
    on_line.is_some_and(|on_line| !on_line.0.is_truthy())
}

/// Whether nobody sees the page.
pub(super) fn is_hidden(global: &JsNode) -> bool {
    global.field("document").is_some_and(|document| document.is("hidden"))
}

impl Drop for Page {
    fn drop(&mut self) {
        self.each(EventTarget::remove_event_listener_with_callback);
    }
}

fn read(event: &JsNode) -> Option<Input<JsNode>> {
    let is_persisted = event.is("persisted");
    match event.text("type")?.as_str() {
        "visibilitychange" if event.field("target")?.is("hidden") => Some(Input::Hidden),
        "pageshow" if is_persisted => Some(Input::Restored),
        "visibilitychange" | "resume" | "pageshow" => Some(Input::Woke),
        "freeze" | "pagehide" => Some(Input::Suspend),
        "online" => Some(Input::Network { online: true }),
        "offline" => Some(Input::Network { online: false }),
        _ => None,
    }
}
