//! What a chain of hooks decides, and that it survives its hooks.
//!
//! Owns hooks with fixed opinions. Pure.

use std::sync::Mutex;

use super::*;
use crate::peer::Peer;
use crate::protocol::{Connect, ConnectProperties, ProtocolVersion, QoS};

/// Says what it is told to, and counts how often it is asked.
struct Fixed {
    says: fn() -> Verdict,
    asked: Mutex<u32>,
}

impl Hook for Fixed {
    fn phases(&self) -> Phases {
        Phases::AUTHENTICATE
    }

    fn authenticate(&self, _: &Credentials) -> Verdict {
        *self.asked.lock().expect("not poisoned") += 1;
        (self.says)()
    }
}

fn fixed(says: fn() -> Verdict) -> Arc<Fixed> {
    Arc::new(Fixed {
        says,
        asked: Mutex::new(0),
    })
}

fn credentials() -> Credentials {
    let connect = Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        keep_alive: 0,
        properties: ConnectProperties::default(),
        client_id: "c",
        will: None,
        username: Some("u"),
        password: None,
    };
    Credentials::new(&connect, "c", Peer::from(([127, 0, 0, 1], 1)), 0, None)
}

fn ask(hooks: &[Arc<Fixed>], from: usize) -> Ruling {
    let chain = Chain::new(hooks.iter().map(|hook| Arc::clone(hook) as Arc<dyn Hook>));
    let attempt = credentials();
    chain
        .rule(Phases::AUTHENTICATE, from, |hook| {
            hook.authenticate(&attempt)
        })
        .0
}

#[test]
fn the_first_that_allows_or_denies_decides() {
    let deny = || Verdict::Deny(ReasonCode::Banned);
    let last = fixed(deny);
    let ruling = ask(
        &[
            fixed(|| Verdict::Next),
            fixed(|| Verdict::Allow),
            Arc::clone(&last),
        ],
        0,
    );
    assert!(matches!(ruling, Ruling::Allow { .. }));
    assert_eq!(*last.asked.lock().expect("not poisoned"), 0);
    let ruling = ask(&[fixed(deny), fixed(|| Verdict::Allow)], 0);
    assert!(matches!(ruling, Ruling::Deny(ReasonCode::Banned)));
    assert!(matches!(
        ask(&[fixed(|| Verdict::Next)], 0),
        Ruling::Undecided
    ));
}

#[test]
fn who_asks_for_time_is_named_and_the_chain_goes_on_behind_it() {
    let hooks = [
        fixed(|| Verdict::Next),
        fixed(|| Verdict::Ask),
        fixed(|| Verdict::Allow),
    ];
    assert!(matches!(ask(&hooks, 0), Ruling::Ask(1)));
    assert!(matches!(ask(&hooks, 2), Ruling::Allow { .. }));
    assert_eq!(*hooks[0].asked.lock().expect("not poisoned"), 1);
}

#[test]
fn a_panic_is_a_refusal_and_is_counted() {
    let chain = Chain::new([fixed(|| panic!("on purpose")) as Arc<dyn Hook>]);
    let attempt = credentials();
    let (ruling, _) = chain.rule(Phases::AUTHENTICATE, 0, |hook| hook.authenticate(&attempt));
    assert!(matches!(
        ruling,
        Ruling::Deny(ReasonCode::ImplementationSpecific)
    ));
    assert_eq!(chain.panics(), 1);
}

#[test]
fn a_refusal_without_an_error_code_is_one_all_the_same() {
    let ruling = Chain::judge(Verdict::Deny(ReasonCode::Success));
    assert!(matches!(ruling, Ruling::Deny(ReasonCode::NotAuthorized)));
}

/// Rewrites, then is committed or not.
struct Reloads {
    fails: bool,
    committed: Arc<AtomicU64>,
}

impl Hook for Reloads {
    fn phases(&self) -> Phases {
        Phases::PUBLISH
    }

    fn publish(&self, _: &Client, message: &mut Outgoing<'_>) -> Treatment {
        message.set_payload([message.payload(), b"!"].concat());
        Treatment::Next
    }

    fn prepare_reload(&self) -> Result<super::super::Commit<'_>, HookError> {
        if self.fails {
            return Err(HookError("line 3 is wrong".into()));
        }
        Ok(Box::new(|| {
            self.committed.fetch_add(1, Ordering::Relaxed);
        }))
    }
}

#[test]
fn a_reload_is_for_all_hooks_or_for_none() {
    for fails in [false, true] {
        let committed = Arc::new(AtomicU64::new(0));
        let hook = |fails| {
            Arc::new(Reloads {
                fails,
                committed: Arc::clone(&committed),
            }) as Arc<dyn Hook>
        };
        let chain = Chain::new([hook(false), hook(fails)]);
        assert_eq!(chain.reload().is_err(), fails);
        let expected = if fails { (0, 0) } else { (2, 1) };
        assert_eq!(
            (committed.load(Ordering::Relaxed), chain.generation()),
            expected
        );
    }
}

#[test]
fn each_publish_hook_sees_what_the_one_before_has_left() {
    let hook = || {
        Arc::new(Reloads {
            fails: false,
            committed: Arc::default(),
        }) as Arc<dyn Hook>
    };
    let chain = Chain::new([hook(), hook()]);
    let client = Client::new(&credentials(), Grant::default());
    let mut message = Outgoing::new("t", &[][..], b"p", QoS::AtMostOnce, false, None);
    assert_eq!(chain.treat(&client, &mut message), Treatment::Next);
    assert_eq!(message.payload(), b"p!!");
}
