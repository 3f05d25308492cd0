//! PROXY headers: believed from trusted proxies, refused from all others.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::support::authority::Authority;
use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::stream::{Socket, Stream};
use crate::support::wire::{Connect, Version};
use crate::{on, refusal, serve, wait_for_line};

/// A version 2 header for a client of IPv4 (specification, section 2.2).
fn version_2(command: u8, client: [u8; 4], port: u16) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([0x20 | command, 0x11, 0, 12]);
    header.extend(client);
    header.extend([192, 0, 2, 1]);
    header.extend(port.to_be_bytes());
    header.extend(1883u16.to_be_bytes());
    header
}

fn is_refused(address: SocketAddr, header: &[u8]) -> bool {
    let mut socket = TcpStream::connect(address).expect("it listens");
    let _ = socket.write_all(header);
    let mut client = Client::on(Stream::Direct(Socket::Tcp(socket)), Version::V5, true);
    client.try_send(Connect::v5(&unique("x")).encode());
    client.next_within(crate::wait::PATIENCE).is_err()
}

#[test]
fn both_versions_of_the_header_name_the_client() {
    let broker = serve(
        &[
            "--tcp",
            "127.0.0.1:0,proxy-protocol",
            "--proxy-trusted",
            "127.0.0.0/8",
        ],
        1,
    );
    for (header, peer) in [
        (
            b"PROXY TCP4 198.51.100.7 192.0.2.1 4001 1883\r\n".to_vec(),
            "peer=198.51.100.7:4001",
        ),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 4002 1883\r\n".to_vec(),
            "peer=[2001:db8::7]:4002",
        ),
        (
            version_2(1, [198, 51, 100, 9], 4003),
            "peer=198.51.100.9:4003",
        ),
        // The proxy itself, asking after us: its own address stands.
        (version_2(0, [0; 4], 0), "peer=127.0.0.1:"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "peer=127.0.0.1:"),
    ] {
        let mut socket = TcpStream::connect(broker.address()).expect("it listens");
        // Dripping in, and the last byte together with CONNECT.
        for part in header.chunks(9) {
            socket.write_all(part).expect("the broker reads");
        }
        let name = unique("proxied");
        let mut client = on(Stream::Direct(Socket::Tcp(socket)), &name);
        wait_for_line(&broker, &["connected", &name, peer]);
        client.subscribe("proxied/#", 1);
        client.publish("proxied/x", &"x".repeat(100_000), 1);
        assert_eq!(client.receive().payload.len(), 100_000);
        client.disconnect();
    }
    for wrong in [
        &b"PROXY TCP4 nonsense\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[b'P'; 500],
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
    ] {
        assert!(is_refused(broker.address(), wrong), "{wrong:?}");
    }
    assert!(is_refused(broker.address(), b""), "no header at all");
    broker.stop();
}

#[test]
fn whoever_is_no_trusted_proxy_is_closed_at_once() {
    let broker = serve(
        &[
            "--tcp",
            "127.0.0.1:0,proxy-protocol,proxy-trusted=10.0.0.0/8",
        ],
        1,
    );
    let header = b"PROXY TCP4 198.51.100.7 192.0.2.1 4001 1883\r\n";
    assert!(is_refused(broker.address(), header));
    wait_for_line(&broker, &["refused", "trusted"]);
    broker.stop();
    let ended = refusal(&["--tcp", "127.0.0.1:0,proxy-protocol"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--proxy-trusted"), "{ended:?}");
    let ended = refusal(&[
        "--tcp",
        "127.0.0.1:0,proxy-protocol,proxy-trusted=proxy.local",
    ]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("10.0.0.0/8"), "{ended:?}");
}

#[test]
fn the_header_comes_before_tls_and_before_websocket() {
    let authority = Authority::shared();
    let server = authority.server("proxied", &["localhost"]);
    let mut options = vec!["--proxy-protocol", "--proxy-trusted", "127.0.0.1"];
    options.extend(["--tls", "127.0.0.1:0", "--wss", "127.0.0.1:0"]);
    options.extend(server.options());
    let broker = serve(&options, 2);
    for (address, web) in [
        (broker.addresses()[0], false),
        (broker.addresses()[1], true),
    ] {
        let socket = Socket::tls(address, &authority.client(None), "localhost");
        let mut socket = socket.expect("it listens");
        if let Socket::Tls(stream) = &mut socket {
            let header = version_2(1, [203, 0, 113, 5], 4004);
            stream.sock.write_all(&header).expect("the broker reads");
        }
        let stream = if web {
            Stream::upgrade(socket, "wss://localhost/mqtt", &[]).expect("an upgrade")
        } else {
            Stream::Direct(socket)
        };
        let name = unique("proxied");
        on(stream, &name).ping();
        wait_for_line(&broker, &["connected", &name, "peer=203.0.113.5:4004"]);
    }
    broker.stop();
}
