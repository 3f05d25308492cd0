//! The house rules of this repository as a test: layers, file heads, names, sizes, the hot path.
//!
//! Reads every `.rs` file below the root and fails with one `file:line: what` per
//! offence. Owns the rules; the table of layers is `tidy/layers.rs`, where a new
//! folder of `src` must be given its row. Textual and therefore approximate: it
//! reads imports and paths, not types.

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/source.rs"]
mod source;

use std::path::Path;

use layers::{LAYERS, Layer};
use modules::{Module, Tree};
use source::{PathUse, Source, lines_with, lines_with_word, paths};

/// Files that hold the crate together and may name every layer.
const CRATE_ROOTS: &[&str] = &["lib", "main"];
const LOCKS: &[&str] = &["Mutex", "RwLock"];
const MAX_LINES: usize = 600;
/// A head shorter than this says nothing.
const MIN_HEAD: usize = 40;
/// Words that name no thing of the field.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "types", "helper", "helpers", "misc", "stuff",
];
/// Where tests may sleep: between two looks at a condition with a deadline.
const POLLING_PLACES: &[&str] = &["/wait.rs", "tests/support/"];
/// Promises about seconds that go by (an expiry, a delay): time itself is waited for, no event.
const ABOUT_TIME: &[&str] = &[
    "tests/conformance/v5/limits.rs",
    "tests/conformance/v5/message_expiry.rs",
    "tests/conformance/v5/sessions.rs",
    "tests/conformance/v5/wills.rs",
];

fn offence(path: &str, line: usize, what: &str) -> String {
    format!("{path}:{line}: {what}")
}

fn layer_of(module: &Module) -> Option<&str> {
    let inside = module.source.path.strip_prefix("src/")?;
    Some(inside.split(['/', '.']).next().unwrap_or(inside))
}

/// The path as seen from the crate root, where it leads into our own crate.
fn own_path(path: &PathUse, module: &[String]) -> Option<Vec<String>> {
    let supers = path
        .segments
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    if path.segments[0] == "crate" {
        return Some(path.segments[1..].to_vec());
    }
    if supers == 0 || supers > module.len() {
        return None;
    }
    let mut own = module[..module.len() - supers].to_vec();
    own.extend(path.segments[supers..].iter().cloned());
    Some(own)
}

fn check_layer(layer: &Layer, name: &[String], source: &Source, found: &mut Vec<String>) {
    for path in paths(&source.product) {
        let mut report = |what: String| found.push(offence(&source.path, path.line, &what));
        if let Some(own) = own_path(&path, name) {
            let target = own.first().map_or("", String::as_str);
            let known = LAYERS.iter().any(|layer| layer.name == target);
            if !known {
                report(format!(
                    "`{}` goes through the crate root; name the layer that owns it",
                    path.text()
                ));
            } else if target != layer.name && !layer.may_import.contains(&target) {
                report(format!(
                    "`{}` must not import `{}`",
                    layer.name,
                    path.text()
                ));
            }
        }
        let forbidden = layer.never.iter().copied().flatten();
        if forbidden.copied().any(|prefix| path.starts_with(prefix)) {
            report(format!("`{}` must not name `{}`", layer.name, path.text()));
        }
        if layer.data_plane && path.starts_with("tokio") {
            report(format!(
                "`{}` is data plane: no tokio (`{}`)",
                layer.name,
                path.text()
            ));
        }
    }
    let mut words = |words: &[&str], why: &str| {
        for word in words {
            for line in lines_with_word(&source.product, word) {
                found.push(offence(&source.path, line, &format!("`{word}` {why}")));
            }
        }
    };
    if layer.synchronous {
        words(
            &["async", "await"],
            &format!("in `{}`, which is synchronous", layer.name),
        );
    }
    if layer.data_plane {
        words(
            LOCKS,
            &format!(
                "in `{}`, which is data plane: nothing is shared",
                layer.name
            ),
        );
        for line in lines_with(&source.product, "static mut ") {
            found.push(offence(
                &source.path,
                line,
                "`static mut` in the data plane",
            ));
        }
    }
}

fn check_head(source: &Source, found: &mut Vec<String>) {
    let head = source.head();
    if head.is_empty() {
        found.push(offence(
            &source.path,
            1,
            "does not open with `//!` (what it is, what it owns)",
        ));
    } else if head.len() < MIN_HEAD {
        found.push(offence(
            &source.path,
            1,
            "its `//!` says too little: what it is, owns, never does",
        ));
    }
}

fn check_name(path: &str, found: &mut Vec<String>) {
    for part in path.split('/') {
        let stem = part.strip_suffix(".rs").unwrap_or(part);
        if EMPTY_NAMES.contains(&stem) {
            found.push(offence(
                path,
                1,
                &format!("`{stem}` names nothing; say what is in there"),
            ));
        }
    }
}

