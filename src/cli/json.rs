//! JSON as `sub -F %j` and `%J` print it.
//!
//! Owns a writer with mosquitto's two layouts (minimal, and indented by tabs), and
//! a check that a payload is JSON while it is laid out anew. Numbers and strings of
//! a payload stay as they came. Pure; never recurses deeper than [`DEPTH_MAX`].

/// Nesting of a payload; a deeper one counts as no JSON.
const DEPTH_MAX: usize = 128;

/// Writes one JSON text, value by value.
pub(crate) struct JsonWriter<'o> {
    output: &'o mut Vec<u8>,
    pretty: bool,
    depth: usize,
    /// Whether the current object has a member already.
    started: bool,
}

impl<'o> JsonWriter<'o> {
    pub(crate) fn new(output: &'o mut Vec<u8>, pretty: bool) -> Self {
        Self {
            output,
            pretty,
            depth: 0,
            started: false,
        }
    }

    pub(crate) fn begin_object(&mut self) {
        self.output.push(b'{');
        self.depth += 1;
        self.started = false;
    }

    pub(crate) fn end_object(&mut self) {
        self.depth -= 1;
        if self.pretty {
            self.new_line();
        }
        self.output.push(b'}');
        self.started = true;
    }

    /// The name of the next member; its value follows.
    pub(crate) fn key(&mut self, name: &str) {
        self.next_member();
        self.string(name.as_bytes());
        self.colon();
    }

    pub(crate) fn string(&mut self, text: &[u8]) {
        self.output.push(b'"');
        for &byte in text {
            match byte {
                b'"' => self.output.extend_from_slice(b"\\\""),
                b'\\' => self.output.extend_from_slice(b"\\\\"),
                0x08 => self.output.extend_from_slice(b"\\b"),
                0x0C => self.output.extend_from_slice(b"\\f"),
                b'\n' => self.output.extend_from_slice(b"\\n"),
                b'\r' => self.output.extend_from_slice(b"\\r"),
                b'\t' => self.output.extend_from_slice(b"\\t"),
                0..0x20 => self
                    .output
                    .extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.output.push(byte),
            }
        }
        self.output.push(b'"');
    }

    pub(crate) fn number(&mut self, value: u32) {
        self.output.extend_from_slice(value.to_string().as_bytes());
    }

    pub(crate) fn null(&mut self) {
        self.output.extend_from_slice(b"null");
    }

    /// A whole JSON text as a value; false, with part of it written, where
    /// `text` is no JSON.
    pub(crate) fn embed(&mut self, text: &[u8]) -> bool {
        let mut reader = Reader { rest: text };
        reader.skip_space();
        self.value(&mut reader).is_some() && {
            reader.skip_space();
            reader.rest.is_empty()
        }
    }

    fn next_member(&mut self) {
        if self.started {
            self.output.push(b',');
        }
        self.started = true;
        if self.pretty {
            self.new_line();
        }
    }

    fn colon(&mut self) {
        self.output
            .extend_from_slice(if self.pretty { b":\t" } else { b":" });
    }

    fn new_line(&mut self) {
        self.output.push(b'\n');
        self.output.resize(self.output.len() + self.depth, b'\t');
    }

