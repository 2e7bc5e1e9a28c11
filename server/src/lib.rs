//! The reference server of durable sessions: session logs on disk, served over WebSocket and HTTP.

pub mod auth;
pub mod cli;
pub mod config;
mod http;
pub mod hub;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod server;
