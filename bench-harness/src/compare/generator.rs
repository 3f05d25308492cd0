//! One run of a scenario against one broker, as a process of its own.
//!
//! A fresh generator per run, pinned like the broker: what one run leaves behind
//! in an allocator or a histogram cannot reach the next. Its JSON is the result.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ringmq::protocol::ProtocolVersion;

use super::launch::Launched;
use crate::affinity::Cores;
use crate::arguments::TransportArguments;
use crate::encode::version_name;
use crate::result::StoredResult;

/// How a generator is started.
#[derive(Clone, Debug)]
pub struct Generator {
    /// This program.
    pub harness: PathBuf,
    /// The scenario and its arguments.
    pub arguments: Vec<OsString>,
    /// The version to speak.
    pub version: ProtocolVersion,
    /// TLS and WebSocket.
    pub transport: TransportArguments,
    /// Where it may run.
    pub cores: Option<Cores>,
}

/// Why there is no result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoResult {
    /// The scenario's arguments are wrong: no other broker will do better.
    Arguments(String),
    /// It could not run against this broker.
    Failed(String),
}

impl Generator {
    /// Runs the scenario against a broker of this name.
    ///
    /// # Errors
    /// See [`NoResult`]; what the broker did wrong is in the result.
    pub fn run(&self, name: &str, broker: &Launched) -> Result<StoredResult, NoResult> {
        let failed = |error: io::Error| NoResult::Failed(error.to_string());
        let mut command = Command::new(&self.harness);
        command
            .arg("run")
            .args(&self.arguments)
            .args(["--name", name])
            .args(["--host", &broker.address().ip().to_string()])
            .args(["--port", &broker.address().port().to_string()])
            .args(["--pid", &broker.pid().to_string()])
            .args(["--mqtt", version_name(self.version), "--json"])
            .args(self.transport.words())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(cores) = self.cores.clone() {
            // SAFETY: between fork and exec one system call is made.
            unsafe { command.pre_exec(move || cores.bind()) };
        }
        let output = command.output().map_err(failed)?;
        let complaint = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        match output.status.code() {
            // Right, wrong, or right but not valid.
            Some(0 | 1 | 4) => {
                let text = String::from_utf8_lossy(&output.stdout);
                StoredResult::from_json(&text).map_err(|error| NoResult::Failed(error.to_string()))
            }
            Some(2) => Err(NoResult::Arguments(complaint())),
            _ => Err(NoResult::Failed(format!(
                "{} {}",
                output.status,
                complaint()
            ))),
        }
    }
}
