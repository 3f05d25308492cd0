//! Nothing that arrives makes a transport panic, grow without bound, or depend on
//! where the network cut it.

use proptest::prelude::*;

use super::authority::Authority;
use super::far_end::{Delivered, feed};
use crate::peer::Peer;
use crate::transport::tls::{TlsServer, TlsSettings};
use crate::transport::websocket::{Decoder, Piece, Role, Violation, WebSocketSettings, push_data};
use crate::transport::{Acceptor, Transport};

fn peer() -> Peer {
    Peer::from(([10, 0, 0, 1], 5))
}

/// One transport of each kind of first layer.
fn transports(kind: usize) -> Transport {
    thread_local! {
        static TLS: TlsServer = TlsServer::new(TlsSettings {
            certificates: vec![Authority::new().server(&["broker.example"])],
            ..TlsSettings::default()
        }).expect("valid");
    }
    let acceptor = match kind {
        0 => Acceptor::plain()
            .with_proxy_protocol(["0.0.0.0/0".parse().expect("all")].into_iter().collect()),
        1 => Acceptor::plain().with_tls(TLS.with(Clone::clone)),
        _ => Acceptor::plain().with_websocket(WebSocketSettings::default()),
    };
    acceptor.accept(peer()).expect("trusted")
}

/// What a transport makes of `wire`, all of it as text.
fn outcome(kind: usize, wire: &[u8], cut: impl FnMut() -> usize) -> String {
    let mut transport = transports(kind);
    let mut delivered = Delivered::default();
    let result = feed(&mut transport, &mut delivered, wire, cut);
    let mut output = Vec::new();
    transport.take_output(&mut output);
    let result = result.map_err(|error| error.to_string());
    format!("{result:?} {delivered:?} {output:?}")
}

fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    let known: [&[u8]; 6] = [
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c............",
        b"GET /mqtt HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"\x16\x03\x01\0\x80\x01\0\0\x7c\x03\x03",
        b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0",
        b"",
    ];
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    (
        prop::sample::select(known.to_vec()),
        noise,
        any::<Option<(prop::sample::Index, u8)>>(),
    )
        .prop_map(|(known, noise, change)| {
            let mut wire = [known, &noise].concat();
            if let Some((index, byte)) = change.filter(|_| !wire.is_empty()) {
                let at = index.index(wire.len());
                wire[at] = byte;
            }
            wire
        })
}

/// Everything that a decoder says about `wire`.
fn decoded(
    wire: &[u8],
    mut cut: impl FnMut() -> usize,
) -> (Vec<u8>, Vec<String>, Option<Violation>) {
    let mut decoder = Decoder::new(Role::Server, 5000);
    let (mut data, mut control) = (Vec::new(), Vec::new());
    let mut wire = wire.to_vec();
    let mut rest = &mut wire[..];
    while !rest.is_empty() {
        let len = cut().clamp(1, rest.len());
        let (piece, next) = rest.split_at_mut(len);
        rest = next;
        let result = decoder.receive(piece, &mut |piece| {
            match piece {
                Piece::Data(bytes) => data.extend_from_slice(bytes),
                other @ (Piece::Ping(_) | Piece::Close(_)) => {
                    control.push(format!("{} {other:?}", data.len()));
                }
            }
            Ok::<(), Violation>(())
        });
        if let Err(violation) = result {
            return (data, control, Some(violation));
        }
    }
    (data, control, None)
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        kind in 0usize..3,
        wire in beginnings(),
        cuts in prop::collection::vec(1usize..40, 1..20),
    ) {
        let mut cuts = cuts.into_iter().cycle();
        let whole = outcome(kind, &wire, || usize::MAX);
        let cut = outcome(kind, &wire, || cuts.next().expect("endless"));
        // Records of TLS are judged when whole, and what is sent first may differ.
        if kind != 1 {
            prop_assert_eq!(whole, cut);
        }
    }

    #[test]
    fn frames_mean_the_same_wherever_they_are_cut(
        frames in prop::collection::vec(
            (any::<u8>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)),
            0..12,
        ),
        cuts in prop::collection::vec(1usize..40, 1..20),
    ) {
        let mut wire = Vec::new();
        for (head, sane, payload) in frames {
            let start = wire.len();
            push_data(&payload, Some([head, 1, 2, 3]), &mut wire);
            wire[start] = if sane { [0x82, 0x02, 0x80, 0x89, 0x8a][usize::from(head) % 5] } else { head };
        }
        let mut cuts = cuts.into_iter().cycle();
        let whole = decoded(&wire, || usize::MAX);
        prop_assert_eq!(&decoded(&wire, || cuts.next().expect("endless")), &whole);
        prop_assert_eq!(&decoded(&wire, || 1), &whole);
    }
}
