//! The browser driver of the core, and the object that the TypeScript facade drives.
//!
//! It decides nothing: sockets, the channel of the tabs, timers, page events and JSON come in, what the core asks is done,
//! and what it tells goes to a [`Listener`]. No JavaScript runs while the core is borrowed, so
//! whatever the app does in a callback may come back in. Where there is no page, as in Node or in
//! a worker, the listeners of page events are simply not there.

#[cfg(feature = "agent")]
mod agent;
mod channel;
mod command;
mod driver;
mod flat;
mod handler;
mod listener;
mod names;
mod node;
mod page;
mod patch;
mod socket;
mod timer;
mod told;

pub use command::connect;
pub use listener::Listener;
pub use node::JsNode;
pub use told::encode;

/// Smaller by 2.7 KB gzip than the standard one.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
