//! Makes a failing plan smaller: fewer features, fewer actions, fewer clients, fewer
//! shards, as long as some property still fails.
//!
//! Owns the order of attempts. Cheap: a run takes milliseconds.

use crate::plan::Plan;
use crate::run::run;

/// The smallest plan found that still fails.
#[must_use]
pub fn shrink(plan: &Plan) -> Plan {
    let mut best = plan.clone();
    loop {
        let smaller = candidates(&best)
            .into_iter()
            .find(|candidate| run(candidate).violation.is_some());
        match smaller {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut candidates = Vec::new();
    for actions in [plan.actions / 4, plan.actions / 2, plan.actions * 9 / 10] {
        if actions < plan.actions {
            candidates.push(Plan {
                actions,
                ..plan.clone()
            });
        }
    }
    for feature in plan.features.iter() {
        candidates.push(Plan {
            features: plan.features.without(feature),
            ..plan.clone()
        });
    }
    if plan.shards > 1 {
        candidates.push(Plan {
            shards: plan.shards - 1,
            ..plan.clone()
        });
    }
    if plan.clients > 1 {
        candidates.push(Plan {
            clients: plan.clients - 1,
            ..plan.clone()
        });
    }
    candidates
}
