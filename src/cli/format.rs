//! `sub -F`: mosquitto_sub's output format, byte for byte.
//!
//! Owns the parsed format of one command. Parsed once; printing walks its pieces
//! and appends to a buffer. Never writes to a descriptor.

use super::failure::Failure;
use super::json::JsonWriter;
use super::wall_clock::WallTime;
use crate::client::Message;
use crate::protocol::PublishProperties;

/// A parsed format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
    pretty: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Literal(Vec<u8>),
    /// `%`: something about the message.
    Field {
        name: char,
        layout: Layout,
    },
    /// `@`: one conversion of strftime(3), with its `%`.
    Time(String),
    /// `@N`.
    Nanoseconds,
}

/// Flags, width and precision of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Layout {
    left: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widths and precisions beyond this are mistakes, and would be memory.
const WIDTH_MAX: usize = 10_000;

/// The letters that may follow a `%`.
const FIELDS: &str = "%ACDEFIJPRSUXjlmpqrtx";

impl Format {
    /// Reads a format; `pretty` is for the JSON of `%j` and `%J`.
    pub(crate) fn parse(text: &str, pretty: bool) -> Result<Self, Failure> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text.chars().peekable();
        let incomplete = || Failure::usage("Incomplete format specifier.");
        while let Some(start) = rest.next() {
            let piece = match start {
                '%' => {
                    let layout = parse_layout(&mut rest)?;
                    match rest.next().ok_or_else(incomplete)? {
                        '%' => {
                            literal.push(b'%');
                            continue;
                        }
                        name if FIELDS.contains(name) => Piece::Field { name, layout },
                        other => {
                            return Err(Failure::usage(format_args!(
                                "Invalid format specifier '{other}'."
                            )));
                        }
                    }
                }
                '@' => match rest.next().ok_or_else(incomplete)? {
                    '@' => {
                        literal.push(b'@');
                        continue;
                    }
                    'N' => Piece::Nanoseconds,
                    other => Piece::Time(format!("%{other}")),
                },
                '\\' => {
                    literal.push(parse_escape(rest.next().ok_or_else(incomplete)?)?);
                    continue;
                }
                other => {
                    literal.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces, pretty })
    }

    /// Appends the message; a complaint where `%J` meets a payload that is no JSON.
    pub(crate) fn append(
        &self,
        message: &Message<'_>,
        time: &WallTime,
        output: &mut Vec<u8>,
    ) -> Result<(), String> {
        let mut result = Ok(());
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => output.extend_from_slice(bytes),
                Piece::Time(conversion) => time.append(conversion, output),
                Piece::Nanoseconds => {
                    output.extend_from_slice(format!("{:09}", time.nanoseconds).as_bytes());
                }
                Piece::Field { name: 'J', .. } => {
                    let start = output.len();
                    if !append_json(message, time, Payload::Json, self.pretty, output) {
                        output.truncate(start);
                        result = Err(format!(
                            "Error: Message payload is not valid JSON on topic {}.",
                            &*message.topic
                        ));
                    }
                }
                Piece::Field { name: 'j', .. } => {
                    append_json(message, time, Payload::Text, self.pretty, output);
                }
                Piece::Field { name, layout } => {
                    append_field(*name, *layout, message, time, output);
                }
            }
        }
        result
    }
}

