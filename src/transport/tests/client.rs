//! Our client against our server, all layers, bytes cut anywhere.

use proptest::prelude::*;

use super::authority::Authority;
use super::far_end::{Delivered, feed};
use crate::peer::Peer;
use crate::transport::client::{
    AnswerError, ClientTransport, Connector, TlsClient, TlsClientSettings, WebSocketClient,
};
use crate::transport::tls::{TlsServer, TlsSettings};
use crate::transport::websocket::{DEFAULT_MAX_FRAME, WebSocketSettings};
use crate::transport::{Acceptor, CloseReason, Transport, TransportError};

fn websocket(path: &str) -> WebSocketClient {
    WebSocketClient {
        authority: "broker.example:8083".to_owned(),
        path: path.to_owned(),
        subprotocol: "mqtt",
        fields: vec![("User-Agent".to_owned(), "test".to_owned())],
        max_frame: DEFAULT_MAX_FRAME,
    }
}

fn sides(authority: &Authority, with_tls: bool, with_websocket: bool) -> (Acceptor, Connector) {
    let mut acceptor = Acceptor::plain();
    let mut connector = Connector::default();
    if with_tls {
        let server = TlsServer::new(TlsSettings {
            certificates: vec![authority.server(&["broker.example"])],
            ..TlsSettings::default()
        });
        acceptor = acceptor.with_tls(server.expect("valid"));
        let client = TlsClient::new(&TlsClientSettings {
            authorities: vec![authority.document()],
            server_name: "broker.example".to_owned(),
            ..TlsClientSettings::default()
        });
        connector.tls = Some(client.expect("valid"));
    }
    if with_websocket {
        let settings = WebSocketSettings {
            path: Some("/mqtt".to_owned()),
            ..WebSocketSettings::default()
        };
        acceptor = acceptor.with_websocket(settings);
        connector.websocket = Some(websocket("/mqtt"));
    }
    (acceptor, connector)
}

struct Both {
    server: Transport,
    delivered: Delivered,
    client: ClientTransport,
    received: Vec<u8>,
}

impl Both {
    fn new((acceptor, connector): &(Acceptor, Connector)) -> Self {
        let peer = Peer::from(([192, 0, 2, 1], 5));
        Self {
            server: acceptor.accept(peer).expect("everybody may"),
            delivered: Delivered::default(),
            client: connector.open([7; 16]).expect("valid"),
            received: Vec::new(),
        }
    }

    fn client_sent(
        &mut self,
        wire: &[u8],
        cut: &mut dyn FnMut() -> usize,
    ) -> Result<(), TransportError> {
        feed(&mut self.server, &mut self.delivered, wire, cut)
    }

    fn server_sent(
        &mut self,
        wire: &[u8],
        cut: &mut dyn FnMut() -> usize,
    ) -> Result<(), TransportError> {
        let mut wire = wire.to_vec();
        let mut rest = &mut wire[..];
        while !rest.is_empty() {
            let len = cut().clamp(1, rest.len());
            let (piece, next) = rest.split_at_mut(len);
            rest = next;
            let received = &mut self.received;
            self.client
                .receive(piece, &mut |bytes| received.extend_from_slice(bytes))?;
        }
        Ok(())
    }

