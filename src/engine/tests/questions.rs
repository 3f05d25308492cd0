//! Hooks that take their time: who waits, what overtakes, and that the end is always no.
//!
//! Owns nothing; the worlds are those of `world`, the opinions those of `rules`. Pure.

use super::SHARD_COUNTS;
use super::hooks::{connack, greet_as, greet_with};
use super::rules::Rules;
use super::world::{PLAIN, Seen, World};
use crate::engine::Limits;
use crate::hooks::{Answer, ExchangeBox, Grant, Inquiry, Phases, Step, Subject, Verdict};
use crate::protocol::{Packet, ProtocolVersion, QoS, ReasonCode};

const ALL: Phases = Phases::AUTHENTICATE
    .with(Phases::AUTHORIZE_PUBLISH)
    .with(Phases::AUTHORIZE_SUBSCRIBE)
    .with(Phases::EXCHANGE);

fn world(shards: u16) -> World {
    let chain = Rules::new(ALL).chain();
    World::with_rules(shards, Limits::default(), chain, Some(true))
}

fn in_worlds(test: impl Fn(&mut World)) {
    for shards in SHARD_COUNTS {
        test(&mut world(shards));
    }
}

fn only(mut inquiries: Vec<Inquiry>) -> Inquiry {
    assert_eq!(inquiries.len(), 1, "{inquiries:?}");
    inquiries.remove(0)
}

fn deny() -> Answer {
    Answer::Verdict(Verdict::Deny(ReasonCode::Banned))
}

#[test]
fn a_connect_waits_for_its_verdict_and_takes_over_only_then() {
    in_worlds(|world| {
        let first = greet_as(world, ProtocolVersion::V5, Some("good"));
        for (verdict, reason) in [
            (deny(), ReasonCode::Banned),
            (Answer::Panicked, ReasonCode::ImplementationSpecific),
            (Answer::Busy, ReasonCode::ServerBusy),
            (
                Answer::Verdict(Verdict::Ask),
                ReasonCode::ImplementationSpecific,
            ),
            (
                Answer::Verdict(Verdict::Next),
                ReasonCode::BadUserNameOrPassword,
            ),
            (Answer::Verdict(Verdict::Allow), ReasonCode::Success),
        ] {
            let second = greet_as(world, ProtocolVersion::V5, Some("ask"));
            let inquiry = only(world.questions());
            assert_eq!(connack(world, second), None);
            assert!(!world.is_closed(first), "nothing is taken over before");
            let good = reason == ReasonCode::Success;
            world.answer(inquiry.ticket, verdict);
            assert_eq!(connack(world, second), Some(reason));
            assert_eq!(
                (world.is_closed(first), world.is_closed(second)),
                (good, !good)
            );
        }
    });
}

#[test]
fn the_newest_connect_wins_whatever_order_their_verdicts_come_in() {
    for older_first in [true, false] {
        in_worlds(|world| {
            let older = greet_as(world, ProtocolVersion::V5, Some("ask"));
            let older_question = only(world.questions());
            let newer = greet_as(world, ProtocolVersion::V5, Some("ask"));
            let newer_question = only(world.questions());
            let yes = || Answer::Verdict(Verdict::Allow);
            if older_first {
                world.answer(older_question.ticket, yes());
                assert_eq!(connack(world, older), Some(ReasonCode::Success));
                world.answer(newer_question.ticket, yes());
            } else {
                world.answer(newer_question.ticket, yes());
                world.answer(older_question.ticket, yes());
                assert_eq!(connack(world, older), Some(ReasonCode::ServerBusy));
            }
            assert_eq!(connack(world, newer), Some(ReasonCode::Success));
            assert!(world.is_closed(older) && !world.is_closed(newer));
        });
    }
}

#[test]
fn a_newer_connect_that_is_refused_disturbs_nobody() {
    in_worlds(|world| {
        let older = greet_as(world, ProtocolVersion::V5, Some("ask"));
        let older_question = only(world.questions());
        let newer = greet_as(world, ProtocolVersion::V5, Some("ask"));
        let newer_question = only(world.questions());
        world.answer(newer_question.ticket, deny());
        assert!(world.is_closed(newer));
        world.answer(older_question.ticket, Answer::Verdict(Verdict::Allow));
        assert_eq!(connack(world, older), Some(ReasonCode::Success));
    });
}

