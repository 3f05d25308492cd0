//! Property 9: one shard or many, clients see the same.
//!
//! Owns the comparison of two runs of one plan, with one shard and with several, in
//! which clients act one after the other and everything comes to rest in between.
//! Never compares the order of what arrives between two rests, nor timing: what has
//! no order in MQTT has none here.
//!
//! Allowances: faults and small limits are off, because what they hit depends on the
//! weather; members of shared groups are left out, because which of them is chosen is
//! the broker's business.

use crate::client::{Phase, Role};
use crate::plan::{Feature, Plan};
use crate::world::{Violation, World};

/// What depends on the weather, on timing or on chance inside the broker.
const OFF: &[Feature] = &[
    // They happen here at rest alone.
    Feature::Takeover,
    // A replay meets what is published at the same time, or does not.
    Feature::Bursts,
    Feature::Eager,
    Feature::Shared,
    Feature::SlowReaders,
    Feature::SlowAcknowledgements,
    Feature::Losses,
    Feature::Resets,
    Feature::Vanish,
    Feature::Stalls,
    Feature::MeshStalls,
    Feature::SmallQueues,
    Feature::SmallOutboxes,
    Feature::SmallLanes,
    Feature::MessageExpiry,
    Feature::ShortExpiry,
    Feature::WillDelay,
    // Who is let down, or judged by which rules, is a matter of timing.
    Feature::LateAnswers,
    Feature::BrokenHooks,
    Feature::Reloads,
];

/// Milliseconds after which everything has come to rest.
const REST: u64 = 2_000;

/// Whether the clients of a plan see the same with one shard as with its own number.
#[must_use]
pub fn difference(plan: &Plan) -> Option<Violation> {
    let mut features = plan.features;
    for &feature in OFF {
        features = features.without(feature);
    }
    let many = Plan {
        features,
        actions: plan.actions.min(120),
        shards: plan.shards.max(2),
        ..plan.clone()
    };
    let one = Plan {
        shards: 1,
        ..many.clone()
    };
    let (many, one) = (watch(&many), watch(&one));
    let step = many.iter().zip(&one).position(|(many, one)| many != one)?;
    Some(Violation {
        property: "alike",
        what: format!(
            "action {step}: with one shard {:#?}, with many {:#?}",
            one[step], many[step]
        ),
    })
}

/// What all clients receive, action by action.
fn watch(plan: &Plan) -> Vec<Vec<String>> {
    let mut world = World::new(plan, false);
    world.heard = Some(Vec::new());
    world.connect(0);
    world.pass(REST);
    let mut steps = Vec::new();
    for _ in 0..plan.actions {
        let client = world.random.index(world.clients.len());
        if world.clients[client].role == Role::Ordinary {
            match world.clients[client].phase {
                Phase::Connected if world.random.percent(80) => world.do_something(client),
                Phase::Connected if world.random.percent(60) => world.misbehave(client),
                Phase::Connected | Phase::Connecting | Phase::Offline => world.connect(client),
            }
        }
        world.pass(REST);
        let mut heard = world.heard.replace(Vec::new()).unwrap_or_default();
        heard.sort();
        steps.push(heard);
    }
    if let Some(violation) = world.violation {
        steps.push(vec![format!("{violation:?}")]);
    }
    steps
}
