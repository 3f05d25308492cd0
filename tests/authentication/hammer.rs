//! Guessing passwords does not slow down who is connected, nor who has been before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::files::{Folder, client, login, passwd};
use crate::support::broker::{Broker, unique};
use crate::support::wire::Version;

#[test]
fn wrong_passwords_slow_nobody_else() {
    let folder = Folder::new();
    let path = folder.path("users");
    // The expensive kind: each guess costs the broker 46 MiB and some ten milliseconds.
    assert!(
        passwd(&["-c", "-b", &path, "alice", "right"])
            .status
            .success()
    );
    let broker = Arc::new(Broker::start(2, &["--password-file", &path]).expect("of ours"));
    assert_eq!(
        login(&broker, Version::V5, "alice", "right"),
        0,
        "known from now on"
    );
    let mut connected = client(&broker, Version::V5, &unique("c"), "alice", "right");
    connected.subscribe("t", 1);

    let over = Arc::new(AtomicBool::new(false));
    let guesses = Arc::new(AtomicUsize::new(0));
    let attackers: Vec<_> = (0..8)
        .map(|number| {
            let (broker, over, guesses) = (broker.clone(), over.clone(), guesses.clone());
            std::thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let guess = guesses.fetch_add(1, Ordering::SeqCst);
                    let user = if number % 2 == 0 { "bob" } else { "mallory" };
                    let code = login(&broker, Version::V5, user, &format!("{guess}"));
                    assert!(code >= 0x80, "{code:#x}");
                }
            })
        })
        .collect();
    while guesses.load(Ordering::SeqCst) < 40 {
        let start = Instant::now();
        connected.publish("t", "through", 1);
        connected.expect_message("through");
        // Far below what one argon2id hash per attacker in a row would take.
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
        if guesses.load(Ordering::SeqCst) >= 25 {
            break;
        }
    }
    let start = Instant::now();
    assert_eq!(login(&broker, Version::V5, "alice", "right"), 0);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    over.store(true, Ordering::SeqCst);
    for attacker in attackers {
        attacker.join().expect("every guess was refused");
    }
}
