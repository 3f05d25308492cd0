//! WebSocket as browsers and proxies speak it, and what breaks its rules.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::broker::unique;
use crate::support::stream::{Socket, Stream, Way};
use crate::support::wire::{Connect, Publish, Version};
use crate::{client, on, serve, wait_for_line, ways};

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A connection after the upgrade whose frames the test makes by hand.
struct Raw(TcpStream);

impl Raw {
    fn open(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket
            .set_read_timeout(Some(crate::wait::PATIENCE))
            .expect("more than zero");
        let answer = request(&mut socket, "/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n");
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        // The example of RFC 6455, section 1.3.
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        Self(socket)
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length), _) if length < 126 => frame.push(0x80 | length),
            (_, Ok(length)) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            (_, Err(_)) => {
                frame.push(0x80 | 127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.write(&frame);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the broker reads");
    }

    /// The next frame; never masked, never fragmented.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).expect("a frame");
        assert_eq!(head[0] & 0xF0, 0x80, "one frame per message");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).expect("a length");
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        assert!(length < 1 << 16, "short frames in this test");
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).expect("a payload");
        (head[0] & 0xF, payload)
    }

    /// The close frame's code, and after it the end of the stream.
    fn expect_close(mut self) -> u16 {
        loop {
            let (kind, payload) = self.frame();
            if kind == CLOSE {
                let mut rest = Vec::new();
                let end = self.0.read_to_end(&mut rest);
                assert!(
                    end.is_err() || rest.is_empty(),
                    "something after the close frame"
                );
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}

fn request(socket: &mut TcpStream, path: &str, fields: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
    );
    socket
        .write_all(request.as_bytes())
        .expect("the broker reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        answer.extend(byte);
    }
    String::from_utf8(answer).expect("HTTP is text")
}

/// What a listener answers to this request.
fn answer(address: SocketAddr, path: &str, fields: &str) -> String {
    request(
        &mut TcpStream::connect(address).expect("it listens"),
        path,
        fields,
    )
}

#[test]
fn packets_may_share_frames_and_straddle_them_and_messages_may_be_fragmented() {
    let broker = serve(&["--ws", "127.0.0.1:0"], 1);
    let way = &ways(&broker)[0];
    let mut listener = client(way);
    listener.subscribe("frames/#", 0);
    for size in [1, 3, 200] {
        let mut raw = Raw::open(broker.address());
        let mut bytes = Connect::v5(&unique("frames")).encode();
        for number in 0..10 {
            let publish = Publish::new("frames/x", number.to_string());
            bytes.extend(publish.encode(Version::V5));
        }
        // Messages of three fragments each, with a ping between two of them.
        let parts: Vec<&[u8]> = bytes.chunks(size).collect();
        for message in parts.chunks(3) {
            for (at, part) in message.iter().enumerate() {
                let last = if at + 1 == message.len() { 0x80 } else { 0 };
                raw.send(last | if at == 0 { BINARY } else { 0 }, part);
                if at == 0 && last == 0 {
                    raw.send(0x80 | PING, b"between");
                }
            }
        }
        for number in 0..10 {
            assert_eq!(
                listener.receive().payload,
                number.to_string().into_bytes(),
                "{size}"
            );
        }
    }
    broker.stop();
}

#[test]
fn a_ping_is_answered_with_its_own_words_and_packets_of_a_turn_share_a_frame() {
    let broker = serve(&["--ws", "127.0.0.1:0"], 1);
    let mut raw = Raw::open(broker.address());
    raw.send(0x80 | PING, b"are you there");
    assert_eq!(raw.frame(), (PONG, b"are you there".to_vec()));
    let mut bytes = Connect::v5(&unique("share")).encode();
    bytes.extend([0xC0, 0, 0xC0, 0, 0xC0, 0]);
    raw.send(0x80 | BINARY, &bytes);
    let (kind, packets) = raw.frame();
    assert_eq!(kind, BINARY);
    assert!(
        packets.ends_with(&[0xD0, 0, 0xD0, 0, 0xD0, 0]),
        "{packets:?}"
    );
    raw.send(0x80 | CLOSE, &1000u16.to_be_bytes());
    assert_eq!(raw.expect_close(), 1000);
    broker.stop();
}

#[test]
fn the_close_frame_says_why() {
    let broker = serve(&["--ws", "127.0.0.1:0"], 1);
    let open = || {
        let mut raw = Raw::open(broker.address());
        raw.send(0x80 | BINARY, &Connect::v5(&unique("close")).encode());
        assert_eq!(raw.frame().0, BINARY);
        raw
    };
    let mut goodbye = open();
    goodbye.send(0x80 | BINARY, &crate::support::wire::outgoing::disconnect());
    assert_eq!(goodbye.expect_close(), 1000, "DISCONNECT");
    let mut text = open();
    text.send(0x80 | 1, b"\xC0\0");
    assert_eq!(text.expect_close(), 1003, "a text frame [MQTT-6.0.0-1]");
    let mut unmasked = open();
    unmasked.write(&[0x80 | BINARY, 2, 0xC0, 0]);
    assert_eq!(unmasked.expect_close(), 1002, "not masked");
    let mut reserved = open();
    reserved.send(0x80 | 0x40 | BINARY, &[0xC0, 0]);
    assert_eq!(reserved.expect_close(), 1002, "a reserved bit");
    let mut large = open();
    large.write(&[
        0x80 | BINARY,
        0x80 | 127,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        1,
        2,
        3,
        4,
    ]);
    assert_eq!(large.expect_close(), 1009, "a frame of a terabyte");
    let mut second = open();
    second.send(0x80 | BINARY, &Connect::v5("again").encode());
    assert_eq!(second.expect_close(), 1002, "a second CONNECT");
    let mut old = Raw::open(broker.address());
    old.send(0x80 | BINARY, &Connect::v311("twice").encode());
    assert_eq!(old.frame().0, BINARY);
    let mut taken = Raw::open(broker.address());
    taken.send(0x80 | BINARY, &Connect::v311("twice").encode());
    assert_eq!(
        old.expect_close(),
        1008,
        "taken over, which MQTT 3 cannot say"
    );
    let stays = open();
    broker.stop();
    assert_eq!(stays.expect_close(), 1001, "the broker stops");
}

#[test]
fn what_is_no_handshake_for_us_is_answered_in_http() {
    let broker = serve(
        &[
            "--ws",
            "127.0.0.1:0,ws-path=/mqtt,ws-origin=https://good.example,ws-page",
            "--ws",
            "127.0.0.1:0",
        ],
        2,
    );
    let (strict, open) = (broker.addresses()[0], broker.addresses()[1]);
    let mqtt = "Sec-WebSocket-Protocol: mqtt\r\n";
    let status =
        |address, path: &str, fields: &str| answer(address, path, fields)[9..12].to_owned();
    assert_eq!(status(strict, "/mqtt", mqtt), "101");
    assert_eq!(status(strict, "/other", mqtt), "404");
    assert_eq!(
        status(open, "/other", mqtt),
        "101",
        "any path unless configured"
    );
    assert_eq!(
        status(open, "/mqtt", "Sec-WebSocket-Protocol: mqttv3.1\r\n"),
        "101"
    );
    assert_eq!(
        status(open, "/mqtt", "Sec-WebSocket-Protocol: chat\r\n"),
        "400"
    );
    let origin = |name: &str| format!("{mqtt}Origin: {name}\r\n");
    assert_eq!(
        status(strict, "/mqtt", &origin("https://good.example")),
        "101"
    );
    assert_eq!(
        status(strict, "/mqtt", &origin("https://bad.example")),
        "403"
    );
    assert_eq!(status(open, "/mqtt", &origin("https://bad.example")), "101");

    let mut browser = TcpStream::connect(strict).expect("it listens");
    browser
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("the broker reads");
    let mut page = String::new();
    browser
        .read_to_string(&mut page)
        .expect("a page and the end");
    assert!(
        page.starts_with("HTTP/1.1 200 ") && page.contains("ringmq"),
        "{page}"
    );
    let mut endless = TcpStream::connect(open).expect("it listens");
    let _ = endless.write_all(b"GET / HTTP/1.1\r\nX: ");
    let _ = endless.write_all(&[b'x'; 100_000]);
    let mut rest = Vec::new();
    // Either cut or answered, but not read for ever.
    let _ = endless.read_to_end(&mut rest);
    broker.stop();
}

#[test]
fn a_trusted_proxys_forwarded_for_is_believed_and_others_are_not() {
    let broker = serve(
        &[
            "--ws",
            "127.0.0.1:0,proxy-trusted=127.0.0.1",
            "--ws",
            "127.0.0.1:0",
        ],
        2,
    );
    for (way, peer) in ways(&broker)
        .iter()
        .zip(["peer=198.51.100.7:0", "peer=127.0.0.1:"])
    {
        let Way::WebSocket(address) = way else {
            panic!("{way:?}");
        };
        let socket = Socket::tcp(*address).expect("it listens");
        let fields = [("x-forwarded-for", "203.0.113.1, 198.51.100.7")];
        let stream = Stream::upgrade(socket, "ws://localhost/mqtt", &fields);
        let name = unique("forwarded");
        on(stream.expect("an upgrade"), &name).ping();
        wait_for_line(&broker, &["connected", &name, peer]);
    }
    broker.stop();
}
