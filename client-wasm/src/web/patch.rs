//! Patches as the facade takes them.

use durable_sessions_protocol::fold::Patch;
use js_sys::Array;
use wasm_bindgen::JsValue;

use super::names::name;
use super::node::{JsNode, number};

/// The number each patch begins with. `npm/src/patches.ts` has the same.
mod op {
    pub(super) const MESSAGE: u32 = 0;
    pub(super) const APPEND: u32 = 1;
    pub(super) const PART: u32 = 2;
    pub(super) const MESSAGE_STATE: u32 = 3;
    pub(super) const TRUNCATE: u32 = 4;
    pub(super) const RUN: u32 = 5;
    pub(super) const RUN_STATE: u32 = 6;
    pub(super) const ASK: u32 = 7;
    pub(super) const ANSWERED: u32 = 8;
    pub(super) const TITLE: u32 = 9;
}

/// One flat array: of each patch its number and then its fields, `undefined` where one is absent.
#[must_use]
pub fn encode(patches: Vec<Patch<JsNode>>) -> Array {
    let flat = Flat(Array::new());
    for patch in patches {
        flat.patch(patch);
    }
    flat.0
}

struct Flat(Array);

impl Flat {
    fn patch(&self, patch: Patch<JsNode>) {
        match patch {
            Patch::Message { id, role, from, at, run, text, parts, data, state } => {
                self.op(op::MESSAGE).node(id).node(role).maybe(from).maybe(at).maybe(run);
                self.maybe(text).maybe(parts).maybe(data).state(state.as_str());
            }
            Patch::Append { message, part, part_type, text } => {
                self.op(op::APPEND).place(message).part(part).maybe(part_type).node(text);
            }
            Patch::Part { message, part, value } => {
                self.op(op::PART).place(message).part(part).maybe(value);
            }
            Patch::MessageState { message, state, error } => {
                self.op(op::MESSAGE_STATE).place(message).state(state.as_str()).maybe(error);
            }
            Patch::Truncate { messages } => {
                self.op(op::TRUNCATE).place(messages);
            }
            Patch::Run { id, agent, parent, in_reply_to } => {
                self.op(op::RUN).node(id).node(agent);
                match parent {
                    Some(parent) => self.place(parent),
                    None => self.push(&JsValue::UNDEFINED),
                }
                .maybe(in_reply_to);
            }
            Patch::RunState { run, state, error, usage } => {
                self.op(op::RUN_STATE).place(run).state(state.as_str()).maybe(error).maybe(usage);
            }
            Patch::Ask { run, ask, body } => {
                self.op(op::ASK).place(run).node(ask).maybe(body);
            }
            Patch::Answered { run, ask } => {
                self.op(op::ANSWERED).place(run).node(ask);
            }
            Patch::Title { title } => {
                self.op(op::TITLE).node(title);
            }
        }
    }

    fn op(&self, op: u32) -> &Self {
        self.push(&op.into())
    }

    fn place(&self, place: usize) -> &Self {
        self.part(place as u64)
    }

    fn part(&self, part: u64) -> &Self {
        self.push(&number(part).into())
    }

    fn state(&self, state: &str) -> &Self {
        self.push(&name(state))
    }

    fn node(&self, node: JsNode) -> &Self {
        self.push(&node.0)
    }

    fn maybe(&self, node: Option<JsNode>) -> &Self {
        self.push(&node.map_or(JsValue::UNDEFINED, |node| node.0))
    }

    fn push(&self, value: &JsValue) -> &Self {
        self.0.push(value);
        self
    }
}
