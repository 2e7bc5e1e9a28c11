//! The server's program, built beside the tests that start and kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    durable_sessions_server::cli::main()
}
