//! The module trees of the workspace: which file is which module of which crate.
//!
//! Owns the walk from each crate root along `mod name;` (with `#[path]` and
//! inline modules), and therefore knows the files that nothing reaches. Reads
//! files, never judges them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{Source, tokens};

/// A file of the workspace as a module.
pub struct Module {
    pub source: Source,
    /// Names from the crate root to this module; empty for the root itself.
    pub name: Vec<String>,
    /// Is it compiled for tests alone (`#[cfg(test)] mod tests;`, or below `tests/`)?
    pub test: bool,
}

/// One `mod name;` as written.
#[derive(Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Inline modules around it, outermost first.
    pub inside: Vec<String>,
    pub name: String,
    /// The value of `#[path = ".."]`.
    pub path: Option<String>,
    pub test: bool,
}

/// Every `.rs` file below `root` that belongs to the repository, and which of them a crate reaches.
pub struct Tree {
    pub reached: BTreeMap<String, Module>,
    pub dead: Vec<String>,
}

impl Tree {
    pub fn read(root: &Path) -> Self {
        let (mut sources, mut manifests) = (Vec::new(), Vec::new());
        list(root, &mut sources, &mut manifests);
        let mut reached = BTreeMap::new();
        for crate_root in manifests.iter().flat_map(|manifest| crate_roots(manifest)) {
            let below_tests = relative(root, &crate_root)
                .split('/')
                .any(|part| part == "tests");
            walk(
                root,
                &crate_root,
                true,
                Vec::new(),
                below_tests,
                &mut reached,
            );
        }
        let dead = sources
            .iter()
            .map(|path| relative(root, path))
            .filter(|path| !reached.contains_key(path))
            .collect();
        Self { reached, dead }
    }
}

pub fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

fn list(folder: &Path, sources: &mut Vec<PathBuf>, manifests: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut entries: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            list(&path, sources, manifests);
        } else if name == "Cargo.toml" {
            manifests.push(path);
        } else if name.ends_with(".rs") {
            sources.push(path);
        }
    }
}

/// What Cargo would compile for this manifest: the usual places and every `path = "x.rs"`.
fn crate_roots(manifest: &Path) -> Vec<PathBuf> {
    let folder = manifest.parent().expect("a manifest lies in a folder");
    let mut roots: Vec<PathBuf> = ["src/lib.rs", "src/main.rs", "build.rs"]
        .iter()
        .map(|path| folder.join(path))
        .collect();
    for place in ["src/bin", "tests", "benches", "examples"] {
        let Ok(entries) = fs::read_dir(folder.join(place)) else {
            continue;
        };
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            // A folder of files with a manifest of its own is another package.
            if path.is_dir() && !path.join("Cargo.toml").exists() {
                roots.push(path.join("main.rs"));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                roots.push(path);
            }
        }
    }
    let text = fs::read_to_string(manifest).unwrap_or_default();
    let named = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("path"));
    let named = named.filter_map(|rest| rest.trim().strip_prefix('='));
    let named = named.map(|value| value.trim().trim_matches('"'));
    roots.extend(
        named
            .filter(|path| path.ends_with(".rs"))
            .map(|path| folder.join(path)),
    );
    roots.retain(|path| path.is_file());
    roots
}

fn walk(
    root: &Path,
    file: &Path,
    owns_folder: bool,
    name: Vec<String>,
    test: bool,
    reached: &mut BTreeMap<String, Module>,
) {
    let path = relative(root, file);
    let known_as_product = reached
        .get(&path)
        .is_some_and(|module| !module.test || test);
    if known_as_product {
        return;
    }
    let Ok(raw) = fs::read_to_string(file) else {
        return;
    };
    let source = Source::new(&path, &raw);
    let folder = file.parent().expect("a file lies in a folder");
    let own_folder = if owns_folder || file.file_name().is_some_and(|name| name == "mod.rs") {
        folder.to_path_buf()
    } else {
        file.with_extension("")
    };
    for declaration in declarations(&source) {
        let mut child = name.clone();
        child.extend(declaration.inside.iter().cloned());
        child.push(declaration.name.clone());
        let below: PathBuf = declaration.inside.iter().collect();
        let test = test || declaration.test;
        if let Some(given) = &declaration.path {
            let given = normal(&folder.join(below).join(given));
            walk(root, &given, true, child, test, reached);
        } else {
            let below = own_folder.join(below);
            let flat = below.join(format!("{}.rs", declaration.name));
            let nested = below.join(&declaration.name).join("mod.rs");
            let file = if flat.is_file() { flat } else { nested };
            walk(root, &file, false, child, test, reached);
        }
    }
    reached.insert(path, Module { source, name, test });
}

/// Takes `..` out, so that one file has one name.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            out.pop();
        } else {
            out.push(part);
        }
    }
    out
}

pub fn declarations(source: &Source) -> Vec<Declaration> {
    let tokens = tokens(&source.code);
    let mut found = Vec::new();
    let mut inside: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut item_start = 0;
    for (at, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(at + ahead).map_or("", |token| token.text);
        match token.text {
            "mod" if next(2) == "{" => inside.push((next(1).to_owned(), depth)),
            "mod" if next(2) == ";" => {
                let item = item_start..token.offset;
                let given = source.code[item.clone()]
                    .find("#[path")
                    .and_then(|attribute| {
                        source.raw[item.start + attribute..item.end]
                            .split('"')
                            .nth(1)
                    });
                found.push(Declaration {
                    inside: inside.iter().map(|(name, _)| name.clone()).collect(),
                    name: next(1).to_owned(),
                    path: given.map(str::to_owned),
                    test: !source.product[token.offset..].starts_with("mod"),
                });
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inside.last().is_some_and(|(_, outer)| *outer == depth) {
                    inside.pop();
                }
            }
            _ => {}
        }
        if matches!(token.text, ";" | "{" | "}") {
            item_start = token.offset + 1;
        }
    }
    found
}

#[test]
fn declarations_carry_path_test_and_surroundings() {
    let raw = "mod a;\n#[cfg(test)]\nmod tests;\n#[path = \"odd/place.rs\"]\npub(crate) mod b;\n\
               mod outer { fn f() {} pub mod inner; }\n// mod gone;\nmod c;";
    let found = declarations(&Source::new("x.rs", raw));
    let short: Vec<(String, &str, Option<&str>, bool)> = found
        .iter()
        .map(|d| {
            (
                d.inside.join("::"),
                d.name.as_str(),
                d.path.as_deref(),
                d.test,
            )
        })
        .collect();
    let expected = [
        (String::new(), "a", None, false),
        (String::new(), "tests", None, true),
        (String::new(), "b", Some("odd/place.rs"), false),
        ("outer".to_owned(), "inner", None, false),
        (String::new(), "c", None, false),
    ];
    assert_eq!(short, expected);
}
