//! The five agents as people meet them: a server, the program, and someone who types.

mod control;
mod model;
mod plan;
mod restart;
mod support;
