//! The command line: `ringmq serve`, `ringmq pub`, `ringmq sub`, `ringmq passwd`.
//!
//! Owns the way from arguments to an exit code. Lives on the main thread. It
//! speaks to the broker through its builder and handle alone, and to servers
//! through [`crate::client`]; it never reaches into a shard.
//!
//! Read next: `arguments/` (what may be typed), `serve.rs`, `publish.rs`,
//! `subscribe.rs` (what happens then), `link.rs` (how a client is driven).

mod arguments;
mod console;
mod dial;
mod failure;
mod format;
mod json;
mod lines;
mod link;
mod logging;
mod passwd;
mod poll;
mod publish;
mod rules;
mod serve;
mod signals;
mod subscribe;
mod systemd;
mod wall_clock;
mod wire;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Command, Rejected};
use failure::Failure;

/// Does what the arguments say; the first one is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match arguments::parse(arguments.into_iter().collect()) {
        Ok(command) => command,
        Err(Rejected::Asked(text)) => {
            // A pager that quits early is no failure.
            let _ = io::stdout().lock().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Rejected::Wrong(failure)) => return end(&failure, false),
    };
    let (result, quiet) = match command {
        Command::Serve(settings) => (serve::run(*settings), false),
        Command::Publish(settings) => (publish::run(&settings), settings.connection.quiet),
        Command::Passwd(settings) => (passwd::run(&settings), false),
        Command::Subscribe(settings) => (subscribe::run(&settings), settings.connection.quiet),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => end(&failure, quiet),
    }
}

fn end(failure: &Failure, quiet: bool) -> ExitCode {
    if !failure.message.is_empty() && (!quiet || failure.usage) {
        // A closed standard error leaves the exit code to say it.
        let _ = writeln!(io::stderr(), "{}", failure.message);
    }
    failure.exit_code()
}
