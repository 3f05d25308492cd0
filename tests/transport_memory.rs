//! What an idle connection's transport costs in memory, as README states it.
//!
//! Owns a counting allocator, so it is a process of its own. Runs real handshakes
//! in memory; the clients are gone when the servers' bytes are counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ringmq::peer::Peer;
use ringmq::transport::client::{Connector, TlsClient, TlsClientSettings, WebSocketClient};
use ringmq::transport::tls::{Document, ServerCertificate, TlsServer, TlsSettings};
use ringmq::transport::websocket::WebSocketSettings;
use ringmq::transport::{Acceptor, Transport};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many connections the mean is of.
const CONNECTIONS: usize = 64;

fn established(acceptor: &Acceptor, connector: &Connector) -> Transport {
    let peer = Peer::from(([127, 0, 0, 1], 1));
    let mut server = acceptor.accept(peer).expect("everybody may");
    let mut client = connector.open([3; 16]).expect("valid");
    loop {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        client.take_output(&mut there);
        server
            .receive(&mut there, &mut |_| {})
            .expect("a handshake");
        server.take_output(&mut back);
        client.receive(&mut back, &mut |_| {}).expect("a handshake");
        if there.is_empty() && back.is_empty() {
            break;
        }
    }
    // A message each way, so that nothing is still to be allocated or given back.
    let (mut there, mut back) = (Vec::new(), Vec::new());
    client.send(&[0; 1000], &mut there).expect("open");
    for byte in &mut there {
        server
            .receive(std::slice::from_mut(byte), &mut |_| {})
            .expect("valid");
    }
    server.send(&[0; 1000], &mut back).expect("open");
    assert!(server.is_established());
    server
}

/// Bytes of heap and of the value itself per idle connection.
fn idle(acceptor: &Acceptor, connector: &Connector) -> usize {
    let open: Vec<Transport> = (0..CONNECTIONS)
        .map(|_| established(acceptor, connector))
        .collect();
    let with = LIVE.load(Ordering::Relaxed);
    drop(open);
    (with - LIVE.load(Ordering::Relaxed)) / CONNECTIONS
}

#[test]
fn an_idle_transport_is_small() {
    let made = rcgen::generate_simple_self_signed(["broker.example".to_owned()]).expect("valid");
    let document = |name: &str, pem: String| Document {
        name: name.to_owned(),
        bytes: pem.into_bytes(),
    };
    let chain = document("certificate.pem", made.cert.pem());
    let key = document("key.pem", made.signing_key.serialize_pem());
    let server = TlsServer::new(TlsSettings {
        certificates: vec![ServerCertificate {
            chain: chain.clone(),
            key,
        }],
        ..TlsSettings::default()
    })
    .expect("valid");
    let client = TlsClient::new(&TlsClientSettings {
        authorities: vec![chain],
        server_name: "broker.example".to_owned(),
        ..TlsClientSettings::default()
    })
    .expect("valid");
    let websocket = WebSocketClient {
        authority: "broker.example".to_owned(),
        path: "/mqtt".to_owned(),
        subprotocol: "mqtt",
        fields: Vec::new(),
        max_frame: 1 << 20,
    };

    let web = idle(
        &Acceptor::plain().with_websocket(WebSocketSettings::default()),
        &Connector {
            tls: None,
            websocket: Some(websocket.clone()),
        },
    );
    let tls = idle(
        &Acceptor::plain().with_tls(server.clone()),
        &Connector {
            tls: Some(client.clone()),
            websocket: None,
        },
    );
    let both = idle(
        &Acceptor::plain()
            .with_tls(server)
            .with_websocket(WebSocketSettings::default()),
        &Connector {
            tls: Some(client),
            websocket: Some(websocket),
        },
    );
    println!("idle transport: WebSocket {web} B, TLS 1.3 {tls} B, both {both} B");
    assert!(web < 100, "{web} B");
    assert!(tls < 4096, "{tls} B");
    assert!(both < 4096, "{both} B");
}
