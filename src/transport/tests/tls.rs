//! Promises of TLS, kept towards rustls' own client.

use std::sync::Arc;

use rustls::{AlertDescription, ClientConfig, Error, HandshakeKind, version};

use super::authority::{Authority, document};
use super::far_end::{Failed, Pair, client_config, connect};
use crate::peer::Peer;
use crate::transport::tls::{
    ClientCertificates, ServerCertificate, TlsServer, TlsSettings, UserNameFrom,
};
use crate::transport::{Acceptor, CloseReason, Incoming, Transport, TransportError};

fn accept(acceptor: &Acceptor) -> Transport {
    acceptor
        .accept(Peer::from(([192, 0, 2, 1], 5)))
        .expect("everybody may")
}

fn acceptor(settings: TlsSettings) -> Acceptor {
    Acceptor::plain().with_tls(TlsServer::new(settings).expect("valid settings"))
}

fn settings(certificates: Vec<ServerCertificate>) -> TlsSettings {
    TlsSettings {
        certificates,
        ..TlsSettings::default()
    }
}

fn asking(authority: &Authority, required: bool, user_name: UserNameFrom) -> TlsSettings {
    TlsSettings {
        clients: ClientCertificates {
            authorities: vec![authority.document()],
            required,
            user_name,
            ..ClientCertificates::default()
        },
        ..settings(vec![authority.server(&["broker.example"])])
    }
}

fn plain_client(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(client_config(
        &authority.document(),
        None,
        rustls::ALL_VERSIONS,
    ))
}

#[test]
fn bytes_arrive_whole_however_records_are_cut() {
    let authority = Authority::new();
    let acceptor = acceptor(settings(vec![authority.server(&["broker.example"])]));
    let large: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    for versions in [&[&version::TLS12][..], &[&version::TLS13]] {
        for cut in [1, 2, 3, 5, 6, 100, 1000, 16 * 1024, usize::MAX] {
            let config = Arc::new(client_config(&authority.document(), None, versions));
            let mut pair = Pair::new(accept(&acceptor), connect(&config, "broker.example"));
            // Early: the first bytes travel with the end of the handshake.
            pair.client_sends(b"first");
            assert!(pair.transport.is_handshaking());
            pair.settle(|| cut).expect("a handshake");
            assert!(!pair.transport.is_handshaking() && pair.transport.is_established());
            pair.client_sends(&large[..50_000]);
            pair.settle(|| cut).expect("records");
            assert_eq!(pair.delivered.bytes[..5], *b"first");
            assert!(pair.delivered.bytes[5..] == large[..50_000]);
            pair.server_sends(&large);
            pair.server_sends(b"last");
            assert!(pair.received == [&large[..], b"last"].concat());
        }
    }
}

#[test]
fn the_certificate_follows_the_name_that_is_asked_for() {
    let authority = Authority::new();
    let first = authority.server(&["broker.example"]);
    let second = authority.server(&["*.devices.example", "other.example"]);
    let acceptor = acceptor(settings(vec![first, second]));
    let config = plain_client(&authority);
    for name in ["broker.example", "OTHER.example", "a.devices.example"] {
        let mut pair = Pair::new(accept(&acceptor), connect(&config, name));
        pair.settle(|| usize::MAX).expect(name);
    }
    for name in ["unknown.example", "a.b.devices.example", "devices.example"] {
        let mut pair = Pair::new(accept(&acceptor), connect(&config, name));
        let failed = pair
            .settle(|| usize::MAX)
            .expect_err("the first one's names differ");
        assert!(
            matches!(failed, Failed::Client(Error::InvalidCertificate(_))),
            "{failed:?}"
        );
    }
}

#[test]
fn a_client_certificate_says_who_it_is() {
    let authority = Authority::new();
    let own = authority.client("sensor-7", "sensor@example.com", 7);
    let config = client_config(&authority.document(), Some(&own), rustls::ALL_VERSIONS);
    let config = Arc::new(config);
    for (from, user) in [
        (UserNameFrom::Connect, None),
        (UserNameFrom::CommonName, Some("sensor-7")),
        (UserNameFrom::Subject, Some("O=Example,CN=sensor-7")),
        (UserNameFrom::AlternativeName, Some("sensor@example.com")),
    ] {
        let acceptor = acceptor(asking(&authority, true, from));
        let mut pair = Pair::new(accept(&acceptor), connect(&config, "broker.example"));
        pair.settle(|| usize::MAX).expect("a handshake");
        let established = pair.delivered.established.expect("established");
        let identity = established.identity.expect("a certificate");
        assert_eq!(identity.common_name.as_deref(), Some("sensor-7"));
        assert_eq!(identity.user_name.as_deref(), user);
    }
}