fn check_size(source: &Source, found: &mut Vec<String>) {
    let lines = source.lines();
    if lines > MAX_LINES {
        let what = format!("{lines} lines; past {MAX_LINES} it wants to be two files");
        found.push(offence(&source.path, MAX_LINES + 1, &what));
    }
}

fn check_hot_path(source: &Source, found: &mut Vec<String>) {
    if !source.head().contains("HOT PATH") {
        return;
    }
    for needle in ["Box<dyn", "format!", ".to_string("] {
        for line in lines_with(&source.product, needle) {
            found.push(offence(
                &source.path,
                line,
                &format!("`{needle}` on the hot path"),
            ));
        }
    }
}

/// Tests wait for what they expect, with a deadline; a nap only makes them slow and flaky.
fn check_sleep(module: &Module, found: &mut Vec<String>) {
    let source = &module.source;
    let mut allowed = POLLING_PLACES.iter().chain(ABOUT_TIME);
    if allowed.any(|place| source.path.contains(place)) {
        return;
    }
    for path in paths(&source.code) {
        let is_sleep = path.segments.ends_with(&["thread".into(), "sleep".into()])
            || path.segments.ends_with(&["time".into(), "sleep".into()]);
        let in_test = module.test || !is_in_product(source, path.line);
        if is_sleep && in_test {
            let what = "a test sleeps; poll with a deadline (in `wait.rs` or `tests/support`)";
            found.push(offence(&source.path, path.line, what));
        }
    }
}

fn is_in_product(source: &Source, line: usize) -> bool {
    let code = source.code.lines().nth(line - 1);
    code == source.product.lines().nth(line - 1)
}

fn tree() -> Tree {
    Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")))
}

fn verdict(found: Vec<String>) {
    assert!(
        found.is_empty(),
        "{} offence(s):\n{}",
        found.len(),
        found.join("\n")
    );
}

fn over_all(check: impl Fn(&Module, &mut Vec<String>)) {
    let mut found = Vec::new();
    for module in tree().reached.values() {
        check(module, &mut found);
    }
    verdict(found);
}

#[test]
fn imports_follow_the_direction_of_the_layers() {
    over_all(|module, found| {
        let Some(name) = layer_of(module) else { return };
        if CRATE_ROOTS.contains(&name) || module.test {
            return;
        }
        match LAYERS.iter().find(|layer| layer.name == name) {
            Some(layer) => check_layer(layer, &module.name, &module.source, found),
            None => found.push(offence(
                &module.source.path,
                1,
                "is in no layer; give it a row in tests/tidy/layers.rs and src/README.md",
            )),
        }
    });
}

#[test]
fn every_file_says_first_what_it_is() {
    over_all(|module, found| check_head(&module.source, found));
}

#[test]
fn names_say_something() {
    over_all(|module, found| check_name(&module.source.path, found));
}

#[test]
fn files_stay_small() {
    over_all(|module, found| check_size(&module.source, found));
}

#[test]
fn the_hot_path_neither_formats_nor_boxes() {
    over_all(|module, found| check_hot_path(&module.source, found));
}

#[test]
fn tests_do_not_sleep() {
    over_all(check_sleep);
}

#[test]
fn no_file_is_dead() {
    let dead = tree().dead;
    verdict(
        dead.iter()
            .map(|path| offence(path, 1, "no `mod` reaches this file"))
            .collect(),
    );
}

/// What the rules say about a file of layer `layer` that holds `text`.
fn offences(layer: &str, text: &str) -> Vec<String> {
    let layer = LAYERS
        .iter()
        .find(|known| known.name == layer)
        .expect("a layer of the table");
    let name = vec![layer.name.to_owned(), "inner".to_owned()];
    let mut found = Vec::new();
    check_layer(layer, &name, &Source::new("f.rs", text), &mut found);
    found
}

#[test]
fn rule_layers_hold_for_every_way_to_write_a_path() {
    assert_eq!(
        offences("routing", "use crate::{ids::X, protocol::{A, B}};"),
        [""; 0]
    );
    assert_eq!(
        offences("routing", "\nuse crate::{ids::X, session::Y};"),
        ["f.rs:2: `routing` must not import `crate::session::Y`"]
    );
    assert_eq!(
        offences("routing", "fn f() { super::shared::g() }"),
        [""; 0]
    );
    assert_eq!(
        offences("routing", "fn f() { super::super::engine::g() }").len(),
        1
    );
    assert_eq!(offences("engine", "use crate::Broker;").len(), 1);
    assert_eq!(
        offences(
            "control",
            "use crate::broker::handle::X; use crate::shard::Y;"
        )
        .len(),
        1
    );
    assert_eq!(
        offences(
            "protocol",
            "// use crate::engine::X;\n/* crate::shard::Y */"
        ),
        [""; 0]
    );
    assert_eq!(
        offences("protocol", "#[cfg(test)] mod tests { use crate::cli::X; }"),
        [""; 0]
    );
}

