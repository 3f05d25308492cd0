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

fn as_hooks(hooks: &[Arc<Fixed>]) -> Vec<Arc<dyn Hook>> {
    let as_hook = |hook: &Arc<Fixed>| Arc::clone(hook) as Arc<dyn Hook>;
    hooks.iter().map(as_hook).collect()
}

/// What a chain says, from the start or behind the one that has answered.
fn ask(chain: &Chain, listener: u16, answered: Option<usize>) -> Ruling {
    let attempt = credentials();
    let answered = answered.map(|place| (place, Answer::Verdict(Verdict::Next)));
    let busy = ReasonCode::ServerBusy;
    chain
        .resume(listener, Phases::AUTHENTICATE, answered, busy, |hook| {
            hook.authenticate(&attempt)
        })
        .0
}

#[test]
fn the_first_that_allows_or_denies_decides() {
    let deny = || Verdict::Deny(ReasonCode::Banned);
    let last = fixed(deny);
    let say = |hooks: &[Arc<Fixed>]| ask(&Chain::new(as_hooks(hooks)), 0, None);
    let ruling = say(&[
        fixed(|| Verdict::Next),
        fixed(|| Verdict::Allow),
        Arc::clone(&last),
    ]);
    assert!(matches!(ruling, Ruling::Allow { .. }));
    assert_eq!(*last.asked.lock().expect("not poisoned"), 0);
    let ruling = say(&[fixed(deny), fixed(|| Verdict::Allow)]);
    assert!(matches!(ruling, Ruling::Deny(ReasonCode::Banned)));
    let ruling = say(&[fixed(|| Verdict::Next)]);
    assert!(matches!(ruling, Ruling::Undecided));
}

#[test]
fn who_asks_for_time_is_named_and_the_chain_goes_on_behind_it() {
    let hooks = [
        fixed(|| Verdict::Next),
        fixed(|| Verdict::Ask),
        fixed(|| Verdict::Allow),
    ];
    let chain = Chain::new(as_hooks(&hooks));
    assert!(matches!(ask(&chain, 0, None), Ruling::Ask(1)));
    assert!(matches!(ask(&chain, 0, Some(1)), Ruling::Allow { .. }));
    assert_eq!(*hooks[0].asked.lock().expect("not poisoned"), 1);
}

#[test]
fn a_listeners_own_hooks_are_asked_first_and_about_its_clients_alone() {
    let allow = fixed(|| Verdict::Allow);
    let (ask_first, deny) = (
        fixed(|| Verdict::Ask),
        fixed(|| Verdict::Deny(ReasonCode::Banned)),
    );
    let own = [
        Vec::new(),
        as_hooks(&[Arc::clone(&ask_first), Arc::clone(&deny)]),
        // One of its own that is a general one, too, comes once, and first.
        as_hooks(&[Arc::clone(&allow), Arc::clone(&deny)]),
    ];
    let chain = Chain::of_listeners(&own, &as_hooks(&[Arc::clone(&allow)]));
    assert!(matches!(ask(&chain, 0, None), Ruling::Allow { .. }));
    let Ruling::Ask(place) = ask(&chain, 1, None) else {
        panic!("the first of its own asks for time");
    };
    let ruling = ask(&chain, 1, Some(place));
    assert!(matches!(ruling, Ruling::Deny(ReasonCode::Banned)));
    assert!(matches!(ask(&chain, 2, None), Ruling::Allow { .. }));
    // Who comes through an unknown one is asked what all are asked.
    assert!(matches!(ask(&chain, 7, None), Ruling::Allow { .. }));
    for (hook, times) in [(&allow, 3), (&ask_first, 1), (&deny, 1)] {
        assert_eq!(*hook.asked.lock().expect("not poisoned"), times);
    }
    assert!(
        chain.hook(2).is_some() && chain.hook(3).is_none(),
        "each once"
    );
}

/// Takes part in one phase and remembers for so many seconds.
struct Forgets(Phases, u64);

impl Hook for Forgets {
    fn phases(&self) -> Phases {
        self.0
    }

    fn memory(&self) -> Duration {
        Duration::from_secs(self.1)
    }
}

#[test]
fn phases_and_memory_are_those_of_the_listener() {
    let hook = |phases, seconds| Arc::new(Forgets(phases, seconds)) as Arc<dyn Hook>;
    let own = [
        vec![hook(Phases::EXCHANGE, 1)],
        vec![hook(Phases::DELIVER, 60)],
    ];
    let chain = Chain::of_listeners(&own, &[hook(Phases::CONNECT, 30)]);
    assert_eq!(chain.phases_of(0), Phases::EXCHANGE | Phases::CONNECT);
    assert_eq!(chain.phases_of(1), Phases::DELIVER | Phases::CONNECT);
    assert_eq!(chain.phases_of(2), Phases::CONNECT);
    let all = Phases::EXCHANGE | Phases::DELIVER | Phases::CONNECT;
    assert_eq!(chain.phases(), all);
    let general = 0;
    for (listener, decided_by, seconds) in [
        (0, None, 1),
        (0, Some(general), 1),
        (1, None, 30),
        (2, None, 30),
    ] {
        let memory = chain.memory(listener, decided_by);
        assert_eq!(memory, Duration::from_secs(seconds), "{listener}");
    }
    assert_eq!(Chain::default().memory(0, None), Duration::MAX);
}

#[test]
fn a_panic_is_a_refusal_and_is_counted() {
    let chain = Chain::new([fixed(|| panic!("on purpose")) as Arc<dyn Hook>]);
    let attempt = credentials();
    let (ruling, _) = chain.rule(0, Phases::AUTHENTICATE, |hook| hook.authenticate(&attempt));
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