#[test]
fn only_the_connection_that_asks_waits_and_its_packets_keep_their_order() {
    in_worlds(|world| {
        let subscriber = world.connect("subscriber", PLAIN);
        world.subscribe(subscriber, "#", QoS::AtMostOnce);
        let publisher = world.connect("publisher", PLAIN);
        let other = world.connect("other", PLAIN);
        world.settle();
        world.seen(subscriber);
        world.seen(publisher);
        world.publish(publisher, "ask/t", "1", QoS::AtLeastOnce, 1);
        world.publish(publisher, "t", "2", QoS::AtLeastOnce, 2);
        world.publish(publisher, "ask/t", "3", QoS::AtLeastOnce, 3);
        world.send(publisher, &Packet::PingReq);
        world.publish(other, "t", "other", QoS::AtMostOnce, 0);
        world.settle();
        assert_eq!(world.payloads(subscriber), ["other"]);
        assert!(world.seen(publisher).is_empty(), "not even the ping");
        let inquiry = only(world.questions());
        world.answer(inquiry.ticket, Answer::Verdict(Verdict::Allow));
        assert_eq!(
            world.payloads(subscriber),
            ["1", "2", "3"],
            "asked once per topic"
        );
        assert!(world.questions().is_empty());
        assert_eq!(world.seen(publisher).len(), 4);
    });
}

#[test]
fn a_question_that_nobody_answers_is_answered_no() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        world.seen(publisher);
        let newcomer = greet_as(world, ProtocolVersion::V3_1_1, Some("ask"));
        let first = only(world.questions());
        world.publish(publisher, "ask/t", "x", QoS::AtLeastOnce, 1);
        let second = only(world.questions());
        world.subscribe(publisher, "ask/f", QoS::AtLeastOnce);
        world.pass(9);
        assert!(world.seen(publisher).is_empty());
        world.pass(2);
        assert_eq!(connack(world, newcomer), Some(ReasonCode::NotAuthorized));
        assert!(world.is_closed(newcomer));
        let denied = Seen::Ack("PUBACK", 1, ReasonCode::NotAuthorized);
        assert_eq!(world.seen(publisher), [denied]);
        let third = only(world.questions());
        world.pass(11);
        assert_eq!(world.seen(publisher), [Seen::SubAck(77, vec![0x87])]);
        let late: u64 = world.engines.iter().map(|e| e.stats().questions_late).sum();
        assert_eq!(late, 3);
        // Answers that come after all change nothing.
        for inquiry in [first, second, third] {
            world.answer(inquiry.ticket, Answer::Verdict(Verdict::Allow));
        }
        assert!(world.seen(publisher).is_empty());
        let open: usize = world.engines.iter().map(|e| e.open_questions()).sum();
        assert_eq!(open, 0);
    });
}

#[test]
fn an_answer_for_a_connection_that_is_gone_changes_nothing() {
    in_worlds(|world| {
        let client = greet_as(world, ProtocolVersion::V5, Some("ask"));
        let inquiry = only(world.questions());
        world.lose(client);
        let next = greet_as(world, ProtocolVersion::V5, Some("ask"));
        let next_inquiry = only(world.questions());
        world.answer(inquiry.ticket, Answer::Verdict(Verdict::Allow));
        assert_eq!(connack(world, next), None, "not its answer");
        world.answer(next_inquiry.ticket, deny());
        assert_eq!(connack(world, next), Some(ReasonCode::Banned));
    });
}

