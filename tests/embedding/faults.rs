//! Rules that break: they panic, never answer, answer late, or answer nobody.
//!
//! Owns nothing. The broker goes on whatever happens.

use std::time::Duration;

use ringmq::broker::Limits;
use ringmq::hooks::Verdict;

use crate::silent::{slow, with_silence};
use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::wire::{Connect, Publish};
use crate::wait::until;

#[test]
fn a_panic_is_a_refusal_and_everything_else_goes_on() {
    with_silence(Limits::default(), |_, broker, target| {
        let mut other = Client::v5(target);
        let connect = Connect::v5(&unique("c")).username("panic").password(b"p");
        assert_eq!(Client::start(target, &connect).expect_connack().code, 0x83);
        other.send_publish(&Publish::new("panic", "x").qos(1).id(1));
        assert_eq!(other.expect_puback(1).reason, 0x83);
        // On a worker thread.
        let mut broken = Client::start(target, &slow(&unique("break")));
        assert_eq!(broken.expect_connack().code, 0x83);
        other.ping();
        until("all are counted", || broker.hook_panics() == 3);
    });
}

#[test]
fn a_hook_that_never_answers_says_no_in_time() {
    let mut limits = Limits::default();
    limits.verdict_timeout = Duration::from_secs(1);
    with_silence(limits, |silent, _, target| {
        let mut client = Client::start(target, &slow(&unique("c")));
        assert_eq!(client.expect_connack().code, 0x87);
        let (_, late) = silent.take();
        late.answer(Verdict::Allow);
        let mut writer = Client::v5(target);
        writer.send_publish(&Publish::new("slow", "x").qos(1).id(1));
        assert_eq!(writer.expect_puback(1).reason, 0x87);
        writer.ping();
        drop(silent.take());
    });
}

#[test]
fn a_reply_that_is_dropped_says_no_at_once() {
    with_silence(Limits::default(), |silent, _, target| {
        let mut client = Client::start(target, &slow(&unique("c")));
        drop(silent.take());
        assert_eq!(client.expect_connack().code, 0x87);
    });
}

#[test]
fn an_answer_may_come_from_any_thread_and_to_nobody() {
    with_silence(Limits::default(), |silent, _, target| {
        let gone = Client::start(target, &slow(&unique("c")));
        let (_, reply) = silent.take();
        drop(gone);
        reply.answer(Verdict::Allow);
        let mut client = Client::start(target, &slow(&unique("c")));
        let (_, reply) = silent.take();
        std::thread::spawn(move || reply.answer(Verdict::Allow));
        assert_eq!(client.expect_connack().code, 0);
    });
}

#[test]
fn while_one_waits_the_others_are_served_and_nothing_is_taken_over() {
    with_silence(Limits::default(), |silent, _, target| {
        let id = unique("c");
        let mut first = Client::connect(target, &Connect::v5(&id));
        let mut second = Client::start(target, &slow(&id));
        let (_, reply) = silent.take();
        first.ping();
        let mut third = Client::start(target, &slow(&id));
        let (_, newer) = silent.take();
        newer.answer(Verdict::Allow);
        assert_eq!(third.expect_connack().code, 0);
        first.expect_error(&[0x8E]);
        reply.answer(Verdict::Allow);
        assert_eq!(
            second.expect_connack().code,
            0x89,
            "a later CONNECT has won"
        );
        third.ping();
    });
}
