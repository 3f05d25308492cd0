//! HAProxy in front of the broker, configured as README.md says.
//!
//! Owns the proxy's process. Its listening socket is one of ours, which it inherits, so that
//! no port is guessed. Skipped loudly where HAProxy is not installed.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::process::{Broker, scratch, skipped};
use crate::programs::{find, inherit};
use crate::support::authority::{Authority, Issued};
use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::stream::{Socket, Stream};
use crate::support::wire::{Connect, Publish, Version};
use crate::{readme_block, serve, wait_for_line};

struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// The configuration of README.md with our places in it, and with this way to tell the
    /// broker who is there.
    fn start(haproxy: &Path, tell: &str, server: &Issued, broker: SocketAddr) -> Self {
        let folder = scratch(&format!("haproxy-{tell}"));
        let write = |name: &str, content: &str| {
            let file = folder.join(name);
            std::fs::write(&file, content).expect("the folder is writable");
            file.display().to_string()
        };
        let read = |file: &Path| std::fs::read_to_string(file).expect("issued");
        let pem = read(&server.certificate) + &read(&server.key);
        let pem = write("server.pem", &pem);
        let authority = Authority::shared().file.display().to_string();
        let mut config = readme_block("haproxy");
        for (theirs, ours) in [
            ("bind :8883", "bind fd@3"),
            ("/etc/haproxy/server.pem", pem.as_str()),
            ("/etc/haproxy/ca.pem", &authority),
            ("10.0.0.2:1883", &broker.to_string()),
            ("send-proxy-v2-ssl-cn", tell),
        ] {
            assert!(config.contains(theirs), "{theirs}: {config}");
            config = config.replace(theirs, ours);
        }
        let config = write("haproxy.cfg", &config);
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let mut command = Command::new(haproxy);
        command.args(["-db", "-f", &config]).stdin(Stdio::null());
        inherit(&mut command, vec![socket.into()]);
        let child = command.spawn().expect("it can be started");
        Self { child, address }
    }

    /// A client through the proxy: its own address, and itself once it is let in.
    fn client(&self, certificate: Option<&Issued>, name: &str, user: &str) -> (SocketAddr, Client) {
        let config = Authority::shared().client(certificate);
        let socket = Socket::tls(self.address, &config, "localhost").expect("it listens");
        let Socket::Tls(stream) = &socket else {
            panic!("TLS was asked for");
        };
        let own = stream.sock.local_addr().expect("it is connected");
        let mut client = Client::on(Stream::Direct(socket), Version::V5, true);
        client.send_connect(&Connect::v5(name).username(user));
        assert_eq!(client.expect_connack().code, 0);
        (own, client)
    }
}

/// A broker that takes names from a proxy alone, and where a name is worth something.
fn broker(folder: &Path) -> Broker {
    let acl = folder.join("acl");
    std::fs::write(&acl, "pattern readwrite of/%u/#\n").expect("the folder is writable");
    let own = "127.0.0.1:0,allow-anonymous,proxy-protocol,proxy-trusted=127.0.0.1";
    let own = format!("{own},use-identity-as-username,acl-file={}", acl.display());
    serve(&["--tcp", &own], 1)
}

fn may_publish(client: &mut Client, topic: &str) -> bool {
    let id = client.fresh_id();
    client.send_publish(&Publish::new(topic, "x").qos(1).id(id));
    client.expect_puback(id).reason < 0x80
}

#[test]
fn haproxy_tells_who_its_clients_are() {
    let Some(haproxy) = find("haproxy") else {
        return skipped("HAProxy", "install the package haproxy");
    };
    let authority = Authority::shared();
    let server = authority.server("haproxy", &["localhost"]);
    let sensor = authority.issue("haproxy-sensor", "sensor-7", &[]);
    let broker = broker(&scratch("haproxy"));
    for (tell, names) in [
        ("send-proxy", false),
        ("send-proxy-v2", false),
        ("send-proxy-v2-ssl-cn", true),
    ] {
        let proxy = Proxy::start(&haproxy, tell, &server, broker.address());
        for certificate in [Some(&sensor), None] {
            let id = unique("proxied");
            let (own, mut client) = proxy.client(certificate, &id, "root");
            wait_for_line(&broker, &["connected", &id, &format!("peer={own}")]);
            let (claimed, certified) = if names && certificate.is_some() {
                (false, true)
            } else {
                (true, false)
            };
            assert_eq!(may_publish(&mut client, "of/root/x"), claimed, "{tell}");
            assert_eq!(
                may_publish(&mut client, "of/sensor-7/x"),
                certified,
                "{tell}"
            );
            client.disconnect();
        }
    }
    broker.stop();
}
