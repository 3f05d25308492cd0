//! `ringmq-bench`: parses the command line, runs one scenario, prints its report.
//!
//! Exit code 0: all was right; 1: something was lost, repeated, out of order or
//! refused; 2: wrong arguments; 3: the run could not take place.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use clap::Parser;
use ringmq_bench::arguments::{Arguments, Scenario};
use ringmq_bench::compare::command as compare;
use ringmq_bench::floor::Floor;
use ringmq_bench::plan::Topology;
use ringmq_bench::process;
use ringmq_bench::report::Report;
use ringmq_bench::scenario::{connect, idle, traffic};

const WRONG: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;
const COULD_NOT_RUN: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::raise_descriptor_limit();
    match &arguments.scenario {
        Scenario::Compare(arguments) => ExitCode::from(compare::run(arguments)),
        Scenario::Floor {
            port,
            messages_per_send,
        } => floor(*port, *messages_per_send as usize),
        scenario @ (Scenario::FanOut { .. }
        | Scenario::FanIn { .. }
        | Scenario::Pairs { .. }
        | Scenario::Idle { .. }
        | Scenario::Connect { .. }) => one(scenario),
    }
}

fn floor(port: u16, messages_per_send: usize) -> ExitCode {
    let outcome = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .and_then(|listener| Floor::new(listener, messages_per_send)?.run());
    let Err(error) = outcome;
    eprintln!("ringmq-bench: the floor ends: {error}");
    ExitCode::from(COULD_NOT_RUN)
}

fn one(scenario: &Scenario) -> ExitCode {
    match run(scenario) {
        Ok((report, json)) => {
            if json {
                println!("{}", report.json());
            } else {
                print!("{}", report.table());
            }
            if report.failures().is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(WRONG)
            }
        }
        Err((code, what)) => {
            eprintln!("ringmq-bench: {what}");
            ExitCode::from(code)
        }
    }
}

fn run(scenario: &Scenario) -> Result<(Report, bool), (u8, String)> {
    let bad = |what: String| (BAD_ARGUMENTS, what);
    let (result, json) = match scenario {
        Scenario::FanOut {
            publishers,
            subscribers,
            broker,
            traffic: flow,
        } => {
            let topology = Topology::fan_out(*publishers, *subscribers);
            let plan = flow.plan("fan-out", broker, topology).map_err(bad)?;
            (traffic::run(&plan), broker.json)
        }
        Scenario::FanIn {
            publishers,
            subscribers,
            broker,
            traffic: flow,
        } => {
            let topology = Topology::fan_in(*publishers, *subscribers);
            let plan = flow.plan("fan-in", broker, topology).map_err(bad)?;
            (traffic::run(&plan), broker.json)
        }
        Scenario::Pairs {
            pairs,
            broker,
            traffic: flow,
        } => {
            let topology = Topology::pairs(*pairs);
            let plan = flow.plan("pairs", broker, topology).map_err(bad)?;
            (traffic::run(&plan), broker.json)
        }
        Scenario::Idle {
            broker,
            connections,
            subscribe,
            settle,
        } => {
            let plan = broker
                .connection_plan(*connections, *subscribe, *settle)
                .map_err(bad)?;
            let pid = plan
                .target
                .pid
                .ok_or_else(|| bad("idle needs --pid, the broker's process".to_owned()))?;
            (idle::run(&plan, pid), broker.json)
        }
        Scenario::Connect {
            broker,
            connections,
        } => {
            let plan = broker
                .connection_plan(*connections, false, 0)
                .map_err(bad)?;
            (connect::run(&plan), broker.json)
        }
        Scenario::Compare(_) | Scenario::Floor { .. } => unreachable!("told apart before"),
    };
    result
        .map(|report| (report, json))
        .map_err(|error| (COULD_NOT_RUN, error.to_string()))
}
