//! What a shard counts.
//!
//! Owns plain numbers, written by one shard alone; the shard publishes copies.
//! Every drop has a counter of its own, named after the policy that dropped.

/// Declares the counters once: the struct, and the sum over shards.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one shard, or the sum of several.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Stats {
            /// How many counters there are.
            pub const COUNT: usize = [$(stringify!($name)),*].len();

            /// Names and values, in the order of declaration.
            #[must_use]
            pub fn entries(&self) -> [(&'static str, u64); Self::COUNT] {
                [$((stringify!($name), self.$name)),*]
            }

            /// The counters with these values, in the order of declaration.
            #[must_use]
            pub fn from_values(values: [u64; Self::COUNT]) -> Self {
                let [$($name),*] = values;
                Self { $($name),* }
            }

            /// Adds another shard's counters.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Connections that are open now.
    connections,
    /// Sessions that exist now, with or without a connection.
    sessions,
    /// Subscriptions that exist now, shared ones at their group's home not counted.
    subscriptions,
    /// Retained messages that exist now, counted on each shard.
    retained_messages,
    /// PUBLISH packets received.
    publishes_received,
    /// PUBLISH packets put into out-buffers.
    publishes_sent,
    /// QoS 0 deliveries dropped because the out-buffer was full.
    dropped_outbox_full,
    /// QoS 1/2 deliveries dropped because the session's queue was full.
    dropped_queue_full,
    /// Deliveries dropped because the message had expired.
    dropped_expired,
    /// Deliveries and answers dropped because the packet exceeds the client's maximum.
    dropped_too_large,
    /// Messages not retained because the store was full.
    dropped_retained_full,
    /// Wills and messages given back dropped because their queue was full.
    dropped_internal_full,
    /// Messages of a shared subscription dropped because no member was left.
    dropped_no_member,
    /// Connections closed because their clients exceeded a bound: of rate, of size, of
    /// unacknowledged messages, of memory.
    closed_over_limit,
    /// CONNECTs that hooks or the listener's policy refused.
    denied_connects,
    /// Messages that their publishers might not publish, wills included.
    denied_publishes,
    /// Filters of SUBSCRIBE packets that were refused.
    denied_subscribes,
    /// Filters of SUBSCRIBE packets refused because a bound was reached.
    refused_subscribes,
    /// Deliveries that their receivers might not have.
    denied_deliveries,
    /// Messages that a publish hook dropped or refused.
    dropped_by_hook,
    /// Questions put to hooks that take their time.
    questions_asked,
    /// Questions refused because too many were waiting.
    questions_refused,
    /// Questions that nobody answered in time.
    questions_late,
    /// Times that reading from a client paused because it published faster than it may.
    paused_over_rate,
    /// CONNECTs refused because too many came in too short a time.
    refused_over_rate,
    /// Times that reading from a publisher paused because a lane had no credit.
    paused_publishers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_adds_every_counter() {
        let one = Stats {
            connections: 1,
            paused_publishers: 2,
            ..Stats::default()
        };
        let mut sum = one;
        sum.add(&one);
        assert_eq!((sum.connections, sum.paused_publishers), (2, 4));
        let values = sum.entries().map(|(_, value)| value);
        assert_eq!(Stats::from_values(values), sum);
    }
}
