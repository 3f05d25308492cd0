//! The edges of WebSocket's handshake: how it arrives, whom it comes from, when it does not end.
//!
//! Owns requests written by hand. What is answered to which request is shown in `websocket.rs`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::stream::{Socket, Stream};
use crate::support::wire::{Connect, Version};
use crate::{serve, wait_for_line};

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nhost: localhost\r\nUPGRADE: WebSocket\r\n\
     Connection: keep-alive , uPGRADE\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat,mqtt\r\n";

/// A masked frame with this packet.
fn frame(packet: &[u8]) -> Vec<u8> {
    let length = u8::try_from(packet.len()).expect("a small packet");
    assert!(length < 126, "a small packet");
    // The mask is of zeros, which is one.
    let mut frame = vec![0x82, 0x80 | length, 0, 0, 0, 0];
    frame.extend(packet);
    frame
}

/// The head of the answer, and what follows of it.
fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    String::from_utf8(head).expect("HTTP is text")
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("it listens");
    let patience = Some(crate::wait::PATIENCE);
    socket.set_read_timeout(patience).expect("more than zero");
    socket
}

#[test]
fn a_request_may_drip_in_and_connect_may_come_with_its_end() {
    let broker = serve(&["--ws", "127.0.0.1:0"], 1);
    let packet = Connect::v5(&unique("h")).encode();
    let wire = [REQUEST.as_bytes(), b"\r\n", &frame(&packet)].concat();
    for size in [1, 7, wire.len()] {
        let mut socket = connect(broker.address());
        for part in wire.chunks(size) {
            socket.write_all(part).expect("the broker reads");
        }
        let head = read_head(&mut socket);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut connack = [0; 5];
        socket.read_exact(&mut connack).expect("a frame");
        // A frame of binary data with CONNACK, which is a success.
        assert_eq!((connack[0], connack[2], connack[4]), (0x82, 0x20, 0));
    }
    broker.stop();
}

#[test]
fn a_handshake_that_does_not_end_and_one_without_connect_are_cut() {
    let broker = serve(&["--ws", "127.0.0.1:0", "--connect-timeout", "1"], 1);
    let mut half = connect(broker.address());
    half.write_all(REQUEST.as_bytes())
        .expect("the broker reads");
    let mut silent = connect(broker.address());
    let whole = format!("{REQUEST}\r\n");
    silent
        .write_all(whole.as_bytes())
        .expect("the broker reads");
    assert!(read_head(&mut silent).starts_with("HTTP/1.1 101 "));
    for socket in [&mut half, &mut silent] {
        let mut rest = Vec::new();
        // The end comes within the patience, in whatever way.
        if let Err(error) = socket.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        assert!(!rest.starts_with(b"HTTP/1.1 101 "), "{rest:?}");
    }
    broker.stop();
}

#[test]
fn origins_on_the_list_are_let_in_and_none_that_only_look_like_them() {
    let broker = serve(
        &[
            "--ws",
            "127.0.0.1:0,ws-origin=https://one.example,ws-origin=http://two.example:8080",
            "--ws",
            "127.0.0.1:0",
            "--ws-origin",
            "https://all.example",
        ],
        2,
    );
    for (origin, own, general) in [
        ("https://one.example", "101", "403"),
        ("http://two.example:8080", "101", "403"),
        ("https://all.example", "403", "101"),
        ("http://one.example", "403", "403"),
        ("https://one.example:444", "403", "403"),
        ("https://one.example.evil.example", "403", "403"),
        ("https://evil.example/https://one.example", "403", "403"),
        ("http://two.example", "403", "403"),
        ("null", "403", "403"),
        ("", "403", "403"),
    ] {
        for (address, expected) in broker.addresses().iter().zip([own, general]) {
            let mut socket = connect(*address);
            let request = format!("{REQUEST}Origin: {origin}\r\n\r\n");
            socket
                .write_all(request.as_bytes())
                .expect("the broker reads");
            let head = read_head(&mut socket);
            assert_eq!(&head[9..12], expected, "{origin} {address}");
        }
    }
    // What is no browser names none.
    for address in broker.addresses() {
        let mut socket = connect(*address);
        let request = format!("{REQUEST}\r\n");
        socket
            .write_all(request.as_bytes())
            .expect("the broker reads");
        assert_eq!(&read_head(&mut socket)[9..12], "101");
    }
    broker.stop();
}

#[test]
fn forwarded_for_is_believed_from_who_the_proxy_header_names_if_that_one_is_trusted() {
    let own = "127.0.0.1:0,proxy-protocol,proxy-trusted=127.0.0.1,proxy-trusted=10.0.0.0/8";
    let broker = serve(&["--ws", own], 1);
    for (source, peer) in [
        // A stranger behind the proxy may say what he likes.
        ("198.51.100.7", "peer=198.51.100.7:4001"),
        ("10.1.1.1", "peer=203.0.113.9:0"),
    ] {
        let mut socket = TcpStream::connect(broker.address()).expect("it listens");
        let header = format!("PROXY TCP4 {source} 192.0.2.1 4001 8083\r\n");
        socket
            .write_all(header.as_bytes())
            .expect("the broker reads");
        let fields = [("x-forwarded-for", "203.0.113.9")];
        let stream = Stream::upgrade(Socket::Tcp(socket), "ws://localhost/mqtt", &fields);
        let name = unique("forwarded");
        let mut client = Client::on(stream.expect("an upgrade"), Version::V5, true);
        client.send_connect(&Connect::v5(&name));
        assert_eq!(client.expect_connack().code, 0);
        wait_for_line(&broker, &["connected", &name, peer]);
    }
    broker.stop();
}
