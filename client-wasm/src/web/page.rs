//! What the page and the network tell.

use std::rc::Rc;

use durable_sessions_protocol::fold::Node;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::EventTarget;

use super::driver::Driver;
use super::global;
use super::node::JsNode;
use crate::core::Input;

/// Which object tells what. In a worker there is no document, in Node neither of the two.
const EVENTS: [(On, &str); 7] = [
    (On::Document, "visibilitychange"),
    (On::Document, "freeze"),
    (On::Document, "resume"),
    (On::Global, "pageshow"),
    (On::Global, "pagehide"),
    (On::Global, "online"),
    (On::Global, "offline"),
];

#[derive(Debug, Clone, Copy)]
enum On {
    Document,
    Global,
}

impl On {
    fn target(self) -> Option<EventTarget> {
        let target = match self {
            Self::Global => global::global(),
            Self::Document => global::field("document")?,
        };
        target.field("addEventListener").is_some().then(|| target.0.unchecked_into())
    }
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Page {
    listener: Closure<dyn Fn(JsValue)>,
}

impl Page {
    pub(super) fn listen(driver: &Rc<Driver>) -> Self {
        let driver = Rc::downgrade(driver);
        let listener = Closure::new(move |event: JsValue| {
            if let Some(driver) = driver.upgrade()
                && let Some(input) = read(&JsNode(event))
            {
                driver.handle(input);
            }
        });
        let page = Self { listener };
        page.each(EventTarget::add_event_listener_with_callback);
        page
    }

    fn each(&self, act: fn(&EventTarget, &str, &js_sys::Function) -> Result<(), JsValue>) {
        for (on, event) in EVENTS {
            if let Some(target) = on.target() {
                // An error: this object does not tell that event.
                let _: Result<(), JsValue> =
                    act(&target, event, self.listener.as_ref().unchecked_ref());
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.each(EventTarget::remove_event_listener_with_callback);
    }
}

/// Whether the system says from the start that there is no network.
pub(super) fn is_offline() -> bool {
    let on_line = global::field("navigator").and_then(|navigator| navigator.field("onLine"));
    on_line.is_some_and(|on_line| on_line.0.is_falsy())
}

fn read(event: &JsNode) -> Option<Input<JsNode>> {
    let persisted = is_true(event, "persisted");
    match event.text("type")?.as_str() {
        "visibilitychange" => {
            (!is_true(&global::field("document")?, "hidden")).then_some(Input::Woke)
        }
        "pageshow" if persisted => Some(Input::Restored),
        "pageshow" | "resume" => Some(Input::Woke),
        "pagehide" if !persisted => None,
        "pagehide" | "freeze" => Some(Input::Suspend),
        "online" => Some(Input::Network { online: true }),
        "offline" => Some(Input::Network { online: false }),
        _ => None,
    }
}

fn is_true(object: &JsNode, field: &str) -> bool {
    object.field(field).is_some_and(|value| value.0.is_truthy())
}
