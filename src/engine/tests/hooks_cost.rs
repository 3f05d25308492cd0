//! What hooks cost a fan-out, to be counted in instructions.
//!
//! Owns nothing. Ignored by default: run it under callgrind as its message says, once
//! with no rounds and once with many; the difference is what the rounds took.

use std::env;
use std::sync::Arc;

use super::rules::Rules;
use super::world::{Client, PLAIN, World};
use crate::engine::Limits;
use crate::hooks::{Chain, Client as HookClient, Hook, Outgoing, Phases, Treatment};
use crate::protocol::QoS;

const SUBSCRIBERS: usize = 1_000;

/// Sees every message and lets it pass.
struct Onlooker;

impl Hook for Onlooker {
    fn phases(&self) -> Phases {
        Phases::PUBLISH
    }

    fn publish(&self, _: &HookClient, _: &mut Outgoing<'_>) -> Treatment {
        Treatment::Next
    }
}

fn chain(kind: &str) -> Arc<Chain> {
    let acl = Rules::new(
        Phases::AUTHORIZE_PUBLISH | Phases::AUTHORIZE_SUBSCRIBE | Phases::DELIVER_FILTERED,
    );
    match kind {
        "acl" => acl.chain(),
        "acl+hook" => {
            let hooks: [Arc<dyn Hook>; 2] = [Arc::new(acl), Arc::new(Onlooker)];
            Arc::new(Chain::new(hooks))
        }
        _ => Arc::default(),
    }
}

#[test]
#[ignore = "to be run under valgrind --tool=callgrind with ROUNDS=0 and ROUNDS=200, HOOKS=none|acl|acl+hook"]
fn hooks_cost() {
    let rounds: usize = env::var("ROUNDS").map_or(0, |text| text.parse().expect("a number"));
    let kind = env::var("HOOKS").unwrap_or_default();
    let mut world = World::with_rules(1, Limits::default(), chain(&kind), Some(true));
    let publisher = world.connect("publisher", PLAIN);
    let filter = if env::var("FILTERED").is_ok() {
        "filtered/t"
    } else {
        "news/t"
    };
    let subscribers: Vec<Client> = (0..SUBSCRIBERS)
        .map(|number| {
            let client = world.connect(&format!("subscriber-{number}"), PLAIN);
            world.subscribe(client, filter, QoS::AtMostOnce);
            client
        })
        .collect();
    world.settle();
    let payload = "x".repeat(64);
    for round in 0..rounds + 2 {
        world.publish(publisher, filter, &payload, QoS::AtMostOnce, 0);
        // Sixteen messages leave in one flush, as in a busy shard.
        if round % 16 == 15 {
            world.settle();
            for client in &subscribers {
                world.sizes(*client);
            }
        }
    }
}
