//! The client against the rules of the server: in virtual time, and over real sockets.

#![cfg(not(target_arch = "wasm32"))]

#[cfg(test)]
mod appending;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod cut_everywhere;
#[cfg(test)]
mod empty_log;
#[cfg(test)]
#[cfg(feature = "native")]
mod native;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tabs;