fn parse_layout(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Layout, Failure> {
    let mut layout = Layout::default();
    while let Some(flag) = rest.next_if(|&next| next == '-' || next == '0') {
        match flag {
            '-' => layout.left = true,
            _ => layout.zero = true,
        }
    }
    layout.width = parse_number(rest)?.unwrap_or(0);
    if rest.next_if_eq(&'.').is_some() {
        layout.precision = Some(parse_number(rest)?.unwrap_or(0));
    }
    Ok(layout)
}

fn parse_number(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
) -> Result<Option<usize>, Failure> {
    let mut number = None;
    while let Some(digit) = rest.peek().and_then(|next| next.to_digit(10)) {
        rest.next();
        let value = number.unwrap_or(0) * 10 + digit as usize;
        if value > WIDTH_MAX {
            return Err(Failure::usage(format_args!(
                "A width in a format is larger than {WIDTH_MAX}."
            )));
        }
        number = Some(value);
    }
    Ok(number)
}

fn parse_escape(name: char) -> Result<u8, Failure> {
    Ok(match name {
        '\\' => b'\\',
        '0' => 0x00,
        'a' => 0x07,
        'e' => 0x1B,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0B,
        other => {
            return Err(Failure::usage(format_args!(
                "Invalid escape specifier '{other}'."
            )));
        }
    })
}

fn append_field(
    name: char,
    layout: Layout,
    message: &Message<'_>,
    time: &WallTime,
    output: &mut Vec<u8>,
) {
    let publish = &message.publish;
    let properties = &publish.properties;
    match name {
        'A' => layout.integer(
            properties.topic_alias.map(|alias| alias.get().into()),
            output,
        ),
        'C' => layout.text(Some(properties.content_type.unwrap_or_default()), output),
        'D' => output.extend_from_slice(properties.correlation_data.unwrap_or_default()),
        'E' => layout.integer(properties.message_expiry_interval, output),
        'F' => layout.integer(properties.payload_format_utf8.map(u32::from), output),
        'I' => {
            let mut text = Vec::new();
            time.append("%FT%T%z", &mut text);
            layout.text(std::str::from_utf8(&text).ok(), output);
        }
        'l' => layout.integer(u32::try_from(publish.payload.len()).ok(), output),
        'm' => {
            layout.integer(
                Some(publish.packet_id.map_or(0, |id| id.get().into())),
                output,
            );
        }
        'P' => append_user_properties(properties, output),
        'p' => layout.payload(publish.payload, None, output),
        'q' => output.push(b'0' + publish.qos as u8),
        'R' => {
            if let Some(topic) = properties.response_topic {
                layout.text(Some(topic), output);
            }
        }
        'r' => output.push(b'0' + u8::from(publish.retain)),
        'S' => layout.integer(properties.subscription_ids.iter().next(), output),
        't' => layout.text(Some(&message.topic), output),
        'U' => {
            output.extend_from_slice(format!("{}.{:09}", time.seconds, time.nanoseconds).as_bytes())
        }
        'x' => layout.payload(publish.payload, Some(b"0123456789abcdef"), output),
        'X' => layout.payload(publish.payload, Some(b"0123456789ABCDEF"), output),
        _ => debug_assert!(false, "the parser lets no other letter through: {name}"),
    }
}

fn append_user_properties(properties: &PublishProperties<'_>, output: &mut Vec<u8>) {
    for (place, (name, value)) in properties.user_properties.iter().enumerate() {
        if place > 0 {
            output.push(b' ');
        }
        output.extend_from_slice(name.as_bytes());
        output.push(b':');
        output.extend_from_slice(value.as_bytes());
    }
}

impl Layout {
    fn fill(self) -> u8 {
        if self.zero { b'0' } else { b' ' }
    }

    fn pad(size: usize, fill: u8, output: &mut Vec<u8>) {
        output.resize(output.len() + size, fill);
    }

    /// A number; one that is not there is as wide as one that is.
    fn integer(self, value: Option<u32>, output: &mut Vec<u8>) {
        let Some(value) = value else {
            return Self::pad(self.width, self.fill(), output);
        };
        let text = value.to_string();
        let missing = self.width.saturating_sub(text.len());
        if self.left {
            output.extend_from_slice(text.as_bytes());
            Self::pad(missing, b' ', output);
        } else {
            Self::pad(missing, self.fill(), output);
            output.extend_from_slice(text.as_bytes());
        }
    }

    /// A text; widths count bytes, as printf(3) does.
    fn text(self, value: Option<&str>, output: &mut Vec<u8>) {
        let bytes = value.unwrap_or_default().as_bytes();
        let bytes = &bytes[..bytes.len().min(self.precision.unwrap_or(usize::MAX))];
        let missing = self.width.saturating_sub(bytes.len());
        if !self.left {
            Self::pad(missing, b' ', output);
        }
        output.extend_from_slice(bytes);
        if self.left {
            Self::pad(missing, b' ', output);
        }
    }

    /// The payload, raw or in hexadecimal digits. With a width, mosquitto_sub
    /// prints exactly that many characters: it cuts the payload to the width first
    /// and halves what is left for two digits a byte; so does this.
    fn payload(self, payload: &[u8], digits: Option<&[u8; 16]>, output: &mut Vec<u8>) {
        let mut shown = payload.len();
        let mut missing = 0;
        if self.width > 0 {
            shown = shown.min(self.width);
            if digits.is_some() {
                shown /= 2;
                missing = self.width - shown * 2;
            } else {
                missing = self.width - shown;
            }
        }
        if !self.left {
            Self::pad(missing, self.fill(), output);
        }
        match digits {
            None => output.extend_from_slice(&payload[..shown]),
            Some(digits) => {
                for byte in &payload[..shown] {
                    output.push(digits[usize::from(byte >> 4)]);
                    output.push(digits[usize::from(byte & 0x0F)]);
                }
            }
        }
        if self.left {
            Self::pad(missing, b' ', output);
        }
    }
}

/// How a payload stands in the JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Payload {
    Text,
    Json,
}

