//! `.hlog` and `.hgrm` mean the same to another implementation of HdrHistogram.
//!
//! Writes the files of a result and has HdrHistogram_py read them. Without it the
//! test is skipped with a line that says so, or fails where it must be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hdrhistogram::Histogram;
use ringmq_bench::latency::histogram;
use ringmq_bench::report;
use ringmq_bench::result::{Broker, Environment, Interval, Named, Run, StoredResult, distribution};
use serde_json::Value;

/// What `read.py` asks for.
const QUANTILES: [f64; 6] = [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];

const SECONDS: u64 = 3;

/// So many that each percentile is a whole number of them, and nobody rounds.
const SAMPLES_PER_SECOND: u64 = 200_000;

/// When the run began: in the past, to the millisecond.
const BEGAN: f64 = 1_772_323_200.5;

/// Latencies from microseconds to a minute, most of them short.
fn latencies(second: u64) -> Histogram<u64> {
    let mut histogram = histogram();
    let mut state = 1 + second;
    for _ in 0..SAMPLES_PER_SECOND {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let bits = (state >> 33) % 27;
        let micros = 1 + ((state >> 20) & ((1 << bits) - 1));
        histogram.record(micros).expect("it is in range");
    }
    histogram
}

fn result(seconds: &[Histogram<u64>], total: &Histogram<u64>) -> StoredResult {
    let mut run = Run {
        began: BEGAN,
        ..Run::default()
    };
    run.distribution("latency", "latency", total);
    run.intervals = (0_u32..)
        .zip(seconds)
        .map(|(second, histogram)| Interval {
            start: f64::from(second),
            end: f64::from(second) + 1.0,
            published: 1,
            delivered: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
            broker_cpu_percent: None,
            generator_cpu_percent: 1.0,
            histogram: distribution::encode(histogram),
        })
        .collect();
    let broker = Broker {
        name: "broker".to_owned(),
        version: None,
        address: "127.0.0.1:1883".to_owned(),
        mqtt: "5.0".to_owned(),
        transport: None,
    };
    StoredResult::new(
        "fan-out",
        "",
        broker,
        Named::default(),
        Environment::default(),
        vec![run],
    )
}

fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("RINGMQ_PYTHON") {
        return python.into();
    }
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../interop-venv/bin/python");
    if own.exists() { own } else { "python3".into() }
}

/// A Python that has HdrHistogram_py; without one the test ends here.
fn reader() -> Option<PathBuf> {
    let python = python();
    let probe = Command::new(&python)
        .args(["-c", "import hdrh.histogram, hdrh.log"])
        .output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let why = format!(
        "{} has no hdrhistogram (tests/run installs it)",
        python.display()
    );
    let required = std::env::var("RINGMQ_REQUIRE_INTEROP").is_ok_and(|value| value == "1");
    assert!(!required, "HdrHistogram_py is required here, but: {why}");
    eprintln!("!!! SKIPPED histograms in another implementation: {why}");
    None
}

fn assert_same(found: &Value, expected: &Histogram<u64>) {
    let number = |key: &str| found[key].as_u64().expect("a whole number");
    assert_eq!(number("samples"), expected.len());
    assert_eq!(number("min"), expected.min());
    assert_eq!(number("max"), expected.max());
    let mean = found["mean"].as_f64().expect("a number");
    assert!((mean / expected.mean() - 1.0).abs() < 1e-9, "{mean}");
    let percentiles: Vec<u64> = found["percentiles"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|value| value.as_u64().expect("a whole number"))
        .collect();
    assert_eq!(
        percentiles,
        QUANTILES.map(|quantile| expected.value_at_quantile(quantile))
    );
}

#[test]
fn interval_log_and_percentile_text_read_back_the_same_elsewhere() {
    let Some(python) = reader() else { return };
    let seconds: Vec<Histogram<u64>> = (0..SECONDS).map(latencies).collect();
    let mut total = histogram();
    for second in &seconds {
        total.add(second).expect("they have one range");
    }
    let directory = std::env::temp_dir().join(format!("ringmq-bench-hdr-{}", std::process::id()));
    report::write_all(&result(&seconds, &total), &directory).expect("it can be written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/read.py");
    let output = Command::new(python)
        .arg(script)
        .args(["latency.hlog", "latency.hgrm"].map(|file| directory.join(file)))
        .output()
        .expect("it has run before");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complained}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    fs::remove_dir_all(&directory).expect("it is ours");

    assert_eq!(found["start_time"], BEGAN);
    let intervals = found["intervals"].as_array().expect("a list");
    assert_eq!(intervals.len(), seconds.len());
    for ((number, interval), expected) in (0_u32..).zip(intervals).zip(&seconds) {
        let start = (BEGAN + f64::from(number)) * 1000.0;
        assert_eq!(interval["start"].as_f64(), Some(start));
        assert_eq!(interval["length"].as_f64(), Some(1000.0));
        assert_same(interval, expected);
    }
    assert_same(&found["total"], &total);
    assert!(found["rows"].as_u64().expect("a number") > 50);
    assert_eq!(found["wrong_rows"].as_array(), Some(&Vec::new()));
    let told = |name: &str| found["footer"][name].as_f64().expect("it is there");
    let of_total = |name: &str| found["total"][name].as_f64().expect("a number");
    let deviation = found["deviation"].as_f64().expect("a number");
    for (told, micros) in [
        (told("Mean"), of_total("mean")),
        (told("StdDeviation"), deviation),
        (told("Max"), of_total("max")),
    ] {
        // Milliseconds with three digits.
        assert!((told * 1000.0 - micros).abs() <= 0.5001, "{told} {micros}");
    }
    assert_eq!(told("Total count"), of_total("samples"));
}
