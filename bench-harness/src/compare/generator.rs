//! One run of a scenario against one broker, as a process of its own.
//!
//! A fresh generator per run, pinned like the broker: what one run leaves behind
//! in an allocator or a histogram cannot reach the next. Its JSON is the result.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::launch::Launched;
use crate::affinity::Cores;
use crate::encode::Version;
use crate::result::{Broker, Environment, Named, Run, StoredResult};

/// How a generator is started.
#[derive(Clone, Debug)]
pub struct Generator {
    /// This program.
    pub harness: PathBuf,
    /// The scenario and its arguments.
    pub arguments: Vec<OsString>,
    /// The version to speak.
    pub version: Version,
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
    /// Runs the scenario.
    ///
    /// # Errors
    /// See [`NoResult`]; what the broker did wrong is in the result.
    pub fn run(&self, broker: &Launched) -> Result<StoredResult, NoResult> {
        let failed = |error: io::Error| NoResult::Failed(error.to_string());
        let mut command = Command::new(&self.harness);
        command
            .args(&self.arguments)
            .args(["--host", &broker.address().ip().to_string()])
            .args(["--port", &broker.address().port().to_string()])
            .args(["--pid", &broker.pid().to_string()])
            .args(["--mqtt", self.version.name(), "--json"])
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
            Some(0 | 1) => {
                let text = String::from_utf8_lossy(&output.stdout);
                stored(&text).map_err(NoResult::Failed)
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

/// The result in the generator's one line of JSON.
fn stored(text: &str) -> Result<StoredResult, String> {
    let fields: Named<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut run = Run::default();
    for (key, value) in fields.iter() {
        if let Some(number) = value.as_f64() {
            let digits = if value.is_u64() { 0 } else { 3 };
            run.number(key, &key.replace('_', " "), number, digits);
        }
    }
    let lines = |key: &str| {
        let lines = fields.get(key).and_then(Value::as_array);
        let lines = lines.into_iter().flatten().filter_map(Value::as_str);
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    run.warnings = lines("warnings");
    run.failures = lines("wrong");
    let word = |key: &str| {
        let word = fields.get(key).and_then(Value::as_str);
        word.unwrap_or_default().to_owned()
    };
    let broker = Broker {
        name: String::new(),
        version: None,
        address: word("broker"),
        mqtt: word("mqtt"),
    };
    Ok(StoredResult::new(
        &word("scenario"),
        "",
        broker,
        Named::default(),
        Environment::default(),
        vec![run],
    ))
}
