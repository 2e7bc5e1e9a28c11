//! Placeholder.

pub mod auth;
pub mod config;
mod http;
pub mod hub;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod server;