#[test]
fn the_filters_of_one_subscribe_are_asked_about_one_by_one() {
    in_worlds(|world| {
        let client = world.connect("client", PLAIN);
        world.seen(client);
        // SUBSCRIBE by hand: three filters at QoS 0.
        let mut body = vec![0, 9, 0];
        for filter in ["ask/a", "deny/b", "ask/c"] {
            body.extend_from_slice(&[0, 5 + u8::from(filter.len() > 5)]);
            body.extend_from_slice(filter.as_bytes());
            body.push(0);
        }
        let mut packet = vec![0x82, u8::try_from(body.len()).expect("short")];
        packet.extend_from_slice(&body);
        world.send_bytes(client, &packet);
        world.settle();
        let first = only(world.questions());
        world.answer(first.ticket, Answer::Verdict(Verdict::Allow));
        assert!(world.seen(client).is_empty());
        let second = only(world.questions());
        world.answer(second.ticket, deny());
        // Banned is no reason of SUBACK.
        assert_eq!(world.seen(client), [Seen::SubAck(9, vec![0, 0x87, 0x87])]);
    });
}

#[test]
fn an_exchange_may_take_its_time_on_a_worker() {
    in_worlds(|world| {
        let client = greet_with(world, "COUNT", b"ask");
        let inquiry = only(world.questions());
        let Subject::Exchange { exchange, data, .. } = inquiry.subject else {
            panic!("not about an exchange");
        };
        assert_eq!(data.as_deref(), Some(&b"ask"[..]));
        let done = Step::Done(None, Grant::default());
        world.answer(inquiry.ticket, Answer::Step(ExchangeBox(exchange), done));
        assert_eq!(connack(world, client), Some(ReasonCode::Success));
    });
}

#[test]
fn what_asks_one_question_too_many_is_refused() {
    let mut world = world(1);
    let publisher = world.connect("publisher", PLAIN);
    world.seen(publisher);
    world.engines[0].fill_questions();
    world.publish(publisher, "ask/t", "x", QoS::AtLeastOnce, 1);
    world.settle();
    let refused = Seen::Ack("PUBACK", 1, ReasonCode::QuotaExceeded);
    assert_eq!(world.seen(publisher), [refused]);
    let late = greet_as(&mut world, ProtocolVersion::V5, Some("ask"));
    assert_eq!(connack(&mut world, late), Some(ReasonCode::ServerBusy));
    assert_eq!(world.engines[0].stats().questions_refused, 2);
}

#[test]
fn only_what_its_peer_alone_waits_for_may_end_with_it() {
    in_worlds(|world| {
        // CONNECT alone, and with something behind it.
        let alone = greet_as(world, ProtocolVersion::V5, Some("ask"));
        let inquiry = only(world.questions());
        assert!(world.awaits_in_vain(alone) && inquiry.awaited.by_anybody());
        world.send(alone, &Packet::PingReq);
        assert!(!world.awaits_in_vain(alone), "what was sent is heard");
        world.lose(alone);
        assert!(
            !inquiry.awaited.by_anybody(),
            "whoever works at it can stop"
        );
        // Of a connected client: a subscription, and a message.
        let client = world.connect("client", PLAIN);
        assert!(!world.awaits_in_vain(client), "it waits for nothing");
        world.subscribe(client, "ask/f", QoS::AtMostOnce);
        let inquiry = only(world.questions());
        assert!(world.awaits_in_vain(client));
        world.answer(inquiry.ticket, Answer::Verdict(Verdict::Allow));
        assert!(!inquiry.awaited.by_anybody());
        world.publish(client, "ask/t", "x", QoS::AtMostOnce, 0);
        assert!(!world.awaits_in_vain(client));
    });
}

#[test]
fn that_nobody_answered_is_not_remembered_as_a_decision() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        world.seen(publisher);
        for (silence, told) in [
            (None, ReasonCode::NotAuthorized),
            (Some(Answer::Busy), ReasonCode::QuotaExceeded),
            (Some(Answer::Panicked), ReasonCode::ImplementationSpecific),
        ] {
            world.publish(publisher, "ask/t", "x", QoS::AtLeastOnce, 1);
            let inquiry = only(world.questions());
            match silence {
                Some(answer) => world.answer(inquiry.ticket, answer),
                None => world.pass(11),
            }
            assert_eq!(world.seen(publisher), [Seen::Ack("PUBACK", 1, told)]);
        }
        world.publish(publisher, "ask/t", "x", QoS::AtLeastOnce, 1);
        let inquiry = only(world.questions());
        world.answer(inquiry.ticket, Answer::Verdict(Verdict::Allow));
        let told = Seen::Ack("PUBACK", 1, ReasonCode::Success);
        assert_eq!(world.seen(publisher), [told]);
    });
}

