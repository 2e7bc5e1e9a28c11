//! The tabs of a browser against the rules of the server, in virtual time: several cores share a
//! channel, a lock and an outbox, and anything may happen to any of them.
//!
//! A [`World`](world::World) is everything around the cores. It is driven by an agenda and by one
//! seeded generator, so that a seed is a whole run. What a tab is given is compared with the log
//! while it runs ([`witness`]); what must hold in the end is in [`calm`].

mod acts;
mod agenda;
mod agents;
mod browser;
mod calm;
mod chaos;
mod faults;
mod fence;
mod locks;
mod network;
mod random;
mod scenarios;
mod simulation;
mod tab;
mod trace;
mod witness;
mod world;
