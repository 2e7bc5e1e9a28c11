//! The core's ledger, for the facade to ask.

use durable_sessions_protocol::fold::Node;
use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::core::{self, Errand, NextSteer};
use crate::web::flat::Flat;
use crate::web::node::JsNode;

/// What the open runs of one session wait for. Its methods look at values that JSON made, and call
/// nobody, so none is called while another runs.
#[derive(Debug, Default)]
#[wasm_bindgen]
pub struct Ledger(core::Ledger<JsNode>);

#[wasm_bindgen]
impl Ledger {
    /// One of a session that has no events.
    #[must_use]
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next events of the log.
    pub fn apply(&mut self, events: JsValue) {
        for event in JsNode(events).items() {
            self.0.apply(&event);
        }
    }

    /// Whether a run was stopped and has not ended.
    #[must_use]
    #[wasm_bindgen(js_name = isStopped)]
    pub fn is_stopped(&self, run: &str) -> bool {
        self.0.is_stopped(run)
    }

    /// What a run has asked, in order: the id and the body of each.
    #[must_use]
    pub fn asks(&self, run: &str) -> Array {
        let flat = Flat::new();
        let add = |id: &str, body: &JsNode| {
            flat.text(id).node(body);
            false
        };
        let _: Option<&str> = self.0.find_ask(run, add);
        flat.into_array()
    }

    /// The answer to what a run has asked, in an array; an empty one while there is none.
    #[must_use]
    pub fn answer(&self, run: &str, ask: &str) -> Array {
        let flat = Flat::new();
        if let Some(answer) = self.0.answer(run, ask) {
            flat.node(answer);
        }
        flat.into_array()
    }

    /// The messages by which a run has given work to others, in order.
    #[must_use]
    pub fn errands(&self, run: &str) -> Array {
        let flat = Flat::new();
        let add = |event: &JsNode| {
            flat.node(event);
            false
        };
        let _: Option<&Errand<JsNode>> = self.0.find_errand(run, add);
        flat.into_array()
    }

    /// How the work that a run gave out by a message ended: outcome, run, result, and then the
    /// messages of that run that are no answer. An empty array while it has not.
    #[must_use]
    pub fn errand(&self, run: &str, message: &str) -> Array {
        let flat = Flat::new();
        let is_it = |event: &JsNode| event.text("id").as_deref() == Some(message);
        if let Some(errand) = self.0.find_errand(run, is_it)
            && let Some(outcome) = errand.outcome
        {
            flat.name(outcome.as_str());
            match &errand.run {
                Some(run) => flat.text(run),
                None => flat.maybe(None),
            };
            flat.maybe(errand.data.as_ref());
            for given in &errand.given {
                flat.text(given);
            }
        }
        flat.into_array()
    }

    /// What is next to do to take a steer of a run: a text is the id of one to say of that it is
    /// used, an object one that is taken; `undefined`: to wait.
    #[must_use]
    #[wasm_bindgen(js_name = nextSteer)]
    pub fn next_steer(&mut self, run: &str) -> JsValue {
        match self.0.next_steer(run) {
            NextSteer::None | NextSteer::Claimed => JsValue::UNDEFINED,
            NextSteer::Claim(id) => {
                self.0.claim_steer(run, &id);
                JsValue::from_str(&id)
            }
            NextSteer::Taken(event) => event.0,
        }
    }
}