#[test]
fn an_answer_by_the_old_rules_counts_once_and_is_forgotten() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        world.seen(publisher);
        world.publish(publisher, "ask/t", "x", QoS::AtMostOnce, 0);
        let by_old_rules = only(world.questions());
        world.engines[0].chain.reload().expect("nothing to read");
        world.answer(by_old_rules.ticket, Answer::Verdict(Verdict::Allow));
        world.publish(publisher, "ask/t", "x", QoS::AtMostOnce, 0);
        let by_new_rules = only(world.questions());
        world.answer(by_new_rules.ticket, Answer::Verdict(Verdict::Allow));
        world.publish(publisher, "ask/t", "x", QoS::AtMostOnce, 0);
        assert!(world.questions().is_empty(), "decided");
    });
}

#[test]
fn a_second_answer_changes_nothing() {
    in_worlds(|world| {
        let publisher = world.connect("publisher", PLAIN);
        world.seen(publisher);
        world.publish(publisher, "ask/1", "x", QoS::AtLeastOnce, 1);
        world.publish(publisher, "ask/2", "x", QoS::AtLeastOnce, 2);
        let first = only(world.questions());
        world.answer(first.ticket, deny());
        let second = only(world.questions());
        world.answer(first.ticket, Answer::Verdict(Verdict::Allow));
        assert_eq!(world.seen(publisher).len(), 1, "the second still waits");
        world.answer(second.ticket, deny());
        let open: usize = world.engines.iter().map(|e| e.open_questions()).sum();
        assert_eq!(open, 0);
    });
}

#[test]
fn a_connection_has_one_timer_however_much_it_asks() {
    let mut world = world(1);
    let publisher = world.connect("publisher", PLAIN);
    let before = world.engines[0].timers.len();
    for number in 0..100 {
        let topic = format!("ask/{number}");
        world.publish(publisher, &topic, "x", QoS::AtMostOnce, 0);
        let inquiry = only(world.questions());
        world.answer(inquiry.ticket, Answer::Verdict(Verdict::Allow));
        assert!(world.engines[0].timers.len() <= before + 1);
    }
}

#[test]
fn all_questions_about_one_packet_share_its_time() {
    in_worlds(|world| {
        let client = world.connect("client", PLAIN);
        world.seen(client);
        // SUBSCRIBE by hand: four filters at QoS 0.
        let mut packet = vec![0x82, 34, 0, 9, 0];
        for filter in ["ask/a", "ask/b", "ask/c", "good/"] {
            packet.extend_from_slice(&[0, 5]);
            packet.extend_from_slice(filter.as_bytes());
            packet.push(0);
        }
        packet[1] = u8::try_from(packet.len() - 2).expect("short");
        world.send_bytes(client, &packet);
        world.settle();
        let first = only(world.questions());
        world.pass(8);
        world.answer(first.ticket, Answer::Verdict(Verdict::Allow));
        only(world.questions());
        world.pass(3);
        assert!(world.questions().is_empty(), "there is no time to ask");
        assert_eq!(
            world.seen(client),
            [Seen::SubAck(9, vec![0, 0x87, 0x87, 0])]
        );
    });
}

#[test]
fn a_refusal_that_connack_can_not_tell_is_told_as_not_authorized() {
    in_worlds(|world| {
        let client = greet_as(world, ProtocolVersion::V5, Some("ask"));
        let inquiry = only(world.questions());
        let reason = ReasonCode::PacketIdentifierInUse;
        world.answer(inquiry.ticket, Answer::Verdict(Verdict::Deny(reason)));
        assert_eq!(connack(world, client), Some(ReasonCode::NotAuthorized));
        assert!(world.is_closed(client));
    });
}
