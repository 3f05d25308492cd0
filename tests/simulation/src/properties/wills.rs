//! Property 8: a will is published exactly when the specification says: with its
//! connection's end and after its delay, but no later than its session's end
//! [MQTT-3.1.2-8, MQTT-3.1.3-9]; never after DISCONNECT with reason 0 [MQTT-3.14.4-3],
//! never when its client came back to its session in time; at once when another
//! connection takes over and the session ends or there is no delay.
//!
//! It is watched by a client that nothing ever happens to. Allowances: timers tick
//! four times a second, outputs wait for their turn and for the mesh; where a client
//! comes back just when its will is due, either is right; and a full queue of the
//! watcher excuses an absence, if counted.

use crate::history::{End, When};
use crate::plan::Feature;
use crate::world::World;

use super::Permission;

/// When a will has to be published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    Never,
    At(u64),
    Either,
}

/// Milliseconds that a timer and a turn may be late.
const TICK: u64 = 300;

impl World {
    /// Each will, with how its connection ended.
    pub fn check_wills(&mut self) {
        let mut wrong = None;
        for stream in 0..self.history.links.len() {
            let Some(will) = &self.history.links[stream].will else {
                continue;
            };
            let message = will.message;
            let due = match (
                self.due(stream, will.delay),
                self.may_publish(message, self.end()),
            ) {
                // Rules are asked again when it is due.
                (Due::At(_), Permission::Open(_) | Permission::Refused(_)) => Due::Either,
                (due, _) => due,
            };
            let seen = self.history.deliveries.iter().find(|delivery| {
                delivery.client == 0 && delivery.message == Some(message) && !delivery.retain
            });
            let seen = seen.map(|delivery| delivery.left);
            if !self.is_right(due, seen) {
                wrong = Some(format!(
                    "will {message} of stream {stream} was due {due:?} and seen {seen:?}; \
                     the connection ended {:?}",
                    self.history.links[stream].ended
                ));
                break;
            }
        }
        if let Some(what) = wrong {
            self.violate("wills", || what);
        }
    }

    fn is_right(&self, due: Due, seen: Option<When>) -> bool {
        let stats = self.stats();
        let drops = stats.dropped_queue_full + stats.dropped_internal_full;
        match (due, seen) {
            (Due::Either, _) | (Due::Never, None) => true,
            (Due::Never, Some(_)) => false,
            (Due::At(_), None) => drops > 0,
            (Due::At(at), Some(seen)) => {
                seen.at + TICK >= at && seen.at <= at + TICK + self.lateness()
            }
        }
    }

    /// How long the way from a will's shard to the watcher may take.
    fn lateness(&self) -> u64 {
        let mut late = 100 + 4 * self.plan.mesh_delay();
        if self.has(Feature::MeshStalls) || self.has(Feature::SmallLanes) {
            late += 20_000;
        }
        if self.has(Feature::SmallOutboxes) || self.limits.max_inflight < 20 {
            late += 1_000;
        }
        late
    }

    fn due(&self, stream: usize, delay: u32) -> Due {
        let link = &self.history.links[stream];
        let Some((ended, end)) = link.ended else {
            return Due::Never;
        };
        if link.refused {
            return Due::Never;
        }
        if link.accepted.is_none() {
            // CONNACK was not seen to leave, so that nobody knows.
            return Due::Either;
        }
        // The watcher has to be there.
        let watched = self
            .history
            .subscriptions
            .iter()
            .any(|s| s.client == 0 && s.granted.is_some_and(|granted| granted < ended));
        if !watched {
            return Due::Either;
        }
        // CONNECT packets may overtake each other on their way.
        let next = self
            .history
            .links
            .iter()
            .filter(|next| next.client == link.client && next.accepted > link.accepted)
            .filter_map(|next| next.accepted.map(|accepted| (accepted, next)))
            .min_by_key(|(accepted, _)| *accepted);
        match end {
            End::Unclear => Due::Either,
            End::Normal => Due::Never,
            End::TakenOver => match next {
                Some((_, next)) if next.present && delay > 0 => Due::Never,
                Some(_) => Due::At(ended.at),
                None => Due::Either,
            },
            End::Lost | End::Fault | End::WithWill => {
                let wait = u64::from(delay.min(link.expiry)) * 1_000;
                let at = ended.at + wait;
                match next {
                    Some((back, next)) if back.at + TICK < at => {
                        if next.present {
                            Due::Never
                        } else {
                            Due::At(back.at)
                        }
                    }
                    Some((back, _)) if back.at <= at + 2 * TICK && wait > 0 => Due::Either,
                    _ if at + TICK > self.now => Due::Either,
                    _ => Due::At(at),
                }
            }
        }
    }
}