/// Appends `%j` or `%J`; false, with part of it appended, where the payload
/// should be JSON and is not.
fn append_json(
    message: &Message<'_>,
    time: &WallTime,
    payload: Payload,
    pretty: bool,
    output: &mut Vec<u8>,
) -> bool {
    let publish = &message.publish;
    let mut instant = Vec::new();
    time.append("%Y-%m-%dT%H:%M:%S.", &mut instant);
    instant.extend_from_slice(format!("{:06}Z", time.nanoseconds / 1000).as_bytes());
    time.append("%z", &mut instant);
    let mut json = JsonWriter::new(output, pretty);
    json.begin_object();
    json.key("tst");
    json.string(&instant);
    json.key("topic");
    json.string(message.topic.as_bytes());
    json.key("qos");
    json.number(publish.qos as u32);
    json.key("retain");
    json.number(publish.retain.into());
    json.key("payloadlen");
    json.number(u32::try_from(publish.payload.len()).unwrap_or(u32::MAX));
    if let Some(packet_id) = publish.packet_id {
        json.key("mid");
        json.number(packet_id.get().into());
    }
    append_json_properties(&publish.properties, &mut json);
    json.key("payload");
    let valid = match payload {
        _ if publish.payload.is_empty() => {
            json.null();
            true
        }
        Payload::Text => {
            json.string(publish.payload);
            true
        }
        Payload::Json => json.embed(publish.payload),
    };
    if valid {
        json.end_object();
    }
    valid
}

