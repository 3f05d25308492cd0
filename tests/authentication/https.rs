//! A third party behind TLS: the real broker asks a real HTTPS server.
//!
//! Owns the server: rustls, one thread per connection. Whatever is wrong with it,
//! nobody gets in, and the log says why.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::files::{Folder, login};
use crate::support::authority::{Authority, Issued};
use crate::support::broker::Broker;
use crate::support::wire::Version;

const NO_ANSWER: &str = "no answer about who may do what";

/// The URL of a server that lets in alice, and how many requests it has read.
fn server(certificate: &Issued, clients: Option<&Authority>) -> (String, Arc<AtomicUsize>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the defaults");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let file = CertificateDer::from_pem_file(&authority.file).expect("its certificate");
            roots.add(file).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_file(&certificate.certificate).expect("issued")];
    let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("issued");
    let config = Arc::new(builder.with_single_cert(chain, key).expect("a pair"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (config, count) = (Arc::clone(&config), Arc::clone(&count));
            std::thread::spawn(move || serve(socket, config, &count));
        }
    });
    (format!("https://127.0.0.1:{port}/mqtt"), asked)
}

/// Answers one connection's requests until it ends or its handshake fails.
fn serve(socket: TcpStream, config: Arc<ServerConfig>, asked: &AtomicUsize) -> Option<()> {
    let session = ServerConnection::new(config).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(session, socket));
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            } else if line.is_empty() {
                break;
            }
        }
        let mut question = vec![0; length];
        stream.read_exact(&mut question).ok()?;
        asked.fetch_add(1, Ordering::SeqCst);
        let alice = String::from_utf8_lossy(&question).contains(r#""user_name":"alice""#);
        let answer = format!(r#"{{"result":"{}"}}"#, if alice { "allow" } else { "deny" });
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        let response = format!("{head} {}\r\n\r\n{answer}", answer.len());
        stream.get_mut().write_all(response.as_bytes()).ok()?;
    }
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A broker that asks there and keeps no answers.
fn broker(url: &str, authorities: &str, more: &[&str]) -> Broker {
    let mut options = vec!["--auth-http", url, "--auth-http-cafile", authorities];
    options.extend(["--auth-http-cache", "0", "--auth-http-retries", "0"]);
    options.extend(more);
    Broker::start(2, &options).expect("a broker of ours")
}

fn alice(broker: &Broker) -> u8 {
    login(broker, Version::V5, "alice", "secret")
}

#[test]
fn a_certified_third_party_is_asked_and_believed() {
    let authority = Authority::new("https");
    let issued = authority.server("third-party", &["127.0.0.1"]);
    let (url, asked) = server(&issued, None);
    let broker = broker(&url, text(&authority.file), &[]);
    for _ in 0..3 {
        assert_eq!(alice(&broker), 0);
        assert_eq!(login(&broker, Version::V311, "bob", "secret"), 4);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 6);
}

#[test]
fn the_systems_authorities_are_believed_where_no_file_is_named() {
    let authority = Authority::new("https-system");
    let issued = authority.server("third-party", &["127.0.0.1"]);
    let (url, _) = server(&issued, None);
    let options = ["--auth-http", &url, "--auth-http-retries", "0"];
    for (system, code) in [(&authority, 0), (&Authority::new("https-others"), 0x88)] {
        // How programs that use OpenSSL are told of another store than the system's.
        let environment = [("SSL_CERT_FILE", text(&system.file))];
        let broker = Broker::start_with(1, &options, &environment).expect("a broker of ours");
        assert_eq!(alice(&broker), code);
    }
}

#[test]
fn nobody_gets_in_when_the_third_party_can_not_be_believed_and_the_log_says_why() {
    let (known, stranger) = (
        Authority::new("https-known"),
        Authority::new("https-stranger"),
    );
    for (issued, why) in [
        (stranger.server("unknown", &["127.0.0.1"]), "UnknownIssuer"),
        (
            known.server("elsewhere", &["auth.example"]),
            "not valid for name",
        ),
        (known.expired("expired", &["127.0.0.1"]), "expired"),
    ] {
        let (url, asked) = server(&issued, None);
        let broker = broker(&url, text(&known.file), &[]);
        assert_eq!(alice(&broker), 0x88, "{why}");
        let line = broker.wait_for_log(NO_ANSWER, 1);
        assert!(line.contains(why), "{line}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "no password was sent");
    }
}

#[test]
fn nobody_gets_in_when_the_third_party_speaks_no_tls_or_nothing() {
    let authority = Authority::new("https-silent");
    let timeout = ["--auth-http-timeout", "300"];
    // Accepts and says nothing: the handshake has the timeout, too.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}/", silent.local_addr().expect("an address"));
    let waiting = broker(&url, text(&authority.file), &timeout);
    assert_eq!(alice(&waiting), 0x88);
    let line = waiting.wait_for_log(NO_ANSWER, 1);
    assert!(line.contains("timeout"), "{line}");
    // Plain HTTP where TLS was asked for.
    let plain = tiny_http::Server::http("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}/", plain.server_addr());
    let plain_one = broker(&url, text(&authority.file), &timeout);
    assert_eq!(alice(&plain_one), 0x88);
    plain_one.wait_for_log(NO_ANSWER, 1);
}

#[test]
fn the_broker_shows_its_own_certificate_where_it_is_asked_for() {
    let authority = Authority::new("https-mutual");
    let issued = authority.server("third-party", &["127.0.0.1"]);
    let own = authority.issue("broker", "the broker", &[]);
    let (url, asked) = server(&issued, Some(&authority));
    let (chain, key) = (text(&own.certificate), text(&own.key));
    let shown = ["--auth-http-cert", chain, "--auth-http-key", key];
    assert_eq!(alice(&broker(&url, text(&authority.file), &shown)), 0);
    let nobody = broker(&url, text(&authority.file), &[]);
    assert_eq!(alice(&nobody), 0x88);
    nobody.wait_for_log(NO_ANSWER, 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_reload_reads_authorities_and_certificate_again_or_keeps_the_old_ones() {
    let folder = Folder::new();
    let (old, new) = (Authority::new("https-old"), Authority::new("https-new"));
    let read = |file: &std::path::Path| std::fs::read_to_string(file).expect("issued");
    let trusted = folder.write("ca.pem", &read(&old.file));
    let (url, _) = server(&new.server("third-party", &["127.0.0.1"]), None);
    let broker = broker(&url, &trusted, &[]);
    assert_eq!(alice(&broker), 0x88, "certified by somebody unknown");
    folder.write("ca.pem", "nothing of the kind\n");
    broker.reload();
    let line = broker.wait_for_log("rules not reloaded, the earlier ones stay", 1);
    assert!(line.contains("ca.pem"), "{line}");
    assert_eq!(alice(&broker), 0x88);
    folder.write("ca.pem", &read(&new.file));
    broker.reload();
    broker.wait_for_log("serve: rules reloaded", 1);
    assert_eq!(alice(&broker), 0);
}
