//! Counts: every numbered statement of both specifications is proved by a test or left out with a reason.
//!
//! Owns the list of the numbers (chapter and how many there are in it). Reads the statements that stand
//! as comments in `v5/` and `v3/`, and the tables of `tests/README.md`; looks at no broker.
//! `cargo test --test conformance coverage -- --nocapture` prints the counts that the page names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Chapter, first and last number of its statements (appendix B of 5.0).
const V5: &[(&str, u32, u32)] = &[
    ("1.5.4", 1, 3),
    ("1.5.5", 1, 1),
    ("1.5.7", 1, 1),
    ("2.1.3", 1, 1),
    ("2.2.1", 2, 6),
    ("2.2.2", 1, 1),
    ("3.1.0", 1, 2),
    ("3.1.2", 1, 30),
    ("3.1.3", 1, 12),
    ("3.1.4", 1, 6),
    ("3.2.0", 1, 2),
    ("3.2.2", 1, 22),
    ("3.3.1", 1, 13),
    ("3.3.2", 1, 20),
    ("3.3.4", 1, 10),
    ("3.4.2", 1, 3),
    ("3.5.2", 1, 3),
    ("3.6.1", 1, 1),
    ("3.6.2", 1, 3),
    ("3.7.2", 1, 3),
    ("3.8.1", 1, 1),
    ("3.8.3", 1, 5),
    ("3.8.4", 1, 8),
    ("3.9.2", 1, 2),
    ("3.9.3", 1, 2),
    ("3.10.1", 1, 1),
    ("3.10.3", 1, 2),
    ("3.10.4", 1, 6),
    ("3.11.2", 1, 2),
    ("3.11.3", 1, 2),
    ("3.12.4", 1, 1),
    ("3.14.0", 1, 1),
    ("3.14.1", 1, 1),
    ("3.14.2", 1, 4),
    ("3.14.4", 1, 3),
    ("3.15.1", 1, 1),
    ("3.15.2", 1, 3),
    ("4.1.0", 1, 2),
    ("4.2.0", 1, 1),
    ("4.3.1", 1, 1),
    ("4.3.2", 1, 5),
    ("4.3.3", 1, 13),
    ("4.4.0", 1, 2),
    ("4.5.0", 1, 2),
    ("4.6.0", 1, 6),
    ("4.7.0", 1, 1),
    ("4.7.1", 1, 2),
    ("4.7.2", 1, 1),
    ("4.7.3", 1, 4),
    ("4.8.2", 1, 6),
    ("4.9.0", 1, 3),
    ("4.12.0", 1, 7),
    ("4.12.1", 1, 2),
    ("4.13.1", 1, 1),
    ("4.13.2", 1, 1),
    ("6.0.0", 1, 4),
];

/// The same for 3.1.1.
const V311: &[(&str, u32, u32)] = &[
    ("1.5.3", 1, 3),
    ("2.2.2", 1, 2),
    ("2.3.1", 1, 7),
    ("3.1.0", 1, 2),
    ("3.1.2", 1, 24),
    ("3.1.3", 1, 11),
    ("3.1.4", 1, 5),
    ("3.2.0", 1, 1),
    ("3.2.2", 1, 6),
    ("3.3.1", 1, 12),
    ("3.3.2", 1, 3),
    ("3.3.4", 1, 1),
    ("3.3.5", 1, 2),
    ("3.6.1", 1, 1),
    ("3.8.1", 1, 1),
    ("3.8.3", 1, 4),
    ("3.8.4", 1, 6),
    ("3.9.3", 1, 2),
    ("3.10.1", 1, 1),
    ("3.10.3", 1, 2),
    ("3.10.4", 1, 6),
    ("3.12.4", 1, 1),
    ("3.14.1", 1, 1),
    ("3.14.4", 1, 3),
    ("4.1.0", 1, 2),
    ("4.3.1", 1, 1),
    ("4.3.2", 1, 2),
    ("4.3.3", 1, 2),
    ("4.4.0", 1, 1),
    ("4.5.0", 1, 2),
    ("4.6.0", 1, 6),
    ("4.7.1", 1, 3),
    ("4.7.2", 1, 1),
    ("4.7.3", 1, 4),
    ("4.8.0", 1, 2),
    ("6.0.0", 1, 4),
    ("7.0.0", 1, 2),
    ("7.1.1", 1, 1),
    ("7.1.2", 1, 1),
];

fn tests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn all(chapters: &[(&str, u32, u32)]) -> BTreeSet<String> {
    chapters
        .iter()
        .flat_map(|(chapter, first, last)| {
            (*first..=*last).map(move |number| format!("MQTT-{chapter}-{number}"))
        })
        .collect()
}

/// The statements named in a line: digits, dots and hyphens after `MQTT-`.
fn named(line: &str) -> impl Iterator<Item = String> + '_ {
    line.match_indices("MQTT-").map(move |(start, _)| {
        let tail = &line[start + 5..];
        let end = tail.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
        format!("MQTT-{}", &tail[..end.unwrap_or(tail.len())])
    })
}

/// What stands as a comment above the functions of a folder.
fn proved(folder: &str) -> BTreeSet<String> {
    let folder = tests_folder().join("conformance").join(folder);
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let text = read(&entry.expect("a readable folder").path());
        let comments = text.lines().filter(|line| line.starts_with("// [MQTT-"));
        found.extend(comments.flat_map(named));
    }
    found
}

/// What the tables under this heading of the page leave out.
fn left_out(heading: &str) -> BTreeSet<String> {
    let page = read(&tests_folder().join("README.md"));
    page.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| MQTT-"))
        .flat_map(|line| named(line.split('|').nth(1).unwrap_or_default()))
        .collect()
}

fn count(name: &str, chapters: &[(&str, u32, u32)], folder: &str, heading: &str) {
    let (all, proved, left_out) = (all(chapters), proved(folder), left_out(heading));
    let unknown: Vec<_> = proved
        .union(&left_out)
        .filter(|each| !all.contains(*each))
        .collect();
    assert!(
        unknown.is_empty(),
        "{name} has no such statements: {unknown:?}"
    );
    let both: Vec<_> = proved.intersection(&left_out).collect();
    assert!(
        both.is_empty(),
        "{name}: both proved and left out: {both:?}"
    );
    let neither: Vec<_> = all
        .iter()
        .filter(|each| !proved.contains(*each) && !left_out.contains(*each))
        .collect();
    assert!(
        neither.is_empty(),
        "{name}: neither proved nor left out: {neither:?}"
    );
    println!(
        "{name}: {} statements, {} proved, {} left out",
        all.len(),
        proved.len(),
        left_out.len()
    );
}

#[test]
fn every_statement_of_5_0_is_proved_or_left_out_with_a_reason() {
    count("5.0", V5, "v5", "### Of 5.0");
}

#[test]
fn every_statement_of_3_1_1_is_proved_or_left_out_with_a_reason() {
    count("3.1.1", V311, "v3", "### Of 3.1.1");
}
