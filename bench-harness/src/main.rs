//! `ringmq-bench`: parses the command line, does what it says, and tells by the
//! exit code how it went ([`Arguments`] says which).

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use ringmq_bench::arguments::{Arguments, Command, ReportArguments, RunArguments};
use ringmq_bench::compare::command as brokers;
use ringmq_bench::floor::Floor;
use ringmq_bench::measurement::{self, MeasureError};
use ringmq_bench::process;
use ringmq_bench::progress::Progress;
use ringmq_bench::report::{self, comparison, markdown, page, picture, sources, table};
use ringmq_bench::result::{ReadError, StoredResult};
use ringmq_bench::settings::{Scenario, presets};

const WRONG: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;
const COULD_NOT_RUN: u8 = 3;
const INVALID: u8 = 4;

/// An exit code with its reason.
type Failure = (u8, String);

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run { scenario, run } => run_scenario(&scenario, &run),
        Command::Scenarios => list_scenarios(),
        Command::Report(arguments) => compare(&arguments),
        Command::Compare(arguments) => brokers::run(&arguments).map(ExitCode::from),
        Command::Floor {
            port,
            messages_per_send,
        } => floor(port, messages_per_send as usize),
        Command::FanOut(run) => run_scenario("fan-out", &run),
        Command::FanIn(run) => run_scenario("fan-in", &run),
        Command::Pairs(run) => run_scenario("pairs", &run),
        Command::Shared(run) => run_scenario("shared", &run),
        Command::Wildcard(run) => run_scenario("wildcard", &run),
        Command::RetainedStorm(run) => run_scenario("retained-storm", &run),
        Command::RetainedReplay(run) => run_scenario("retained-replay", &run),
        Command::Mixed(run) => run_scenario("mixed", &run),
        Command::Idle(run) => run_scenario("idle", &run),
        Command::Connect(run) => run_scenario("connect-storm", &run),
    };
    match done {
        Ok(code) => code,
        Err((code, what)) => {
            eprintln!("ringmq-bench: {what}");
            ExitCode::from(code)
        }
    }
}

fn run_scenario(name: &str, arguments: &RunArguments) -> Result<ExitCode, Failure> {
    let bad = |what: String| (BAD_ARGUMENTS, what);
    process::raise_descriptor_limit();
    let scenario = Scenario::find(name).map_err(bad)?;
    let scenario = scenario
        .with(&arguments.settings, arguments.scale)
        .map_err(bad)?;
    let target = arguments.broker.target().map_err(bad)?;
    let version = arguments.broker.broker_version.as_deref();
    let broker = measurement::broker(&arguments.broker.name, version, &target);
    let mut progress = Progress::of_terminal();
    let result = measurement::measure(&scenario, &target, broker, arguments.repeat, &mut progress);
    let result = result.map_err(|error| {
        let code = match error {
            MeasureError::Settings(_) => BAD_ARGUMENTS,
            MeasureError::Run(_) => COULD_NOT_RUN,
        };
        (code, error.to_string())
    })?;
    if arguments.json {
        println!("{}", result.to_json());
    } else {
        print!("{}", table::table(&result));
    }
    if let Some(directory) = &arguments.output {
        report::write_all(&result, directory)
            .map_err(|error| (COULD_NOT_RUN, format!("{}: {error}", directory.display())))?;
    }
    Ok(exit_code(&result))
}

fn exit_code(result: &StoredResult) -> ExitCode {
    if !result.is_right() {
        ExitCode::from(WRONG)
    } else if !result.valid {
        ExitCode::from(INVALID)
    } else {
        ExitCode::SUCCESS
    }
}

fn floor(port: u16, messages_per_send: usize) -> Result<ExitCode, Failure> {
    process::raise_descriptor_limit();
    let outcome = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .and_then(|listener| Floor::new(listener, messages_per_send)?.run());
    let Err(error) = outcome;
    Err((COULD_NOT_RUN, format!("the floor ends: {error}")))
}

fn list_scenarios() -> Result<ExitCode, Failure> {
    let width = presets::names().map(str::len).max().unwrap_or(0);
    for name in presets::names() {
        let scenario = Scenario::find(name).map_err(|what| (COULD_NOT_RUN, what))?;
        println!("{name:width$}  {}", scenario.about);
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(arguments: &ReportArguments) -> Result<ExitCode, Failure> {
    let mut results = Vec::new();
    for place in &arguments.results {
        let found = sources::load(place).map_err(|what| (BAD_ARGUMENTS, what))?;
        results.extend(found);
    }
    let damaged = |error: ReadError| (BAD_ARGUMENTS, error.to_string());
    let write = |path: &Path, text: String| {
        std::fs::write(path, text)
            .map_err(|error| (COULD_NOT_RUN, format!("{}: {error}", path.display())))
    };
    if arguments.markdown.is_empty() {
        print!("{}", comparison::comparison(&results));
    } else {
        let table = markdown::table(&results, &arguments.markdown);
        print!("{}", table.map_err(|what| (BAD_ARGUMENTS, what))?);
    }
    if let Some(path) = &arguments.output {
        write(path, page::page(&results).map_err(damaged)?)?;
    }
    if let Some(path) = &arguments.svg {
        let picture = picture::picture(&results, &arguments.title).map_err(damaged)?;
        let none = || (BAD_ARGUMENTS, "no result has latencies to draw".to_owned());
        write(path, picture.ok_or_else(none)?)?;
    }
    Ok(ExitCode::SUCCESS)
}
