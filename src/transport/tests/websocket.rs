//! Promises of WebSocket, kept towards tungstenite and by the letter of RFC 6455.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use tungstenite::protocol::Role as ForeignRole;
use tungstenite::{Bytes, Message, WebSocket};

use super::far_end::{Delivered, feed};
use crate::peer::Peer;
use crate::transport::websocket::{Page, WebSocketSettings, push_close, push_data};
use crate::transport::{Acceptor, CloseReason, Transport, TransportError};

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: broker.example\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, mqtt\r\n\r\n";

fn accept(settings: &WebSocketSettings, peer: &str) -> Transport {
    let acceptor = Acceptor::plain().with_websocket(settings.clone());
    let peer: SocketAddr = peer.parse().expect("an address");
    acceptor.accept(Peer::from(peer)).expect("everybody may")
}

fn settings() -> WebSocketSettings {
    WebSocketSettings {
        path: Some("/mqtt".to_owned()),
        max_frame: 70_000,
        ..WebSocketSettings::default()
    }
}

/// What a request is answered with, and how the transport ends.
fn answer(settings: &WebSocketSettings, request: &str) -> (String, Result<(), TransportError>) {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut last = Ok(());
    for cut in [usize::MAX, 1, 7] {
        let mut transport = accept(settings, "192.0.2.1:5");
        let mut delivered = Delivered::default();
        last = feed(&mut transport, &mut delivered, request.as_bytes(), || cut);
        let mut wire = Vec::new();
        transport.take_output(&mut wire);
        let text = String::from_utf8(wire).expect("HTTP is ASCII");
        all.push((text, format!("{last:?}")));
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    (all.swap_remove(0).0, last)
}

fn status(settings: &WebSocketSettings, request: &str) -> u16 {
    let (text, outcome) = answer(settings, request);
    let status = text.get(9..12).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{text:?}"));
    assert_eq!(outcome.is_ok(), status == 101, "{text}");
    if status != 101 {
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        assert!(head.contains("Connection: close"), "{head}");
        let length = format!("Content-Length: {}", body.len());
        assert!(head.contains(&length) && !body.is_empty(), "{text}");
    }
    status
}

#[test]
fn a_request_by_the_book_is_upgraded() {
    let (text, outcome) = answer(&settings(), REQUEST);
    outcome.expect("upgraded");
    assert_eq!(
        text,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    let without = REQUEST.replace("Sec-WebSocket-Protocol: chat, mqtt\r\n", "");
    let (text, outcome) = answer(&settings(), &without);
    outcome.expect("upgraded");
    assert!(!text.contains("Protocol:"), "{text}");
    let old = REQUEST.replace("chat, mqtt", "mqttv3.1");
    assert!(
        answer(&settings(), &old)
            .0
            .contains("Sec-WebSocket-Protocol: mqttv3.1\r\n")
    );
}

#[test]
fn other_requests_are_told_what_is_wrong_with_them() {
    let settings = WebSocketSettings {
        origins: vec!["https://app.example".to_owned()],
        ..settings()
    };
    let with = |from: &str, to: &str| {
        assert!(REQUEST.contains(from), "{from}");
        status(&settings, &REQUEST.replace(from, to))
    };
    assert_eq!(with("Host: ", "Host: "), 101);
    assert_eq!(with("/mqtt HTTP", "/mqtt?token=x HTTP"), 101);
    assert_eq!(with("Host: ", "Origin: https://app.example\r\nHost: "), 101);
    assert_eq!(
        with("Host: ", "Origin: https://evil.example\r\nHost: "),
        403
    );
    assert_eq!(with("GET /mqtt ", "GET /other "), 404);
    assert_eq!(with("GET", "POST"), 405);
    assert_eq!(with("Upgrade: websocket\r\n", ""), 426);
    assert_eq!(with("keep-alive, Upgrade", "keep-alive"), 426);
    assert_eq!(with("Version: 13", "Version: 8"), 426);
    assert_eq!(with("Host: broker.example\r\n", ""), 400);
    assert_eq!(with("Host: ", "Host: a\r\nHost: "), 400);
    assert_eq!(with("HTTP/1.1", "HTTP/1.0"), 400);
    assert_eq!(with("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400);
    assert_eq!(with("chat, mqtt", "chat"), 400);
    assert_eq!(with("Host: ", "Content-Length: 5\r\nHost: "), 400);
    assert_eq!(with("Host: ", "Bad Name: x\r\nHost: "), 400);
    assert_eq!(status(&settings, "\x16\x03\x01\x02\0\x01\0"), 400);
    let long = format!("X-Long: {}\r\nHost: ", "a".repeat(9000));
    assert_eq!(with("Host: ", &long), 431);
    let many = "X-Field: 1\r\n".repeat(70) + "Host: ";
    assert_eq!(with("Host: ", &many), 431);
}

#[test]
fn a_browser_gets_the_page_where_there_is_one() {
    let page = Page {
        content_type: "text/html; charset=utf-8",
        body: b"<!doctype html>",
        policy: "default-src 'self'",
    };
    let with_page = WebSocketSettings {
        page: Some(page),
        ..WebSocketSettings::default()
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: b\r\n\r\n");
    let (text, outcome) = answer(&with_page, &get("/"));
    assert!(outcome.is_err_and(|error| error.is_orderly()));
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n<!doctype html>"), "{text}");
    let (text, _) = answer(&with_page, &get("/").replace("GET", "HEAD"));
    assert!(
        text.contains("Content-Length: 15") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    assert_eq!(status(&with_page, &get("/favicon.ico")), 404);
    assert_eq!(status(&with_page, &get("/mqtt")), 426);
    assert_eq!(status(&settings(), &get("/")), 404);
    assert_eq!(status(&WebSocketSettings::default(), &get("/")), 426);
}

#[test]
fn forwarded_addresses_are_believed_from_trusted_proxies_only() {
    let trusted = "10.0.0.0/8".parse().expect("a network");
    let settings = WebSocketSettings {
        forwarders: [trusted].into_iter().collect(),
        ..settings()
    };
    let seen = |peer: &str, fields: &str| {
        let mut transport = accept(&settings, peer);
        let mut delivered = Delivered::default();
        let request = REQUEST.replace("Host: ", &format!("{fields}Host: "));
        feed(&mut transport, &mut delivered, request.as_bytes(), || 50).expect("upgraded");
        let peer = delivered.established.expect("established").peer;
        peer.map(|peer| peer.to_string())
    };
    let forged = "X-Forwarded-For: 1.1.1.1, 203.0.113.9\r\n";
    assert_eq!(seen("192.0.2.1:5", forged), None);
    assert_eq!(seen("10.1.1.1:5", ""), None);
    assert_eq!(seen("10.1.1.1:5", forged).as_deref(), Some("203.0.113.9:0"));
    let chain = "X-Forwarded-For: 1.1.1.1, 2001:db8::9\r\nx-forwarded-for: 10.2.2.2\r\n";
    assert_eq!(
        seen("10.1.1.1:5", chain).as_deref(),
        Some("[2001:db8::9]:0")
    );
    let ports = "X-Forwarded-For: 203.0.113.9:777\r\n";
    assert_eq!(
        seen("10.1.1.1:5", ports).as_deref(),
        Some("203.0.113.9:777")
    );
    assert_eq!(seen("10.1.1.1:5", "X-Forwarded-For: unknown\r\n"), None);
}

/// A socket between tungstenite and a transport.
struct Wire {
    to_client: io::Cursor<Vec<u8>>,
    to_server: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.to_client.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to_server.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open() -> (Transport, Delivered) {
    let mut transport = accept(&settings(), "192.0.2.1:5");
    let mut delivered = Delivered::default();
    feed(&mut transport, &mut delivered, REQUEST.as_bytes(), || {
        usize::MAX
    })
    .expect("upgraded");
    transport.take_output(&mut Vec::new());
    (transport, delivered)
}

fn foreign(bytes: Vec<u8>) -> WebSocket<Wire> {
    let wire = Wire {
        to_client: io::Cursor::new(bytes),
        to_server: Vec::new(),
    };
    WebSocket::from_raw_socket(wire, ForeignRole::Client, None)
}

#[test]
fn a_foreign_implementation_is_understood_and_understands() {
    for cut in [1, 3, 14, 1000, usize::MAX] {
        let (mut transport, mut delivered) = open();
        let mut client = foreign(Vec::new());
        let mut expected = Vec::new();
        for len in [0, 1, 125, 126, 127, 1000, 65_535, 65_536, 70_000] {
            let message: Vec<u8> = (0..len).map(|at: usize| at.to_le_bytes()[0]).collect();
            expected.extend_from_slice(&message);
            client
                .send(Message::Binary(message.into()))
                .expect("memory");
            client
                .send(Message::Ping(Bytes::from_static(b"alive?")))
                .expect("memory");
        }
        let wire = std::mem::take(&mut client.get_mut().to_server);
        feed(&mut transport, &mut delivered, &wire, || cut).expect("valid frames");
        assert!(delivered.bytes == expected);

        let mut wire = Vec::new();
        transport.send(b"hello", &mut wire).expect("open");
        transport.send(&expected, &mut wire).expect("open");
        transport.close(CloseReason::GoingAway, &mut wire);
        let mut client = foreign(wire);
        assert_eq!(
            client.read().expect("a frame"),
            Message::Pong(Bytes::from_static(b"alive?"))
        );
        assert_eq!(
            client.read().expect("a frame"),
            Message::Binary(Bytes::from_static(b"hello"))
        );
        assert_eq!(
            client.read().expect("a frame"),
            Message::Binary(expected.into())
        );
        let Message::Close(Some(frame)) = client.read().expect("a frame") else {
            panic!("no close frame");
        };
        assert_eq!(u16::from(frame.code), 1001);
        // Its answer ends the conversation.
        client.flush().expect("memory");
        let answer = std::mem::take(&mut client.get_mut().to_server);
        let ended = feed(&mut transport, &mut delivered, &answer, || cut);
        assert!(matches!(ended, Err(TransportError::Ended)), "{ended:?}");
        assert!(!transport.has_output(), "nobody answers an answer");
    }
}

#[test]
fn fragments_and_control_frames_may_interleave() {
    let frame = |head: u8, payload: &[u8]| {
        let mut wire = Vec::new();
        push_data(payload, Some([1, 2, 3, 4]), &mut wire);
        wire[0] = head;
        wire
    };
    let wire = [
        frame(0x02, b"first "),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x00, b"second "),
        frame(0x8a, b"unasked pong"),
        frame(0x80, b"third"),
        frame(0x82, b" and whole"),
    ]
    .concat();
    for cut in 1..=wire.len() {
        let (mut transport, mut delivered) = open();
        feed(&mut transport, &mut delivered, &wire, || cut).expect("valid");
        assert_eq!(delivered.bytes, b"first second third and whole");
        let mut pong = Vec::new();
        transport.take_output(&mut pong);
        assert_eq!(pong, b"\x8a\x04ping");
    }
}

#[test]
fn breaches_are_answered_with_the_right_code() {
    let too_large = [&[0x82, 0xff][..], &70_001u64.to_be_bytes(), &[0; 4]].concat();
    let cases: &[(&str, &[u8], u16)] = &[
        ("text", b"\x81\x81\0\0\0\0x", 1003),
        ("unmasked", b"\x82\x01x", 1002),
        ("reserved bit", b"\xc2\x81\0\0\0\0x", 1002),
        ("opcode 3", b"\x83\x81\0\0\0\0x", 1002),
        ("opcode 11", b"\x8b\x81\0\0\0\0x", 1002),
        ("continuation of nothing", b"\x80\x81\0\0\0\0x", 1002),
        (
            "message in a message",
            b"\x02\x81\0\0\0\0x\x82\x81\0\0\0\0x",
            1002,
        ),
        ("fragmented ping", b"\x09\x81\0\0\0\0x", 1002),
        ("long ping", b"\x89\xfe\0\x7e\0\0\0\0", 1002),
        (
            "overlong length of two bytes",
            b"\x82\xfe\0\x7d\0\0\0\0",
            1002,
        ),
        (
            "overlong length of eight bytes",
            b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0",
            1002,
        ),
        (
            "negative length",
            b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0",
            1002,
        ),
        ("too large", &too_large, 1009),
        ("close of one byte", b"\x88\x81\0\0\0\0x", 1002),
        ("close with 1005", b"\x88\x82\0\0\0\0\x03\xed", 1002),
        ("close with 999", b"\x88\x82\0\0\0\0\x03\xe7", 1002),
        ("close without UTF-8", b"\x88\x83\0\0\0\0\x03\xe8\xff", 1007),
    ];
    for (name, wire, code) in cases {
        for cut in [1, usize::MAX] {
            let (mut transport, mut delivered) = open();
            let error = feed(&mut transport, &mut delivered, wire, || cut).expect_err(name);
            assert!(
                matches!(error, TransportError::WebSocket(_)),
                "{name}: {error}"
            );
            let mut wire = Vec::new();
            transport.take_output(&mut wire);
            let mut expected = Vec::new();
            push_close(Some(*code), None, &mut expected);
            assert_eq!(wire, expected, "{name}");
            assert!(transport.send(b"late", &mut wire).is_err());
        }
    }
}

#[test]
fn a_close_frame_is_echoed_and_ends_everything() {
    for (payload, echo) in [(&b""[..], None), (b"\x0f\xa0bye", Some(4000))] {
        let (mut transport, mut delivered) = open();
        let mut wire = Vec::new();
        push_data(payload, Some([9, 8, 7, 6]), &mut wire);
        wire[0] = 0x88;
        push_data(b"too late", Some([0; 4]), &mut wire);
        let ended = feed(&mut transport, &mut delivered, &wire, || usize::MAX);
        assert!(matches!(ended, Err(TransportError::Ended)), "{ended:?}");
        assert_eq!(delivered.bytes, b"");
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        transport.close(CloseReason::Normal, &mut wire);
        push_close(echo, None, &mut expected);
        assert_eq!(wire, expected);
    }
}

#[test]
fn unread_pongs_do_not_pile_up() {
    let (mut transport, mut delivered) = open();
    for number in 0..10_000u32 {
        let mut wire = Vec::new();
        push_data(&number.to_be_bytes(), Some([1, 1, 1, 1]), &mut wire);
        wire[0] = 0x89;
        feed(&mut transport, &mut delivered, &wire, || usize::MAX).expect("valid");
    }
    let mut wire = Vec::new();
    transport.take_output(&mut wire);
    assert_eq!(wire, [&[0x8a, 4][..], &9_999u32.to_be_bytes()].concat());
}