#[test]
fn whoever_lacks_the_certificate_or_its_name_stays_outside() {
    let authority = Authority::new();
    let stranger = Authority::new().client("sensor", "", 1);
    let nameless = authority.client("", "", 2);
    let control = authority.client("a\nb", "", 3);
    for versions in [&[&version::TLS12][..], &[&version::TLS13]] {
        for own in [None, Some(&stranger), Some(&nameless), Some(&control)] {
            let acceptor = acceptor(asking(&authority, true, UserNameFrom::CommonName));
            let config = Arc::new(client_config(&authority.document(), own, versions));
            let mut pair = Pair::new(accept(&acceptor), connect(&config, "broker.example"));
            pair.client_sends(b"mqtt");
            let failed = pair.settle(|| usize::MAX).expect_err("refused");
            let Failed::Server(error) = failed else {
                panic!("{failed:?}")
            };
            assert!(matches!(
                error,
                TransportError::Tls(_) | TransportError::Nameless
            ));
            assert!(pair.delivered.established.is_none());
        }
    }
    // Where it may be missing, it may.
    let acceptor = acceptor(asking(&authority, false, UserNameFrom::CommonName));
    let mut pair = Pair::new(
        accept(&acceptor),
        connect(&plain_client(&authority), "broker.example"),
    );
    pair.settle(|| usize::MAX).expect("optional");
    assert_eq!(
        pair.delivered.established.expect("established").identity,
        None
    );
}

#[test]
fn a_revoked_certificate_is_refused_and_the_client_told() {
    let authority = Authority::new();
    let mut settings = asking(&authority, true, UserNameFrom::Connect);
    settings.clients.revoked = vec![authority.revoke(&[8])];
    let acceptor = acceptor(settings);
    for (serial, good) in [(7, true), (8, false)] {
        let own = authority.client("sensor", "", serial);
        let config = client_config(&authority.document(), Some(&own), rustls::ALL_VERSIONS);
        let mut pair = Pair::new(
            accept(&acceptor),
            connect(&Arc::new(config), "broker.example"),
        );
        let outcome = pair.settle(|| usize::MAX);
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        if !good {
            // The alert reached the client before the server's error was returned.
            let told = pair.client.process_new_packets().expect_err("an alert");
            let alert = Error::AlertReceived(AlertDescription::CertificateRevoked);
            assert_eq!(told, alert);
        }
    }
}

#[test]
fn any_listener_of_the_process_resumes_a_session_after_a_reload() {
    let authority = Authority::new();
    for versions in [&[&version::TLS12][..], &[&version::TLS13]] {
        let acceptor = acceptor(settings(vec![authority.server(&["broker.example"])]));
        let config = Arc::new(client_config(&authority.document(), None, versions));
        let kind = |acceptor: &Acceptor| {
            let mut pair = Pair::new(accept(acceptor), connect(&config, "broker.example"));
            pair.settle(|| usize::MAX).expect("a handshake");
            pair.client.handshake_kind()
        };
        assert_eq!(kind(&acceptor), Some(HandshakeKind::Full));
        assert_eq!(kind(&acceptor), Some(HandshakeKind::Resumed));
        let before = acceptor.tls().expect("TLS");
        let renewed = settings(vec![authority.server(&["broker.example"])]);
        acceptor.replace_tls(before.renewed(renewed).expect("valid"));
        assert_eq!(kind(&acceptor), Some(HandshakeKind::Resumed));
        // With other rules for clients nobody comes in by an old ticket.
        let now = acceptor.tls().expect("TLS");
        let stricter = asking(&authority, false, UserNameFrom::Connect);
        acceptor.replace_tls(now.renewed(stricter).expect("valid"));
        assert_eq!(kind(&acceptor), Some(HandshakeKind::Full));
    }
}

#[test]
fn protocols_are_agreed_upon_and_foreign_ones_refused() {
    let authority = Authority::new();
    let mut settings = settings(vec![authority.server(&["broker.example"])]);
    settings.alpn = vec![b"mqtt".to_vec()];
    let acceptor = acceptor(settings);
    for (offer, agreed) in [
        (&[][..], Some(None)),
        (&["mqtt"], Some(Some(b"mqtt"))),
        (&["h2"], None),
    ] {
        let mut config = client_config(&authority.document(), None, rustls::ALL_VERSIONS);
        config.alpn_protocols = offer.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut pair = Pair::new(
            accept(&acceptor),
            connect(&Arc::new(config), "broker.example"),
        );
        match (pair.settle(|| usize::MAX), agreed) {
            (Ok(()), Some(agreed)) => {
                assert_eq!(pair.client.alpn_protocol(), agreed.map(|name| &name[..]));
            }
            (Err(Failed::Server(TransportError::Tls(_))), None) => {}
            (outcome, _) => panic!("{offer:?}: {outcome:?}"),
        }
    }
}

