//! The `durable-sessions` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    durable_sessions_server::cli::main()
}
