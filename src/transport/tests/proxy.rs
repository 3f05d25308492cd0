//! Promises of the PROXY header: whom it names, and what is refused.

use std::net::SocketAddr;

use proxy_header::{ProxiedAddress, ProxyHeader, SslInfo, Tlv};

use super::far_end::{Delivered, feed};
use crate::peer::Peer;
use crate::transport::proxy_protocol::{MAX_HEADER, ProxyError};
use crate::transport::{Acceptor, Established, Transport, TransportError};

fn acceptor() -> Acceptor {
    let trusted = "10.0.0.0/8".parse().expect("a network");
    Acceptor::plain().with_proxy_protocol([trusted].into_iter().collect())
}

fn transport() -> Transport {
    acceptor()
        .accept(Peer::from(([10, 0, 0, 1], 5)))
        .expect("trusted")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn version_2(tlvs: Vec<Tlv<'static>>) -> Vec<u8> {
    let proxied = ProxiedAddress::stream(address("[2001:db8::7]:1234"), address("[::1]:1883"));
    let mut wire = Vec::new();
    let header = ProxyHeader::with_tlvs(Some(proxied), tlvs);
    header.encode_v2(&mut wire).expect("fits");
    wire
}

fn certificate(verify: u32, shown: bool) -> Tlv<'static> {
    let mut ssl = SslInfo::new(true, shown, shown, verify);
    ssl.append_tlv(Tlv::SslVersion("TLSv1.3".into()));
    ssl.append_tlv(Tlv::SslCn("sensor".into()));
    Tlv::Ssl(ssl)
}

/// The facts, with the header cut at every place and MQTT right behind it.
fn facts(header: &[u8]) -> Established {
    let mut all: Vec<Established> = Vec::new();
    let wire = [header, b"mqtt"].concat();
    for cut in 1..=wire.len() {
        let mut transport = transport();
        let mut delivered = Delivered::default();
        let mut first = Some(cut);
        let cut = || first.take().unwrap_or(usize::MAX);
        feed(&mut transport, &mut delivered, &wire, cut).expect("a valid header");
        assert_eq!(delivered.bytes, b"mqtt");
        assert!(transport.is_transparent());
        all.push(delivered.established.expect("established"));
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    all.swap_remove(0)
}

#[test]
fn both_versions_name_the_client_wherever_they_are_cut() {
    let version_1 = facts(b"PROXY TCP4 192.0.2.7 10.0.0.1 1234 1883\r\n");
    assert_eq!(version_1.peer, Some(address("192.0.2.7:1234")));
    let version_1 = facts(b"PROXY TCP6 2001:db8::7 ::1 1234 1883\r\n");
    assert_eq!(version_1.peer, Some(address("[2001:db8::7]:1234")));
    let version_2 = facts(&version_2(vec![Tlv::Noop(7), Tlv::Authority("x".into())]));
    assert_eq!(version_2.peer, Some(address("[2001:db8::7]:1234")));
    assert_eq!(version_2.identity, None);
}

#[test]
fn a_proxys_own_connection_keeps_its_address() {
    assert_eq!(facts(b"PROXY UNKNOWN\r\n").peer, None);
    assert_eq!(facts(b"PROXY UNKNOWN ffff:: ffff:: 1 1\r\n").peer, None);
    let mut wire = Vec::new();
    ProxyHeader::with_local()
        .encode_v2(&mut wire)
        .expect("fits");
    assert_eq!(facts(&wire).peer, None);
}

#[test]
fn only_a_verified_certificate_is_an_identity() {
    let name = |verify, shown| {
        let identity = facts(&version_2(vec![certificate(verify, shown)])).identity;
        identity.and_then(|identity| identity.common_name)
    };
    assert_eq!(name(0, true).as_deref(), Some("sensor"));
    assert_eq!(name(1, true), None);
    assert_eq!(name(0, false), None);
}

#[test]
fn the_common_name_is_the_user_name_where_the_listener_says_so() {
    let begin = |tlv| {
        let peer = Peer::from(([10, 0, 0, 1], 5));
        let acceptor = acceptor().with_user_name_from_proxy();
        let mut transport = acceptor.accept(peer).expect("trusted");
        let mut delivered = Delivered::default();
        let wire = version_2(vec![tlv]);
        feed(&mut transport, &mut delivered, &wire, || usize::MAX)?;
        Ok(delivered.established.expect("established").identity)
    };
    let user_name = |tlv| {
        let identity: Result<_, TransportError> = begin(tlv);
        let identity = identity.expect("a valid header");
        identity.and_then(|identity| identity.user_name)
    };
    assert_eq!(user_name(certificate(0, true)).as_deref(), Some("sensor"));
    assert_eq!(user_name(certificate(1, true)), None);
    assert_eq!(user_name(certificate(0, false)), None);
    let nameless = begin(Tlv::Ssl(SslInfo::new(true, true, true, 0)));
    assert!(matches!(nameless, Err(TransportError::Nameless)));
}

#[test]
fn strangers_are_turned_away_before_they_speak() {
    for peer in ["192.0.2.1:5", "[::1]:5"] {
        let refused = acceptor().accept(Peer::from(address(peer)));
        assert!(matches!(refused, Err(TransportError::Untrusted)));
    }
}

#[test]
fn what_is_no_header_ends_the_connection() {
    let malformed = [
        &b"PROXY TCP4 1.2.3.4 5.6.7.8 99999 1\r\n"[..],
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 1\rx",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c............",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04....",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c............",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f............\x20\0\x09",
    ];
    for wire in malformed {
        let mut delivered = Delivered::default();
        let error = feed(&mut transport(), &mut delivered, wire, || 1).expect_err("malformed");
        assert!(
            matches!(error, TransportError::Proxy(ProxyError::Malformed)),
            "{error}"
        );
        assert!(delivered.established.is_none());
    }
    let error = feed(
        &mut transport(),
        &mut Delivered::default(),
        b"\x10\x0c",
        || 1,
    );
    assert!(matches!(
        error,
        Err(TransportError::Proxy(ProxyError::Missing))
    ));
}

#[test]
fn a_header_is_bounded() {
    let endless = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
    let error = feed(&mut transport(), &mut Delivered::default(), &endless, || 1);
    assert!(matches!(
        error,
        Err(TransportError::Proxy(ProxyError::Malformed))
    ));
    let large = version_2(vec![Tlv::Noop(MAX_HEADER)]);
    let error = feed(&mut transport(), &mut Delivered::default(), &large, || 16);
    assert!(matches!(
        error,
        Err(TransportError::Proxy(ProxyError::TooLong))
    ));
}

#[test]
fn a_line_that_is_too_long_is_refused_however_it_is_cut() {
    // Version 1 has 107 bytes, its end included.
    let line = |bytes: usize| [&b"PROXY UNKNOWN "[..], &vec![b'x'; bytes - 16], b"\r\n"].concat();
    for pieces in [1, 50, 106, 107, 108, 200] {
        let mut delivered = Delivered::default();
        feed(&mut transport(), &mut delivered, &line(107), || pieces).expect("just short enough");
        assert!(delivered.established.is_some());
        for length in [108, 150] {
            let mut delivered = Delivered::default();
            let error = feed(&mut transport(), &mut delivered, &line(length), || pieces);
            assert!(matches!(
                error,
                Err(TransportError::Proxy(ProxyError::Malformed))
            ));
        }
    }
}
