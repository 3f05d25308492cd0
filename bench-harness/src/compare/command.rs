//! `ringmq-bench compare`: from arguments to an exit code.
//!
//! Prints progress and skipped brokers on standard error, the comparison on
//! standard output, and stores both beside the single results.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::Serialize;

use super::entry::{Entry, NoEntry};
use super::generator::Generator;
use super::ratios::{self, Comparison};
use super::session::{self, Aborted, COMPARISON, Findings, Plan};
use super::table::{remarks, table};
use crate::affinity::Cores;
use crate::arguments::{MqttVersion, TransportArguments};
use crate::encode::version_name;
use crate::floor;
use crate::settings::{Scenario, Shape};

/// All was right.
const FINE: u8 = 0;
/// A broker lost, repeated or reordered something.
const WRONG: u8 = 1;
/// The arguments.
const BAD_ARGUMENTS: u8 = 2;
/// A broker did not run, or none was there.
const COULD_NOT_RUN: u8 = 3;
/// The generator was the limit.
const INVALID: u8 = 4;

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// The scenario: a preset's name or a TOML file
    #[arg(long)]
    scenario: String,
    /// A broker: a known name (ringmq, mosquitto, rumqttd, flashmq, ...),
    /// `NAME=COMMAND with {port}`, or `NAME=PROGRAM` for a known one that is not
    /// in PATH; the first is what the others are compared with
    #[arg(long, required_unless_present = "floor")]
    with: Vec<String>,
    /// Compare with the bare kernel, too: a server that only relays, with at most
    /// so many messages per send; without a number 1, 16 and 64: nothing coalesced,
    /// as much as a busy shard's turn usually brings, and a whole default window
    #[arg(
        long,
        value_name = "CAP,...",
        num_args = 0..=1,
        require_equals = true,
        value_delimiter = ',',
        default_missing_value = "1,16,64",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    floor: Vec<u32>,
    /// How often each broker runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Cores of the broker: 0 or 0,2 or 1-3 [default: all]
    #[arg(long, value_parser = Cores::parse)]
    broker_cores: Option<Cores>,
    /// Cores of the generator [default: all]
    #[arg(long, value_parser = Cores::parse)]
    generator_cores: Option<Cores>,
    /// MQTT version
    #[arg(long, value_enum, default_value = "3.1.1")]
    mqtt: MqttVersion,
    /// How brokers are spoken to.
    #[command(flatten)]
    transport: TransportArguments,
    /// The certificates of brokers that speak TLS, a PEM file
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls",
        required_if_eq("tls", "true")
    )]
    cert: Option<PathBuf>,
    /// Their key, a PEM file
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls",
        required_if_eq("tls", "true")
    )]
    key: Option<PathBuf>,
    /// Where every single result and the comparison are stored
    /// [default: bench-results/SCENARIO-TIME]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Arguments of the scenario, after --
    #[arg(last = true)]
    arguments: Vec<OsString>,
}

/// What is stored beside the single results.
#[derive(Debug, Serialize)]
struct Stored<'a> {
    scenario: &'a str,
    arguments: Vec<String>,
    mqtt: &'a str,
    transport: &'a str,
    rounds: u16,
    broker_cores: Option<String>,
    generator_cores: Option<String>,
    brokers: Vec<Command<'a>>,
    skipped: &'a [String],
    metrics: &'a [Comparison],
    failures: &'a [String],
    errors: &'a [String],
    invalid: &'a [String],
    warnings: &'a [String],
}

/// How a broker was started.
#[derive(Debug, Serialize)]
struct Command<'a> {
    name: &'a str,
    command: &'a [String],
}

/// Compares; returns the exit code.
///
/// # Errors
/// Why there is no comparison, with the exit code.
pub fn run(arguments: &CompareArguments) -> Result<u8, (u8, String)> {
    let harness = env::current_exe().map_err(|error| (COULD_NOT_RUN, error.to_string()))?;
    let scenario = Scenario::find(&arguments.scenario).map_err(|what| (BAD_ARGUMENTS, what))?;
    let (entries, skipped) = entries(arguments, scenario.shape, &harness)?;
    if entries.is_empty() {
        return Err((COULD_NOT_RUN, "no broker is left to compare".to_owned()));
    }
    let directory = arguments.out.clone().unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let scenario = Path::new(&arguments.scenario).file_stem();
        let scenario = scenario.unwrap_or_default().display();
        PathBuf::from(format!("bench-results/{scenario}-{now}"))
    });
    let scenario = OsString::from(&arguments.scenario);
    let plan = Plan {
        entries,
        rounds: usize::from(arguments.rounds),
        generator: Generator {
            harness,
            arguments: [&[scenario], arguments.arguments.as_slice()].concat(),
            version: arguments.mqtt.into(),
            transport: arguments.transport.clone(),
            cores: arguments.generator_cores.clone(),
        },
        broker_cores: arguments.broker_cores.clone(),
        certificate: (absolute(&arguments.cert)?, absolute(&arguments.key)?),
        directory,
    };
    let findings =
        session::run(&plan, |line| eprintln!("{line}")).map_err(|aborted| match aborted {
            Aborted::Arguments(what) => (BAD_ARGUMENTS, what),
            Aborted::Store(error) => {
                let place = plan.directory.display();
                (
                    COULD_NOT_RUN,
                    format!("cannot store results in {place}: {error}"),
                )
            }
        })?;
    tell(arguments, &plan, &skipped, &findings)
}

