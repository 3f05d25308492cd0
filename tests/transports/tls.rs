//! TLS: which certificate is shown, which is asked for, and what strangers may do.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};

use crate::support::authority::{Authority, Issued};
use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::stream::{Socket, Stream, Way};
use crate::{client, named, on, refusal, serve, wait_for_line, ways};

fn file(issued: &std::path::Path) -> &str {
    issued.to_str().expect("a path of ours")
}

/// The certificate that is shown to a client that asks for this name.
fn shown(address: SocketAddr, name: &str) -> Vec<u8> {
    let config = Authority::shared().client(None);
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut session = ClientConnection::new(config, name).expect("a valid configuration");
    let mut socket = TcpStream::connect(address).expect("it listens");
    while session.is_handshaking() {
        session.complete_io(&mut socket).expect("a handshake");
    }
    session.peer_certificates().expect("one at least")[0].to_vec()
}

fn certificate(issued: &Issued) -> Vec<u8> {
    let read = CertificateDer::from_pem_file(&issued.certificate).expect("issued");
    read.to_vec()
}

/// Whether this client is let in; what the broker sends instead is an alert or the end.
fn is_let_in(address: SocketAddr, config: &Arc<ClientConfig>) -> bool {
    let Ok(stream) = Stream::open(&Way::Tls(address, Arc::clone(config))) else {
        return false;
    };
    let mut client = Client::on(stream, crate::support::wire::Version::V5, true);
    client.try_send(crate::support::wire::Connect::v5(&unique("t")).encode());
    client.next_within(crate::wait::PATIENCE).is_ok()
}

#[test]
fn of_several_certificates_the_one_for_the_name_is_shown() {
    let authority = Authority::shared();
    let first = authority.server("sni-first", &["localhost"]);
    let second = authority.server("sni-second", &["mqtt.example.org", "*.wild.example.org"]);
    let mut options = vec!["--tls", "127.0.0.1:0"];
    options.extend(first.options());
    options.extend(second.options());
    let broker = serve(&options, 1);
    let address = broker.address();
    assert_eq!(shown(address, "localhost"), certificate(&first));
    assert_eq!(shown(address, "mqtt.example.org"), certificate(&second));
    assert_eq!(shown(address, "a.wild.example.org"), certificate(&second));
    broker.stop();
}

#[test]
fn a_listener_that_wants_certificates_lets_nobody_else_in_and_names_the_user() {
    let authority = Authority::shared();
    let server = authority.server("mutual", &["localhost"]);
    let sensor = authority.issue("sensor", "sensor-7", &["sensor-7.example.org"]);
    let stranger = Authority::new("stranger");
    let foreign = stranger.issue("foreign", "sensor-7", &[]);
    let list = authority.issue("revoked", "old", &[]);
    let crl = authority.revoke(&list);
    let mut options = vec!["--tls", "127.0.0.1:0", "--require-client-certificate"];
    options.extend(server.options());
    options.extend(["--cafile", file(&authority.file), "--crl", file(&crl)]);
    options.push("--use-identity-as-username");
    let broker = serve(&options, 1);
    let address = broker.address();
    assert!(is_let_in(address, &authority.client(Some(&sensor))));
    wait_for_line(&broker, &["connected", "certificate=\"CN=sensor-7\""]);
    assert!(
        !is_let_in(address, &authority.client(None)),
        "no certificate"
    );
    assert!(
        !is_let_in(address, &authority.client(Some(&list))),
        "revoked"
    );
    assert!(
        !is_let_in(address, &authority.client(Some(&foreign))),
        "of somebody else"
    );
    assert!(is_let_in(address, &authority.client(Some(&sensor))));
    broker.stop();
}

#[test]
fn certificate_settings_that_cannot_work_stop_the_start_with_file_and_reason() {
    let authority = Authority::shared();
    let (one, other) = (
        authority.server("one", &["localhost"]),
        authority.server("other", &["localhost"]),
    );
    let (pem, key) = (file(&one.certificate), file(&one.key));
    for (options, words) in [
        (vec!["--tls", "127.0.0.1:0"], ["tls 127.0.0.1:0", "--cert"]),
        (
            vec![
                "--tls",
                "127.0.0.1:0",
                "--cert",
                pem,
                "--key",
                "/nowhere/x.key",
            ],
            ["tls 127.0.0.1:0", "/nowhere/x.key"],
        ),
        (
            vec![
                "--tls",
                "127.0.0.1:0",
                "--cert",
                pem,
                "--key",
                file(&other.key),
            ],
            [file(&other.key), pem],
        ),
        (
            vec!["--tls", "127.0.0.1:0", "--cert", key, "--key", key],
            ["tls 127.0.0.1:0", key],
        ),
        (
            vec![
                "--tls",
                "127.0.0.1:0",
                "--cert",
                pem,
                "--key",
                key,
                "--require-client-certificate",
            ],
            ["tls 127.0.0.1:0", "--cafile"],
        ),
    ] {
        let ended = refusal(&options);
        assert_eq!(ended.code, Some(2), "{options:?}: {ended:?}");
        assert_eq!(ended.stderr.trim().lines().count(), 1, "{ended:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {ended:?}");
        }
    }
}

