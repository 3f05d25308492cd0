//! A Rust file as the tidy rules read it: code apart from comments, literals and tests.
//!
//! Owns the text of one file and two blanked copies of it with the same byte
//! offsets, so that a hit in either has the line number of the file. A small
//! scanner, not a parser: it knows literals, comments, attributes and paths, which
//! is all that the house rules ask about.

/// One source file.
pub struct Source {
    /// Path from the root of the repository, with `/`.
    pub path: String,
    /// The file as it is.
    pub raw: String,
    /// Comments and the insides of literals are blanks.
    pub code: String,
    /// Like `code`, and what stands under `#[cfg(test)]` is blank as well.
    pub product: String,
}

/// A path of two or more segments (`crate::ids::ShardId`), groups of `use` spelled out.
#[derive(Debug, PartialEq, Eq)]
pub struct PathUse {
    pub line: usize,
    pub segments: Vec<String>,
}

impl PathUse {
    /// Is the path `prefix` (written with `::`) or something below it?
    pub fn starts_with(&self, prefix: &str) -> bool {
        let mut own = self.segments.iter();
        prefix
            .split("::")
            .all(|wanted| own.next().is_some_and(|segment| segment == wanted))
    }

    pub fn text(&self) -> String {
        self.segments.join("::")
    }
}

impl Source {
    pub fn new(path: &str, raw: &str) -> Self {
        let code = blank_comments_and_literals(raw);
        let product = blank_tests(&code);
        Self {
            path: path.to_owned(),
            raw: raw.to_owned(),
            code,
            product,
        }
    }

    /// The `//!` lines that the file opens with, without the marker.
    pub fn head(&self) -> String {
        let head: Vec<&str> = self
            .raw
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(str::trim)
            .collect();
        head.join("\n")
    }

    pub fn lines(&self) -> usize {
        self.raw.lines().count()
    }
}

/// The line, counted from one, that holds the byte at `offset`.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// Lines on which `needle` occurs.
pub fn lines_with(text: &str, needle: &str) -> Vec<usize> {
    text.match_indices(needle)
        .map(|(offset, _)| line_of(text, offset))
        .collect()
}

/// Lines on which `word` stands as a whole identifier.
pub fn lines_with_word(text: &str, word: &str) -> Vec<usize> {
    tokens(text)
        .into_iter()
        .filter(|token| token.text == word)
        .map(|token| line_of(text, token.offset))
        .collect()
}

/// Replaces bytes by blanks; newlines stay, so that offsets and lines do too.
fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

fn blank_comments_and_literals(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = if rest.starts_with(b"//") {
            at + rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            at + block_comment(rest)
        } else if rest[0] == b'"' {
            at + quoted(rest)
        } else if rest[0] == b'\'' {
            at + character(raw, at)
        } else if is_word(rest[0]) {
            let word = rest
                .iter()
                .position(|byte| !is_word(*byte))
                .unwrap_or(rest.len());
            match raw_string(rest, word) {
                Some(length) => at + length,
                None => {
                    at += word;
                    continue;
                }
            }
        } else {
            at += 1;
            continue;
        };
        blank(&mut out[at..end]);
        at = end;
    }
    String::from_utf8(out).expect("whole characters are blanked")
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_u32);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of a literal that starts at its opening `"`.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a character literal, or 1 where the quote belongs to a lifetime.
fn character(raw: &str, at: usize) -> usize {
    let mut following = raw[at + 1..].char_indices();
    match following.next() {
        Some((_, '\\')) => {
            // The escaped character itself may be a quote: look behind it.
            raw[at + 3..].find('\'').map_or(1, |close| close + 4)
        }
        Some((_, _)) => match following.next() {
            Some((offset, '\'')) => offset + 2,
            _ => 1,
        },
        None => 1,
    }
}

/// Length of a raw string whose prefix is the word (`r`, `br`, `cr`) at the start of `rest`.
fn raw_string(rest: &[u8], word: usize) -> Option<usize> {
    if !matches!(&rest[..word], b"r" | b"br" | b"cr") {
        return None;
    }
    let hashes = rest[word..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    let open = word + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = &rest[open + 1..];
    let end = body.windows(close.len()).position(|window| window == close);
    Some(end.map_or(rest.len(), |end| open + 1 + end + close.len()))
}

/// Blanks every item under `#[cfg(test)]`, attribute included.
fn blank_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for attribute in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (start, _) in code.match_indices(attribute) {
            let end = item_end(code.as_bytes(), start);
            blank(&mut out[start..end]);
        }
    }
    String::from_utf8(out).expect("only ASCII borders are cut")
}