#[test]
fn rule_foreign_crates_hold() {
    assert_eq!(
        offences("protocol", "use core::fmt; use alloc::vec::Vec;"),
        [""; 0]
    );
    assert_eq!(offences("protocol", "use std::vec::Vec;").len(), 1);
    assert_eq!(
        offences(
            "engine",
            "use std::net::SocketAddr; use std::time::Duration;"
        ),
        [""; 0]
    );
    assert_eq!(
        offences("engine", "let t = std::time::Instant::now();").len(),
        1
    );
    assert_eq!(
        offences("engine", "use std::{net::{IpAddr, TcpStream}, fs};").len(),
        2
    );
    assert_eq!(offences("session", "glommio::spawn_local(x)").len(), 1);
    assert_eq!(offences("shard", "use clap::Parser;").len(), 1);
    assert_eq!(offences("shard", "use glommio::LocalExecutor;"), [""; 0]);
}

#[test]
fn rule_data_plane_shares_nothing() {
    assert_eq!(offences("shard", "use std::sync::{Arc, Mutex};").len(), 1);
    assert_eq!(offences("shard", "static mut X: u8 = 0;").len(), 1);
    assert_eq!(offences("shard", "tokio::spawn(x)").len(), 1);
    assert_eq!(offences("shard", "async fn f() {}"), [""; 0]);
    assert_eq!(offences("engine", "async fn f() {}").len(), 1);
    assert_eq!(offences("broker", "use std::sync::Mutex;"), [""; 0]);
}

#[test]
fn rule_tables_name_known_layers() {
    for layer in LAYERS {
        for import in layer.may_import {
            assert!(
                LAYERS.iter().any(|known| known.name == *import),
                "{}: {import}",
                layer.name
            );
        }
    }
}

#[test]
fn rule_heads_names_and_sizes() {
    let check = |text: &str| {
        let mut found = Vec::new();
        check_head(&Source::new("f.rs", text), &mut found);
        found.len()
    };
    assert_eq!(check("//! The table of all connections of a shard.\n"), 0);
    assert_eq!(check("//! Things.\n"), 1);
    assert_eq!(check("use x::y;\n//! late\n"), 1);

    let mut found = Vec::new();
    check_name("src/engine/utils.rs", &mut found);
    check_name("src/common/mod.rs", &mut found);
    check_name("src/engine/uncommon.rs", &mut found);
    assert_eq!(found.len(), 2);

    let mut found = Vec::new();
    check_size(&Source::new("f.rs", &"\n".repeat(MAX_LINES)), &mut found);
    check_size(
        &Source::new("g.rs", &"\n".repeat(MAX_LINES + 1)),
        &mut found,
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn rule_hot_path_reads_product_code_only() {
    let check = |text: &str| {
        let mut found = Vec::new();
        check_hot_path(&Source::new("f.rs", text), &mut found);
        found
    };
    assert_eq!(
        check("//! HOT PATH: x\nlet s = \"format!\"; // x.to_string()"),
        [""; 0]
    );
    assert_eq!(
        check("//! HOT PATH: x\n\nlet s = format!(\"x\");"),
        ["f.rs:3: `format!` on the hot path"]
    );
    assert_eq!(check("//! cold\nlet s = format!(\"x\");"), [""; 0]);
    assert_eq!(
        check("//! HOT PATH: x\n#[cfg(test)]\nmod tests { fn f() { format!(\"\") } }"),
        [""; 0]
    );
}

#[test]
fn rule_sleep_is_for_polling_files() {
    let check = |path: &str, test: bool, text: &str| {
        let mut found = Vec::new();
        let module = Module {
            source: Source::new(path, text),
            name: Vec::new(),
            test,
        };
        check_sleep(&module, &mut found);
        found.len()
    };
    let nap = "fn f() { std::thread::sleep(x) }";
    assert_eq!(check("tests/a/b.rs", true, nap), 1);
    assert_eq!(check("tests/a/wait.rs", true, nap), 0);
    assert_eq!(check("tests/support/broker.rs", true, nap), 0);
    assert_eq!(check("src/cli/publish.rs", false, nap), 0);
    assert_eq!(
        check(
            "src/cli/publish.rs",
            false,
            &format!("#[cfg(test)] mod t {{ {nap} }}")
        ),
        1
    );
}