    fn value(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        match *reader.rest.first()? {
            b'{' => self.object(reader),
            b'[' => self.array(reader),
            b'"' => self.copy(reader.string()?),
            b't' => self.copy(reader.word(b"true")?),
            b'f' => self.copy(reader.word(b"false")?),
            b'n' => self.copy(reader.word(b"null")?),
            _ => self.copy(reader.number()?),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the arms of a match are alike")]
    fn copy(&mut self, token: &[u8]) -> Option<()> {
        self.output.extend_from_slice(token);
        Some(())
    }

    fn object(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        if self.depth >= DEPTH_MAX {
            return None;
        }
        reader.take(b'{')?;
        self.begin_object();
        if !reader.take_if(b'}') {
            loop {
                self.next_member();
                let name = reader.string()?;
                self.output.extend_from_slice(name);
                reader.take(b':')?;
                self.colon();
                self.value(reader)?;
                // Members of a nested object do not count for this one.
                self.started = true;
                if !reader.comma_or(b'}')? {
                    break;
                }
            }
        }
        self.end_object();
        Some(())
    }

    fn array(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        if self.depth >= DEPTH_MAX {
            return None;
        }
        reader.take(b'[')?;
        self.output.push(b'[');
        self.depth += 1;
        if !reader.take_if(b']') {
            loop {
                self.value(reader)?;
                if !reader.comma_or(b']')? {
                    break;
                }
                self.output
                    .extend_from_slice(if self.pretty { b", " } else { b"," });
            }
        }
        self.depth -= 1;
        self.output.push(b']');
        Some(())
    }
}

/// Cuts a JSON text into tokens, and skips the space after each.
struct Reader<'t> {
    rest: &'t [u8],
}

impl<'t> Reader<'t> {
    fn skip_space(&mut self) {
        while let Some((b' ' | b'\t' | b'\n' | b'\r', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
    }

    fn cut(&mut self, size: usize) -> &'t [u8] {
        let (token, rest) = self.rest.split_at(size);
        self.rest = rest;
        self.skip_space();
        token
    }

    fn take_if(&mut self, byte: u8) -> bool {
        let there = self.rest.first() == Some(&byte);
        if there {
            self.cut(1);
        }
        there
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.take_if(byte).then_some(())
    }

    /// True after a comma, false after `end`.
    fn comma_or(&mut self, end: u8) -> Option<bool> {
        if self.take_if(b',') {
            Some(true)
        } else {
            self.take(end).map(|()| false)
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<&'t [u8]> {
        self.rest.starts_with(word).then(|| self.cut(word.len()))
    }

    fn string(&mut self) -> Option<&'t [u8]> {
        let mut bytes = self.rest.iter().copied().enumerate().skip(1);
        if self.rest.first() != Some(&b'"') {
            return None;
        }
        while let Some((place, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    core::str::from_utf8(&self.rest[..=place]).ok()?;
                    return Some(self.cut(place + 1));
                }
                b'\\' => match bytes.next()?.1 {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            bytes
                                .next()
                                .filter(|(_, digit)| digit.is_ascii_hexdigit())?;
                        }
                    }
                    _ => return None,
                },
                0..0x20 => return None,
                _ => {}
            }
        }
        None
    }

    fn number(&mut self) -> Option<&'t [u8]> {
        let digits = |from: usize| {
            self.rest[from..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let mut size = usize::from(self.rest.first() == Some(&b'-'));
        let whole = digits(size);
        if whole == 0 || (whole > 1 && self.rest[size] == b'0') {
            return None;
        }
        size += whole;
        if self.rest.get(size) == Some(&b'.') {
            let fraction = digits(size + 1);
            if fraction == 0 {
                return None;
            }
            size += 1 + fraction;
        }
        if let Some(b'e' | b'E') = self.rest.get(size) {
            size += 1 + usize::from(matches!(self.rest.get(size + 1), Some(b'+' | b'-')));
            let exponent = digits(size);
            if exponent == 0 {
                return None;
            }
            size += exponent;
        }
        Some(self.cut(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embed(text: &str, pretty: bool) -> Option<String> {
        let mut output = Vec::new();
        let valid = JsonWriter::new(&mut output, pretty).embed(text.as_bytes());
        valid.then(|| String::from_utf8(output).expect("JSON is UTF-8"))
    }

    #[test]
    fn json_loses_its_space_and_nothing_else() {
        let text =
            " { \"a\" : [ 1 , -2.50e+3 , { } , [ ] , true, null ] , \"é\\u00e9\\\"\":\"x y\" } ";
        let expected = "{\"a\":[1,-2.50e+3,{},[],true,null],\"é\\u00e9\\\"\":\"x y\"}";
        assert_eq!(embed(text, false).as_deref(), Some(expected));
        assert_eq!(embed("7", false).as_deref(), Some("7"));
    }

    #[test]
    fn json_is_indented_as_cjson_does() {
        let text = "{\"a\":{\"b\":[1,2]},\"c\":{}}";
        let expected = "{\n\t\"a\":\t{\n\t\t\"b\":\t[1, 2]\n\t},\n\t\"c\":\t{\n\t}\n}";
        assert_eq!(embed(text, true).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let long = "[".repeat(100_000);
        for text in [
            "",
            " ",
            "no",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "[1,]",
            "[1 2]",
            "\"",
            "\"\\x\"",
            "01",
            "1.",
            "-",
            "1e",
            "1 1",
            "{,}",
            "\"\u{1}\"",
            "\"\\u12g4\"",
            "truely",
            "nul",
            &long,
        ] {
            assert_eq!(embed(text, false), None, "{text:.20}");
        }
    }

    #[test]
    fn strings_are_escaped() {
        let mut output = Vec::new();
        JsonWriter::new(&mut output, false).string("é\"\\\n\t\u{1}".as_bytes());
        assert_eq!(output, "\"é\\\"\\\\\\n\\t\\u0001\"".as_bytes());
    }
}