    fn settle(&mut self, cut: &mut dyn FnMut() -> usize) -> Result<(), TransportError> {
        loop {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            self.client.take_output(&mut there);
            let heard = self.client_sent(&there, cut);
            self.server.take_output(&mut back);
            let answered = self.server_sent(&back, cut);
            heard?;
            answered?;
            if there.is_empty() && back.is_empty() {
                return Ok(());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Every stack of layers carries every byte, both ways, whatever is cut.
    #[test]
    fn layers_carry_bytes_unchanged(
        tls: bool,
        web: bool,
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 1..8),
        cuts in prop::collection::vec(prop_oneof![1usize..8, 1usize..5000], 1..50),
    ) {
        thread_local! {
            static AUTHORITY: Authority = Authority::new();
        }
        let sides = AUTHORITY.with(|authority| sides(authority, tls, web));
        let mut both = Both::new(&sides);
        let mut cuts = cuts.into_iter().cycle();
        let mut cut = || cuts.next().expect("endless");
        if both.client.is_established() {
            prop_assert!(!tls && !web);
        }
        both.settle(&mut cut).expect("handshakes");
        prop_assert!(both.client.is_established());
        prop_assert!(both.server.is_established() || !(tls || web));
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for message in &messages {
            both.client.send(message, &mut there).expect("open");
        }
        both.client_sent(&there, &mut cut).expect("heard");
        for message in &messages {
            both.server.send(message, &mut back).expect("open");
        }
        both.server_sent(&back, &mut cut).expect("heard");
        let all = messages.concat();
        prop_assert_eq!(&both.delivered.bytes, &all);
        prop_assert_eq!(&both.received, &all);

        let mut wire = Vec::new();
        both.server.close(CloseReason::GoingAway, &mut wire);
        let ended = both.server_sent(&wire, &mut cut);
        prop_assert_eq!(matches!(ended, Err(TransportError::Ended)), tls || web);
    }
}

#[test]
fn a_client_is_told_why_there_is_no_websocket() {
    let authority = Authority::new();
    let (acceptor, mut connector) = sides(&authority, true, true);
    connector.websocket = Some(websocket("/elsewhere"));
    let mut both = Both::new(&(acceptor, connector));
    let mut whole = || usize::MAX;
    let refused = both.settle(&mut whole).expect_err("the server refuses");
    assert!(matches!(refused, TransportError::Refused(_)), "{refused}");

    let (acceptor, mut connector) = sides(&authority, false, true);
    connector.websocket = Some(websocket("/elsewhere"));
    let mut both = Both::new(&(acceptor, connector));
    let mut request = Vec::new();
    both.client.take_output(&mut request);
    let _ = both.client_sent(&request, &mut whole);
    let mut answer = Vec::new();
    both.server.take_output(&mut answer);
    let told = both.server_sent(&answer, &mut || 1).expect_err("refused");
    let TransportError::Answer(AnswerError::Refused { status, reason }) = told else {
        panic!("{told}");
    };
    assert_eq!((status, reason.as_str()), (404, "Not Found"));
}

#[test]
fn an_answer_that_proves_nothing_is_no_upgrade() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let (_, connector) = sides(&Authority::new(), false, true);
        let mut client = connector.open([1; 16]).expect("valid");
        let mut answer = answer.as_bytes().to_vec();
        let outcome = client.receive(&mut answer, &mut |_| panic!("no bytes"));
        assert!(
            matches!(outcome, Err(TransportError::Answer(_))),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_server_of_another_name_or_authority_is_not_believed() {
    let authority = Authority::new();
    let (acceptor, _) = sides(&authority, true, false);
    let connector = |authority: &Authority, any_name, server_name: &str| Connector {
        tls: Some(
            TlsClient::new(&TlsClientSettings {
                authorities: vec![authority.document()],
                any_name,
                server_name: server_name.to_owned(),
                ..TlsClientSettings::default()
            })
            .expect("valid"),
        ),
        ..Connector::default()
    };
    let outcome = |connector: Connector| {
        let peer = Peer::from(([192, 0, 2, 1], 5));
        let mut both = Both {
            server: acceptor.accept(peer).expect("everybody may"),
            delivered: Delivered::default(),
            client: connector.open([7; 16]).expect("valid"),
            received: Vec::new(),
        };
        both.settle(&mut || usize::MAX)
    };
    assert!(outcome(connector(&authority, false, "broker.example")).is_ok());
    assert!(outcome(connector(&authority, false, "192.0.2.1")).is_err());
    assert!(outcome(connector(&authority, true, "192.0.2.1")).is_ok());
    assert!(outcome(connector(&Authority::new(), true, "broker.example")).is_err());
}