#[test]
fn packets_in_any_cut_of_records_and_many_in_one_are_understood() {
    let server = Authority::shared().server("cuts", &["localhost"]);
    let mut options = vec!["--tls", "127.0.0.1:0"];
    options.extend(server.options());
    let broker = serve(&options, 1);
    let way = &ways(&broker)[0];
    let mut listener = client(way);
    listener.subscribe("cut/#", 1);
    // CONNECT and all the rest in records of one byte, and everything in one: both move to
    // whichever shard the client lives on.
    for (round, size) in [1, 7, usize::MAX].into_iter().enumerate() {
        let mut bytes = crate::support::wire::Connect::v5(&unique("cut")).encode();
        for number in 0..20 {
            let topic = format!("cut/{round}");
            let publish = crate::support::wire::Publish::new(&topic, number.to_string());
            bytes.extend(publish.encode(crate::support::wire::Version::V5));
        }
        let mut stream = Stream::open(way).expect("it listens");
        for part in bytes.chunks(size.min(bytes.len())) {
            stream.write_all(part).expect("the broker reads");
        }
        for number in 0..20 {
            let message = listener.receive();
            assert_eq!(
                message.payload,
                number.to_string().into_bytes(),
                "round {round}"
            );
        }
    }
    broker.stop();
}

#[test]
fn half_open_handshakes_and_garbage_disturb_nobody_and_time_out() {
    let server = Authority::shared().server("flood", &["localhost"]);
    let mut options = vec![
        "--tls",
        "127.0.0.1:0",
        "--tcp",
        "127.0.0.1:0",
        "--connect-timeout",
        "3",
    ];
    options.extend(server.options());
    let broker = serve(&options, 2);
    let ways = ways(&broker);
    let (plain, tls) = (&ways[0], &ways[1]);
    let Way::Tls(address, _) = tls else {
        panic!("{ways:?}");
    };
    let mut watcher = client(plain);
    let mut hello = Vec::new();
    let config = Authority::shared().client(None);
    let name = ServerName::try_from("localhost").expect("a name");
    let mut session = ClientConnection::new(config, name).expect("a valid configuration");
    session.write_tls(&mut hello).expect("a vector takes all");
    let mut strangers = Vec::new();
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    for number in 0..400usize {
        let mut socket = TcpStream::connect(address).expect("it listens");
        let words: &[u8] = match number % 5 {
            // Silent, a whole hello and nothing more, half a hello, HTTP, noise.
            0 => &[],
            1 => &hello,
            2 => &hello[..hello.len() / 2],
            3 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            _ => &[0xA5; 3000],
        };
        let _ = socket.write_all(words);
        strangers.push(socket);
        if number % 20 == 0 {
            let asked = Instant::now();
            watcher.ping();
            slowest = slowest.max(asked.elapsed());
        }
    }
    // A client comes in over TLS in the midst of them.
    client(tls).ping();
    assert!(slowest < Duration::from_secs(1), "a ping took {slowest:?}");
    for socket in &mut strangers {
        let patience = crate::wait::PATIENCE;
        socket
            .set_read_timeout(Some(patience))
            .expect("more than zero");
        let mut rest = Vec::new();
        if let Err(error) = socket.read_to_end(&mut rest) {
            let cut = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            assert!(cut.contains(&error.kind()), "still open: {error}");
        }
    }
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "the silent ones had their time"
    );
    watcher.ping();
    named(tls, &unique("after")).ping();
    broker.stop();
}

#[test]
fn the_end_is_told_in_order() {
    let server = Authority::shared().server("end", &["localhost"]);
    let mut options = vec!["--tls", "127.0.0.1:0"];
    options.extend(server.options());
    let broker = serve(&options, 1);
    let config = Authority::shared().client(None);
    let socket = Socket::tls(broker.address(), &config, "localhost").expect("it listens");
    let mut client = on(Stream::Direct(socket), &unique("end"));
    client.try_send(crate::support::wire::outgoing::disconnect());
    // rustls tells an end without close_notify apart, as an error.
    client.expect_end();
    broker.stop();
}
