//! The `ringmq` binary: hands the arguments over to the command line layer.
//!
//! Owns nothing. It never decides anything itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringmq::cli::run(std::env::args_os())
}