/// The end of the item whose first attribute opens at `start`: its `;` or closing brace.
fn item_end(code: &[u8], start: usize) -> usize {
    let mut at = start;
    let (mut braces, mut brackets) = (0_i32, 0_i32);
    while at < code.len() {
        match code[at] {
            b'[' | b'(' => brackets += 1,
            b']' | b')' => brackets -= 1,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces == 0 {
                    return at + 1;
                }
            }
            b';' if braces == 0 && brackets == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    code.len()
}

/// An identifier, a `::`, or a single other character.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub text: &'a str,
    pub offset: usize,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = if is_word(bytes[at]) {
            bytes[at..]
                .iter()
                .take_while(|byte| is_word(**byte))
                .count()
        } else if bytes[at..].starts_with(b"::") {
            2
        } else {
            1
        };
        if !bytes[at].is_ascii_whitespace() {
            found.push(Token {
                text: &code[at..at + length],
                offset: at,
            });
        }
        at += length;
    }
    found
}

/// Words that may stand before a path with a leading `::` and are no part of it.
const KEYWORDS: &[&str] = &[
    "as", "dyn", "for", "impl", "in", "mut", "return", "use", "where",
];

/// Every path of two or more segments in `code`.
pub fn paths(code: &str) -> Vec<PathUse> {
    let tokens = tokens(code);
    let mut scan = PathScan {
        code,
        tokens: &tokens,
        at: 0,
        found: Vec::new(),
    };
    while scan.at < tokens.len() {
        let text = tokens[scan.at].text;
        if is_word(text.as_bytes()[0]) && !KEYWORDS.contains(&text) {
            scan.tree(&mut Vec::new());
        } else {
            scan.at += 1;
        }
    }
    scan.found
}

struct PathScan<'a> {
    code: &'a str,
    tokens: &'a [Token<'a>],
    at: usize,
    found: Vec<PathUse>,
}

impl PathScan<'_> {
    fn text(&self) -> &str {
        self.tokens.get(self.at).map_or("", |token| token.text)
    }

    /// Reads one path or one branch of a group; stands behind it afterwards.
    fn tree(&mut self, prefix: &mut Vec<String>) {
        let depth = prefix.len();
        let offset = self.tokens[self.at].offset;
        loop {
            prefix.push(self.text().to_owned());
            self.at += 1;
            if self.text() != "::" {
                break;
            }
            self.at += 1;
            let next = self.text();
            if next == "{" {
                self.at += 1;
                self.group(prefix);
                prefix.truncate(depth);
                return;
            }
            if next != "*" && !next.bytes().next().is_some_and(is_word) {
                break;
            }
        }
        if prefix.len() > 1 {
            let line = line_of(self.code, offset);
            self.found.push(PathUse {
                line,
                segments: prefix.clone(),
            });
        }
        prefix.truncate(depth);
    }

    /// Reads the branches of a `{..}` group behind its opening brace.
    fn group(&mut self, prefix: &mut Vec<String>) {
        while self.at < self.tokens.len() {
            match self.text() {
                "}" => {
                    self.at += 1;
                    return;
                }
                "as" => self.at += 2, // the new name is no path
                text if text == "*" || text.bytes().next().is_some_and(is_word) => {
                    self.tree(prefix);
                }
                _ => self.at += 1,
            }
        }
    }
}

#[test]
fn comments_and_literals_are_no_code() {
    let raw =
        "a /* x /* y */ z */ b // tail\n\"q \\\" \" c r#\"raw \" x\"# 'x' '\\'' &'life d b\"y\"";
    let code = blank_comments_and_literals(raw);
    assert_eq!(code.len(), raw.len());
    let words: Vec<&str> = tokens(&code).iter().map(|token| token.text).collect();
    assert_eq!(words, ["a", "b", "c", "&", "life", "d", "b"]);
}

#[test]
fn what_stands_under_cfg_test_is_no_product() {
    let raw = "use a::b;\n#[cfg(test)]\n#[expect(x)]\nmod tests { fn f() { g::h() } }\n\
               #[cfg(test)]\nmod more;\nuse c::d;";
    let source = Source::new("x.rs", raw);
    let found: Vec<String> = paths(&source.product).iter().map(PathUse::text).collect();
    assert_eq!(found, ["a::b", "c::d"]);
}

#[test]
fn groups_of_imports_are_spelled_out() {
    let code = "use crate::{ids::{ShardId, ConnectionId as C}, time};\n\
                let x = std::net::Ipv4Addr::new::<u8>();\nuse ::tokio::*;";
    let found: Vec<(usize, String)> = paths(code)
        .into_iter()
        .map(|path| (path.line, path.text()))
        .collect();
    let expected = [
        (1, "crate::ids::ShardId"),
        (1, "crate::ids::ConnectionId"),
        (1, "crate::time"),
        (2, "std::net::Ipv4Addr::new"),
        (3, "tokio::*"),
    ];
    assert_eq!(found, expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn a_path_starts_with_whole_segments_only() {
    let path = &paths("std::network::X")[0];
    assert!(path.starts_with("std"));
    assert!(!path.starts_with("std::net"));
}
