//! What the page and the network tell.

use std::rc::Rc;

use js_sys::Reflect;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, EventTarget};

use super::driver::Driver;
use super::names::name;
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
        let global = JsValue::from(js_sys::global());
        let target = match self {
            Self::Global => global,
            Self::Document => Reflect::get(&global, &name("document")).ok()?,
        };
        let listens = Reflect::get(&target, &name("addEventListener")).ok()?.is_function();
        listens.then(|| target.unchecked_into())
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
                && let Some(input) = read(&event)
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
    let on_line = Reflect::get(&js_sys::global(), &name("navigator"))
        .and_then(|navigator| Reflect::get(&navigator, &name("onLine")));
    on_line.is_ok_and(|on_line| on_line.is_falsy() && !on_line.is_undefined())
}

fn read(event: &JsValue) -> Option<Input<JsNode>> {
    let persisted = || is_true(event, "persisted");
    match event.unchecked_ref::<Event>().type_().as_str() {
        "visibilitychange" => {
            let document = Reflect::get(&js_sys::global(), &name("document")).ok()?;
            (!is_true(&document, "hidden")).then_some(Input::Woke)
        }
        "resume" => Some(Input::Woke),
        "pageshow" if persisted() => Some(Input::Restored),
        "pageshow" => Some(Input::Woke),
        "freeze" => Some(Input::Suspend),
        "pagehide" => persisted().then_some(Input::Suspend),
        "online" => Some(Input::Network { online: true }),
        "offline" => Some(Input::Network { online: false }),
        _ => None,
    }
}

fn is_true(object: &JsValue, field: &str) -> bool {
    Reflect::get(object, &name(field)).is_ok_and(|value| value.is_truthy())
}
