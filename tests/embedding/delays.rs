//! What guessing passwords costs.
//!
//! Owns nothing. Times are bounds from below: a slow machine makes no test fail.

use std::time::{Duration, Instant};

use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::wire::Connect;
use crate::with_brokers;

fn attempt(target: &crate::Target, user: &str, password: &[u8]) -> (u8, Duration) {
    let began = Instant::now();
    let connect = Connect::v5(&unique("c")).username(user).password(password);
    let code = Client::start(target, &connect).expect_connack().code;
    (code, began.elapsed())
}

#[test]
fn guesses_get_slower_and_the_right_password_still_opens() {
    with_brokers(
        |builder| builder.check_password(|_, password| password == b"right"),
        |_, target| {
            for _ in 0..7 {
                assert_eq!(attempt(target, "victim", b"wrong").0, 0x86);
            }
            let (code, took) = attempt(target, "victim", b"right");
            assert_eq!(code, 0, "nobody is locked out");
            assert!(took >= Duration::from_millis(250), "{took:?}");
            // Who has logged in starts anew.
            assert_eq!(attempt(target, "victim", b"right").0, 0);
        },
    );
}

#[test]
fn delays_can_be_switched_off() {
    with_brokers(
        |builder| {
            builder
                .login_delays(false)
                .check_password(|_, password| password == b"right")
        },
        |broker, target| {
            for _ in 0..40 {
                assert_eq!(attempt(target, "victim", b"wrong").0, 0x86);
            }
            let asked: u64 = broker
                .stats()
                .iter()
                .map(|shard| shard.engine.questions_asked)
                .sum();
            assert_eq!(asked, 40, "one question each: the password");
        },
    );
}