fn append_json_properties(properties: &PublishProperties<'_>, json: &mut JsonWriter<'_>) {
    let numbers = [
        (
            "payload-format-indicator",
            properties.payload_format_utf8.map(u32::from),
        ),
        (
            "message-expiry-interval",
            properties.message_expiry_interval,
        ),
        (
            "topic-alias",
            properties.topic_alias.map(|alias| alias.get().into()),
        ),
    ];
    let texts = [
        ("content-type", properties.content_type.map(str::as_bytes)),
        (
            "response-topic",
            properties.response_topic.map(str::as_bytes),
        ),
        ("correlation-data", properties.correlation_data),
    ];
    let any = numbers.iter().any(|(_, value)| value.is_some())
        || texts.iter().any(|(_, value)| value.is_some())
        || !properties.subscription_ids.is_empty()
        || !properties.user_properties.is_empty();
    if !any {
        return;
    }
    json.key("properties");
    json.begin_object();
    if !properties.user_properties.is_empty() {
        json.key("user-properties");
        json.begin_object();
        for (name, value) in properties.user_properties.iter() {
            json.key(name);
            json.string(value.as_bytes());
        }
        json.end_object();
    }
    for (name, value) in texts {
        if let Some(value) = value {
            json.key(name);
            json.string(value);
        }
    }
    for (name, value) in numbers {
        if let Some(value) = value {
            json.key(name);
            json.number(value);
        }
    }
    for id in properties.subscription_ids.iter() {
        json.key("subscription-identifier");
        json.number(id);
    }
    json.end_object();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Topic;
    use crate::protocol::{PacketId, Publish, QoS};

    fn print(format: &str, payload: &[u8]) -> String {
        let properties = PublishProperties {
            content_type: Some("ct"),
            message_expiry_interval: Some(100),
            ..PublishProperties::default()
        };
        let publish = Publish {
            qos: QoS::ExactlyOnce,
            topic: "a",
            packet_id: PacketId::new(1),
            properties,
            payload,
            ..Publish::default()
        };
        let message = Message {
            topic: Topic::Named("a"),
            publish,
        };
        let format = Format::parse(format, false).expect("a good format");
        let mut output = Vec::new();
        let result = format.append(&message, &WallTime::now(), &mut output);
        result
            .err()
            .unwrap_or_else(|| String::from_utf8_lossy(&output).into_owned())
    }

    /// What mosquitto_sub 2.0.11 printed for the same message.
    #[test]
    fn fields_look_like_mosquittos() {
        let format = "%%|%A|%C|%E|%F|%l|%m|%p|%q|%R|%r|%S|%t|%x|%X|%10t|%-10t|%010l|%-10l|%.2t|%5p|%3p|%010x|%3x|%5C|%05E|%-5p|%08p";
        let expected = "%||ct|100||7|1|h\u{e9}\"\\\tx|2||0||a|68c3a9225c0978|68C3A9225C0978|         a|a         |0000000007|7         |a|h\u{e9}\"\\|h\u{e9}|000068c3a9| 68|   ct|00100|h\u{e9}\"\\|0h\u{e9}\"\\\tx";
        assert_eq!(print(format, "h\u{e9}\"\\\tx".as_bytes()), expected);
        let expected = "0||   |0000000000|   |     |00000000";
        assert_eq!(print("%l|%p|%3p|%010x|%3x|%-5p|%08p", b""), expected);
    }

    #[test]
    fn escapes_and_times_are_replaced() {
        assert_eq!(
            print("\\\\\\0\\a\\e\\n\\r\\t\\v@@é", b""),
            "\\\0\u{7}\u{1b}\n\r\t\u{b}@é"
        );
        let year = print("@Y", b"");
        assert!(year.parse::<u32>().expect("a number") >= 2024, "{year}");
        assert_eq!(print("@N", b"").len(), 9);
    }

    #[test]
    fn json_holds_the_payload_as_text_or_as_json() {
        let tail = |text: String| {
            text.split_once(",\"topic\"")
                .map(|(_, tail)| tail.to_owned())
        };
        let expected = ":\"a\",\"qos\":2,\"retain\":0,\"payloadlen\":7,\"mid\":1,\"properties\":{\"content-type\":\"ct\",\"message-expiry-interval\":100},\"payload\":";
        let text = tail(print("%j", b"{\"a\":1}")).expect("JSON");
        assert_eq!(text, format!("{expected}\"{{\\\"a\\\":1}}\"}}"));
        let text = tail(print("%J", b"{\"a\":1}")).expect("JSON");
        assert_eq!(text, format!("{expected}{{\"a\":1}}}}"));
        let complaint = "Error: Message payload is not valid JSON on topic a.";
        assert_eq!(print("%J", b"no json"), complaint);
    }

    #[test]
    fn a_bad_format_is_refused_with_its_reason() {
        for (format, reason) in [
            ("%", "Incomplete"),
            ("%-0", "Incomplete"),
            ("@", "Incomplete"),
            ("\\", "Incomplete"),
            ("%k", "'k'"),
            ("\\q", "'q'"),
            ("%99999999999999999999t", "width"),
        ] {
            let failure = Format::parse(format, false).expect_err("a bad format");
            assert!(
                failure.message.contains(reason),
                "{format}: {}",
                failure.message
            );
        }
    }
}
