//! Patches as the facade takes them.

use durable_sessions_protocol::fold::Patch;

use super::flat::Flat;
use super::node::JsNode;

/// The number each patch begins with. `PatchOp` in `npm/src/border.ts` has the same.
mod op {
    pub(super) const MESSAGE: u64 = 0;
    pub(super) const APPEND: u64 = 1;
    pub(super) const PART: u64 = 2;
    pub(super) const MESSAGE_STATE: u64 = 3;
    pub(super) const TRUNCATE: u64 = 4;
    pub(super) const RUN: u64 = 5;
    pub(super) const RUN_STATE: u64 = 6;
    pub(super) const ASK: u64 = 7;
    pub(super) const ANSWERED: u64 = 8;
    pub(super) const TITLE: u64 = 9;
    pub(super) const OLDER: u64 = 10;
}

/// Adds a patch: its number and then its fields, `undefined` where one is absent.
pub(super) fn write(flat: &Flat, patch: &Patch<JsNode>) {
    match patch {
        Patch::Message { id, role, from, at, run, text, parts, data, state } => {
            flat.number(op::MESSAGE).node(id).node(role);
            for field in [from, at, run, text, parts, data] {
                flat.maybe(field.as_ref());
            }
            flat.name(state.as_str());
        }
        Patch::Append { message, part, part_type, text } => {
            flat.number(op::APPEND)
                .place(*message)
                .number(*part)
                .maybe(part_type.as_ref())
                .node(text);
        }
        Patch::Part { message, part, value } => {
            flat.number(op::PART).place(*message).number(*part).maybe(value.as_ref());
        }
        Patch::MessageState { message, state, error } => {
            flat.number(op::MESSAGE_STATE)
                .place(*message)
                .name(state.as_str())
                .maybe(error.as_ref());
        }
        Patch::Truncate { messages } => {
            flat.number(op::TRUNCATE).place(*messages);
        }
        Patch::Run { id, agent, parent, in_reply_to } => {
            flat.number(op::RUN).node(id).node(agent);
            flat.maybe_number(parent.map(|parent| parent as u64)).maybe(in_reply_to.as_ref());
        }
        Patch::RunState { run, state, error, usage } => {
            flat.number(op::RUN_STATE)
                .place(*run)
                .name(state.as_str())
                .maybe(error.as_ref())
                .maybe(usage.as_ref());
        }
        Patch::Ask { run, ask, body } => {
            flat.number(op::ASK).place(*run).node(ask).maybe(body.as_ref());
        }
        Patch::Answered { run, ask } => {
            flat.number(op::ANSWERED).place(*run).node(ask);
        }
        Patch::Older { messages, runs } => {
            flat.number(op::OLDER);
            for nodes in [messages, runs] {
                flat.place(nodes.len());
                for node in nodes {
                    flat.node(node);
                }
            }
        }
        Patch::Title { title } => {
            flat.number(op::TITLE).node(title);
        }
    }
}