#[test]
fn both_sides_may_say_goodbye() {
    let authority = Authority::new();
    let acceptor = acceptor(settings(vec![authority.server(&["broker.example"])]));
    let config = plain_client(&authority);

    let mut pair = Pair::new(accept(&acceptor), connect(&config, "broker.example"));
    pair.settle(|| usize::MAX).expect("a handshake");
    pair.client_sends(b"disconnect");
    pair.client.send_close_notify();
    let ended = pair.settle(|| usize::MAX).expect_err("the end");
    assert!(
        matches!(ended, Failed::Server(TransportError::Ended)),
        "{ended:?}"
    );
    assert_eq!(pair.delivered.bytes, b"disconnect");

    let mut pair = Pair::new(accept(&acceptor), connect(&config, "broker.example"));
    pair.settle(|| usize::MAX).expect("a handshake");
    let mut wire = Vec::new();
    pair.transport.close(CloseReason::Normal, &mut wire);
    let once = wire.len();
    pair.transport.close(CloseReason::Normal, &mut wire);
    assert_eq!(wire.len(), once);
    assert!(pair.transport.send(b"late", &mut wire).is_err());
    pair.give(&wire).expect("close_notify");
    let state = pair.client.process_new_packets().expect("valid");
    assert!(state.peer_has_closed());
    // What the client had sent before is still heard.
    pair.client_sends(b"crossing");
    pair.settle(|| usize::MAX).expect("heard");
    assert_eq!(pair.delivered.bytes, b"crossing");
}

#[test]
fn keys_may_be_renewed_at_any_time() {
    let authority = Authority::new();
    let acceptor = acceptor(settings(vec![authority.server(&["broker.example"])]));
    let mut pair = Pair::new(
        accept(&acceptor),
        connect(&plain_client(&authority), "broker.example"),
    );
    pair.settle(|| 7).expect("a handshake");
    for _ in 0..3 {
        pair.client.refresh_traffic_keys().expect("TLS 1.3");
        pair.client_sends(b"renewed ");
        pair.settle(|| 7).expect("records");
        pair.server_sends(b"seen ");
    }
    assert_eq!(pair.delivered.bytes, b"renewed renewed renewed ");
    assert_eq!(pair.received, b"seen seen seen ");
}

#[test]
fn what_is_no_tls_gets_an_alert() {
    let authority = Authority::new();
    let acceptor = acceptor(settings(vec![authority.server(&["broker.example"])]));
    let mut transport = accept(&acceptor);
    let mut input = *b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0";
    let mut deliver = |incoming: Incoming<'_>| panic!("{incoming:?}");
    let outcome = transport.receive(&mut input, &mut deliver);
    assert!(
        matches!(outcome, Err(TransportError::Tls(_))),
        "{outcome:?}"
    );
    let mut wire = Vec::new();
    transport.take_output(&mut wire);
    // A fatal alert in a record.
    assert_eq!((wire[0], wire[5]), (21, 2), "{wire:?}");
    assert!(transport.send(b"x", &mut wire).is_err());
    transport.close(CloseReason::Protocol, &mut wire);
    assert!(
        transport.receive(&mut input, &mut deliver).is_ok(),
        "ignored"
    );
}

#[test]
fn unusable_files_are_named_with_the_reason() {
    let authority = Authority::new();
    let good = authority.server(&["a.example"]);
    let other = authority.server(&["b.example"]);
    let reason = |chain, key| {
        let wrong = settings(vec![ServerCertificate { chain, key }]);
        TlsServer::new(wrong).expect_err("wrong").to_string()
    };
    let key_and_chain = reason(good.key.clone(), good.key.clone());
    assert!(
        key_and_chain.starts_with("key.pem: holds no certificate"),
        "{key_and_chain}"
    );
    let no_key = reason(good.chain.clone(), good.chain.clone());
    assert!(
        no_key.starts_with("certificate.pem: holds no private key"),
        "{no_key}"
    );
    let mismatch = reason(good.chain.clone(), other.key);
    assert_eq!(
        mismatch,
        "key.pem: is not the key of the certificate in certificate.pem"
    );
    let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = reason(good.chain.clone(), document("key.pem", text.to_owned()));
    assert!(encrypted.contains("is encrypted"), "{encrypted}");
    let cut = document("key.pem", "-----BEGIN PRIVATE KEY-----\nAA".to_owned());
    let cut = reason(good.chain.clone(), cut);
    assert!(cut.starts_with("key.pem: malformed PEM"), "{cut}");

    let mut asking = asking(&authority, true, UserNameFrom::Connect);
    asking.clients.revoked = vec![good.chain];
    let list = TlsServer::new(asking.clone())
        .expect_err("no list")
        .to_string();
    assert!(list.contains("BEGIN X509 CRL"), "{list}");
    asking.clients.authorities.clear();
    assert!(TlsServer::new(asking).is_err());
    assert!(TlsServer::new(TlsSettings::default()).is_err());
}
