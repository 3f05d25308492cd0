//! The beginning of a connection is answered the same wherever it is cut: PROXY
//! headers and WebSocket's request, with what follows them.
//!
//! Owns the listeners that are tried. Pure.

use ringmq::peer::Peer;
use ringmq::transport::proxy_protocol::{HeaderReader, MAX_HEADER};
use ringmq::transport::websocket::{Page, WebSocketSettings};
use ringmq::transport::{Acceptor, Incoming, TrustedPeers};

use super::cuts::feed;
use super::input::Input;

/// What came of a connection.
#[derive(PartialEq, Eq, Debug, Default)]
struct Story {
    facts: Option<String>,
    bytes: Vec<u8>,
    output: Vec<u8>,
    error: Option<String>,
    over: bool,
}

/// A PROXY header, then bytes.
pub fn proxy_header(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(pattern) = input.byte() else { return };
    let wire = input.rest();
    let acceptor = Acceptor::plain().with_proxy_protocol(everybody());
    let story = story(&acceptor, 0, wire);
    assert_eq!(story, self::story(&acceptor, pattern, wire));
    assert_eq!(story, self::story(&acceptor, 1, wire));
    assert!(story.output.is_empty(), "there is no answer to a header");

    if let Ok(Some((used, proxied))) = HeaderReader::default().read(wire) {
        assert!(used <= wire.len().min(MAX_HEADER));
        assert_eq!(story.bytes, wire[used..]);
        for cut in 0..used {
            let part = HeaderReader::default().read(&wire[..cut]);
            assert_eq!(part, Ok(None), "a header without its end");
        }
        let peer = proxied.peer.map(|peer| peer.ip());
        assert!(peer.is_none_or(|peer| !format!("{peer}").is_empty()));
    }
}

/// A request for WebSocket, then frames.
pub fn handshake(data: &[u8]) {
    let mut input = Input::new(data);
    let (Some(choice), Some(pattern)) = (input.byte(), input.byte()) else {
        return;
    };
    let page = Page {
        content_type: "text/html",
        body: b"page",
        policy: "default-src 'none'",
    };
    let acceptor = Acceptor::plain().with_websocket(WebSocketSettings {
        path: (choice & 1 != 0).then(|| "/mqtt".to_owned()),
        origins: (choice & 2 != 0)
            .then(|| "https://a".to_owned())
            .into_iter()
            .collect(),
        forwarders: if choice & 4 != 0 {
            everybody()
        } else {
            TrustedPeers::default()
        },
        max_frame: 1000,
        page: (choice & 8 != 0).then_some(page),
    });
    let wire = input.rest();
    let story = story(&acceptor, 0, wire);
    // Which of several pongs is still waiting does not depend on cuts here: all of
    // the output is taken at the end.
    assert_eq!(story, self::story(&acceptor, pattern, wire));
    assert_eq!(story, self::story(&acceptor, 1, wire));
    let upgraded = story.output.starts_with(b"HTTP/1.1 101 ");
    assert_eq!(upgraded, story.facts.is_some());
    assert!(story.output.is_empty() || story.output.starts_with(b"HTTP/1.1 "));
    assert!(story.output.len() < 1000);
    if !upgraded && !story.output.is_empty() {
        assert!(
            story.error.is_some(),
            "an answer but the upgrade is the end"
        );
    }
}

fn everybody() -> TrustedPeers {
    let networks = ["0.0.0.0/0", "::/0"];
    let trusted = networks.map(|network| network.parse().expect("a network"));
    trusted.into_iter().collect()
}

fn story(acceptor: &Acceptor, pattern: u8, wire: &[u8]) -> Story {
    let peer = Peer::from(([127, 0, 0, 1], 1));
    let mut transport = acceptor.accept(peer).expect("everybody is trusted");
    let mut story = Story::default();
    let outcome = feed(pattern, wire, |piece| {
        transport.receive(piece, &mut |incoming| match incoming {
            Incoming::Established(facts) => {
                assert!(story.facts.is_none() && story.bytes.is_empty());
                story.facts = Some(format!("{facts:?}"));
            }
            Incoming::Bytes(bytes) => {
                assert!(story.facts.is_some() && !bytes.is_empty());
                story.bytes.extend_from_slice(bytes);
            }
        })
    });
    story.error = outcome.err().map(|error| error.to_string());
    transport.take_output(&mut story.output);
    // Nothing is heard any more after an error.
    story.over = transport.receive(&mut [0; 3], &mut |_| {}).is_ok();
    assert!(story.over || story.error.is_none());
    story
}