/// A file by a path that means the same in every directory; empty where there is
/// none.
fn absolute(file: &Option<PathBuf>) -> Result<PathBuf, (u8, String)> {
    let Some(file) = file else {
        return Ok(PathBuf::new());
    };
    fs::canonicalize(file).map_err(|error| (BAD_ARGUMENTS, format!("{}: {error}", file.display())))
}

/// Who takes part, and a line for each one that is not there.
fn entries(
    arguments: &CompareArguments,
    shape: Shape,
    harness: &Path,
) -> Result<(Vec<Entry>, Vec<String>), (u8, String)> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut skipped = Vec::new();
    for with in &arguments.with {
        match Entry::parse(with, arguments.transport.scheme()) {
            Ok(entry) => entries.push(entry),
            Err(NoEntry::Missing(line)) => {
                eprintln!("{line}");
                skipped.push(line);
            }
            Err(NoEntry::Wrong(line)) => return Err((BAD_ARGUMENTS, line)),
        }
    }
    let plain = arguments.transport.scheme() == "mqtt";
    if floor::serves(shape) && plain {
        let caps = arguments.floor.iter();
        entries.extend(caps.map(|cap| Entry::floor(harness, *cap)));
    } else if !arguments.floor.is_empty() {
        let line = if plain {
            let shape = shape.name();
            format!("floor is skipped, it knows nothing of what a {shape} scenario needs")
        } else {
            "floor is skipped, it speaks plain TCP alone".to_owned()
        };
        eprintln!("{line}");
        skipped.push(line);
    }
    for (index, entry) in entries.iter().enumerate() {
        if entries[..index]
            .iter()
            .any(|other| other.name == entry.name)
        {
            let line = format!("--with {}: the name is taken", entry.name);
            return Err((BAD_ARGUMENTS, line));
        }
    }
    Ok((entries, skipped))
}

fn tell(
    arguments: &CompareArguments,
    plan: &Plan,
    skipped: &[String],
    findings: &Findings,
) -> Result<u8, (u8, String)> {
    let metrics = ratios::compare(&findings.series);
    let stored = Stored {
        scenario: &arguments.scenario,
        arguments: plan.generator.arguments[1..]
            .iter()
            .map(|argument| argument.display().to_string())
            .collect(),
        mqtt: version_name(plan.generator.version),
        transport: arguments.transport.scheme(),
        rounds: arguments.rounds,
        broker_cores: plan.broker_cores.as_ref().map(Cores::to_string),
        generator_cores: plan.generator.cores.as_ref().map(Cores::to_string),
        brokers: plan
            .entries
            .iter()
            .map(|entry| Command {
                name: &entry.name,
                command: &entry.command,
            })
            .collect(),
        skipped,
        metrics: &metrics,
        failures: &findings.failures,
        errors: &findings.errors,
        invalid: &findings.invalid,
        warnings: &findings.warnings,
    };
    let json = serde_json::to_string_pretty(&stored).expect("numbers are finite") + "\n";
    let mut text = table(&metrics, &plan.entries[0].name);
    for (mark, lines) in [
        ("SKIPPED", skipped),
        ("WARNING", &findings.warnings),
        ("INVALID", &findings.invalid),
        ("FAILED ", &findings.errors),
        ("WRONG  ", &findings.failures),
    ] {
        text.push_str(&remarks(mark, lines));
    }
    let save = |name: &str, content: &str| {
        fs::write(plan.directory.join(name), content).map_err(|error| {
            let place = plan.directory.display();
            (
                COULD_NOT_RUN,
                format!("cannot store {place}/{name}: {error}"),
            )
        })
    };
    save(COMPARISON, &json)?;
    save("comparison.txt", &text)?;
    print!("{}", if arguments.json { &json } else { &text });
    eprintln!("stored in {}", plan.directory.display());
    Ok(if !findings.errors.is_empty() {
        COULD_NOT_RUN
    } else if !findings.failures.is_empty() {
        WRONG
    } else if !findings.invalid.is_empty() {
        INVALID
    } else {
        FINE
    })
}
