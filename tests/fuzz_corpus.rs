//! The fuzzers' corpora, replayed: every input that once found something new still
//! breaks no promise.
//!
//! Owns nothing; the targets are those of `tests/fuzz`. Says which file it was when
//! one fails: `cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET FILE` replays it.

#[path = "fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Inputs of a target that Miri interprets.
const INTERPRETED: usize = 12;

/// Runs every file of a target's corpus; says how many there were.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let entries = fs::read_dir(folder.join(target)).expect("the corpus is committed");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus of {target}");
    if cfg!(miri) {
        // Interpreted, each takes a thousand times as long: some from all over the corpus.
        let step = files.len().div_ceil(INTERPRETED);
        files = files.into_iter().step_by(step).collect();
    }
    for file in &files {
        let bytes = fs::read(file).expect("readable");
        if catch_unwind(AssertUnwindSafe(|| run(&bytes))).is_err() {
            panic!("{} breaks a promise", file.display());
        }
    }
    println!("{target}: {} inputs", files.len());
}

#[test]
fn decode() {
    replay("decode", fuzz::decode::run);
}

#[test]
fn round_trip() {
    replay("round_trip", fuzz::round_trip::run);
}

#[test]
fn filters() {
    replay("filters", fuzz::filters::run);
}

#[test]
fn subscriptions() {
    replay("subscriptions", fuzz::subscriptions::run);
}

#[test]
fn retained() {
    replay("retained", fuzz::retained::run);
}

#[test]
fn stream() {
    replay("stream", fuzz::stream::run);
}

#[test]
fn frames() {
    replay("frames", fuzz::frames::run);
}

#[test]
fn handshake() {
    replay("handshake", fuzz::openings::handshake);
}

#[test]
fn proxy_header() {
    replay("proxy_header", fuzz::openings::proxy_header);
}

#[test]
fn password_file() {
    replay("password_file", fuzz::rule_files::password_file);
}

#[test]
fn acl_file() {
    replay("acl_file", fuzz::rule_files::acl_file);
}

#[test]
#[cfg_attr(
    miri,
    ignore = "signatures are checked by code that Miri can not interpret"
)]
fn tokens() {
    replay("tokens", fuzz::tokens::run);
}
