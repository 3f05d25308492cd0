//! SIGHUP: certificates are read again, connections stay.

use std::fs;

use crate::support::authority::Authority;
use crate::{client, serve, wait, wait_for_line, ways};

#[test]
fn certificates_are_renewed_without_dropping_connections_and_a_broken_file_changes_nothing() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let (old, new) = (
        before.server("server", &["localhost"]),
        after.server("server", &["localhost"]),
    );
    let mut options = vec!["--tls", "127.0.0.1:0", "--wss", "127.0.0.1:0"];
    options.extend(old.options());
    let broker = serve(&options, 2);
    let address = broker.addresses()[0];
    let way =
        |authority: &Authority| crate::support::stream::Way::Tls(address, authority.client(None));
    let is_known_by = |authority: &Authority| {
        let stream = crate::support::stream::Stream::open(&way(authority));
        let mut stream = stream.expect("it listens");
        stream.write_all(b"\xC0\x00").is_ok()
    };
    let mut early = client(&way(&before));
    assert_eq!(ways(&broker).len(), 2);

    fs::write(&old.key, "this is no key").expect("it is ours");
    broker.signal(libc::SIGHUP);
    let key = old.key.to_str().expect("a path of ours");
    wait_for_line(&broker, &["ERROR", "not reloaded", key]);
    assert!(is_known_by(&before), "the earlier certificate stays");
    early.ping();

    fs::copy(&new.certificate, &old.certificate).expect("they are ours");
    fs::copy(&new.key, &old.key).expect("they are ours");
    broker.signal(libc::SIGHUP);
    wait_for_line(&broker, &["certificates reloaded", "listeners=2"]);
    wait::until("the new certificate", || is_known_by(&after));
    assert!(!is_known_by(&before));
    early.ping();
    client(&way(&after)).ping();
    broker.stop();
}
