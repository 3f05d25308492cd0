//! One hook in all phases: which of them run when, over real sockets.
//!
//! Owns the hook's diary.

use std::sync::{Arc, Mutex};

use ringmq::hooks::{
    Client as HookClient, Credentials, DeliverRequest, DropReason, Exchange, Grant, Hook, Outgoing,
    Parting, Phases, PublishRequest, Step, SubscribeRequest, Treatment, Verdict,
};
use ringmq::protocol::{QoS, ReasonCode};

use crate::support::broker::unique;
use crate::support::client::Client;
use crate::support::wire::{Connect, Properties, Publish, Will, property};
use crate::wait::until;
use crate::with_brokers;

/// Writes down what it is told; refuses what is called `no`.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, client: &str, what: &str) {
        let line = format!("{client}: {what}");
        self.0.lock().expect("not poisoned").push(line);
    }

    /// What was noted about a client since the last look.
    fn about(&self, client: &str) -> Vec<String> {
        let mut lines = self.0.lock().expect("not poisoned");
        let start = format!("{client}: ");
        let (own, others) = lines.drain(..).partition(|line| line.starts_with(&start));
        *lines = others;
        let own: Vec<String> = own;
        own.iter()
            .map(|line| line[start.len()..].to_owned())
            .collect()
    }
}

fn opinion(name: &str) -> Verdict {
    if name.ends_with("no") {
        Verdict::Deny(ReasonCode::NotAuthorized)
    } else {
        Verdict::Allow
    }
}

struct Willing;

impl Exchange for Willing {
    fn step(&mut self, _: Option<&[u8]>) -> Step {
        Step::Done(None, Grant::default())
    }
}

impl Hook for Diary {
    fn phases(&self) -> Phases {
        Phases::ALL
    }

    fn connect(&self, attempt: &Credentials) -> Verdict {
        self.note(attempt.client_id(), "connect");
        Verdict::Next
    }

    fn authenticate(&self, attempt: &Credentials) -> Verdict {
        self.note(attempt.client_id(), "authenticate");
        opinion(attempt.user_name().unwrap_or_default())
    }

    fn exchange(&self, attempt: &Credentials, method: &str) -> Option<Box<dyn Exchange>> {
        self.note(attempt.client_id(), &format!("exchange {method}"));
        Some(Box::new(Willing))
    }

    fn authorize_publish(&self, client: &HookClient, request: &PublishRequest<'_>) -> Verdict {
        let what = if request.will {
            "authorize will"
        } else {
            "authorize"
        };
        self.note(client.client_id(), &format!("{what} {}", request.topic));
        opinion(request.topic)
    }

    fn authorize_subscribe(&self, client: &HookClient, request: &SubscribeRequest<'_>) -> Verdict {
        let filter = request.filter.as_str();
        self.note(client.client_id(), &format!("may subscribe {filter}"));
        opinion(filter)
    }

    fn publish(&self, client: &HookClient, message: &mut Outgoing<'_>) -> Treatment {
        self.note(client.client_id(), &format!("publish {}", message.topic()));
        Treatment::Next
    }

    fn deliver(&self, client: &HookClient, request: &DeliverRequest<'_>) -> Verdict {
        self.note(client.client_id(), &format!("deliver {}", request.topic));
        Verdict::Next
    }

    fn refused(&self, attempt: &Credentials, reason: ReasonCode) {
        self.note(attempt.client_id(), &format!("refused {:#x}", reason as u8));
    }

    fn subscribed(&self, client: &HookClient, filter: &str, granted: QoS) {
        self.note(
            client.client_id(),
            &format!("subscribed {filter} {}", granted as u8),
        );
    }

    fn unsubscribed(&self, client: &HookClient, filter: &str) {
        self.note(client.client_id(), &format!("unsubscribed {filter}"));
    }

    fn session_opened(&self, client: &HookClient) {
        self.note(client.client_id(), "opened");
    }

    fn session_resumed(&self, client: &HookClient) {
        self.note(client.client_id(), "resumed");
    }

    fn session_ended(&self, client: &HookClient) {
        self.note(client.client_id(), "ended");
    }

    fn disconnected(&self, client: &HookClient, parting: Parting) {
        self.note(client.client_id(), &format!("disconnected {parting:?}"));
    }

    fn dropped(&self, client: &HookClient, topic: &str, reason: DropReason) {
        self.note(client.client_id(), &format!("dropped {topic} {reason:?}"));
    }
}

#[test]
fn every_phase_runs_in_its_place_and_no_other() {
    let diary = Diary::default();
    with_brokers(
        |builder| builder.hook(diary.clone()),
        |_, target| {
            let id = unique("c");
            let connect = Connect::v5(&id).username("ann").password(b"p");
            let lasting = connect.clone().resume().expiry(60);
            let mut client = Client::connect(target, &lasting.will(Will::new("bye", "x")));
            let opened = ["connect", "authenticate", "authorize will bye", "opened"];
            assert_eq!(diary.about(&id), opened);

            let answer = client.subscribe_with(&[("a/#", 1), ("no", 0)], &Properties::new());
            assert_eq!(answer.reasons, [1, 0x87]);
            let wishes = ["may subscribe a/#", "subscribed a/# 1", "may subscribe no"];
            let mut told = diary.about(&id);
            told.sort();
            let mut expected = wishes;
            expected.sort_unstable();
            assert_eq!(told, expected);

            client.publish("a/b", "x", 1);
            client.expect_message("x");
            let published = ["authorize a/b", "publish a/b", "deliver a/b"];
            assert_eq!(diary.about(&id), published);
            client.send_publish(&Publish::new("a/no", "x").qos(1).id(9));
            assert_eq!(client.expect_puback(9).reason, 0x87);
            let denied = ["authorize a/no", "dropped a/no PublishDenied"];
            assert_eq!(diary.about(&id), denied);

            client.unsubscribe(&["a/#"]);
            assert_eq!(diary.about(&id), ["unsubscribed a/#"]);
            // Taken over; the session goes on, and its will is not due.
            let again = connect.clone().resume();
            let second = Client::connect(target, &again);
            client.expect_error(&[0x8E]);
            let taken = [
                "connect",
                "authenticate",
                "disconnected TakenOver",
                "authorize will bye",
                "publish bye",
                "resumed",
            ];
            assert_eq!(diary.about(&id), taken);
            second.disconnect();
            until("the session is over", || {
                let told = diary.0.lock().expect("not poisoned");
                told.iter().any(|line| line.ends_with("ended"))
            });
            assert_eq!(diary.about(&id), ["disconnected Packet(Success)", "ended"]);
        },
    );
}

#[test]
fn who_is_not_let_in_and_who_proves_himself_in_steps_is_told_too() {
    let diary = Diary::default();
    with_brokers(
        |builder| builder.login_delays(false).hook(diary.clone()),
        |_, target| {
            let id = unique("c");
            let wrong = Connect::v5(&id).username("no").password(b"p");
            assert_eq!(Client::start(target, &wrong).expect_connack().code, 0x87);
            let refused = ["connect", "authenticate", "refused 0x87"];
            assert_eq!(diary.about(&id), refused);
            let method = Properties::new().text(property::AUTHENTICATION_METHOD, "M");
            let stepwise = Connect::v5(&id).with(method);
            Client::connect(target, &stepwise).vanish();
            until("it is gone", || {
                let told = diary.0.lock().expect("not poisoned");
                told.iter().any(|line| line.ends_with("ended"))
            });
            let told = [
                "connect",
                "exchange M",
                "opened",
                "disconnected Lost",
                "ended",
            ];
            assert_eq!(diary.about(&id), told);
        },
    );
}
