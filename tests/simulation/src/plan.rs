//! What a seed decides beforehand: how many shards and clients, which features of
//! the protocol its clients use, which faults happen, and how tight the limits are
//! (swarm testing: a run with few features on goes deeper into each).
//!
//! Owns the list of features. Pure: a plan is a function of its seed, and a
//! smaller plan of the same seed (see `shrink`) is still a valid one.

use std::time::Duration;

use ringmq::engine::Limits;

use crate::random::Random;

/// Declares the features once: the enum, its list, and their names.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Something that a run does or does not do.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Feature {
            $($(#[$doc])* $name,)*
        }

        impl Feature {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

features! {
    /// A client comes back while its earlier connection is open.
    Takeover,
    /// Sessions outlive connections.
    Persistent,
    /// Sessions that expire within seconds.
    ShortExpiry,
    /// Clients connect with Clean Start although a session is there.
    CleanStart,
    /// Filters with wildcards, and several that overlap.
    Wildcards,
    /// Shared subscriptions.
    Shared,
    /// Retained messages.
    Retained,
    /// Wills.
    Wills,
    /// Wills with a delay.
    WillDelay,
    /// QoS 1.
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
    /// Messages that expire.
    MessageExpiry,
    /// Clients set topic aliases.
    AliasIn,
    /// Clients let the broker set topic aliases.
    AliasOut,
    /// Small receive maxima of clients.
    ReceiveMaximum,
    /// Clients that accept small packets only.
    MaximumPacketSize,
    /// UNSUBSCRIBE.
    Unsubscribe,
    /// Subscriptions changed by another SUBSCRIBE.
    Resubscribe,
    /// No Local, Retain As Published, Retain Handling, subscription identifiers.
    SubscriptionOptions,
    /// MQTT 3.1.1 and 3.1 clients.
    OldVersions,
    /// Payloads of a few KiB.
    BigPayloads,
    /// Clients publish many messages in one go.
    Bursts,
    /// SUBSCRIBE and PUBLISH sent before CONNACK has come.
    Eager,
    /// Clients that stop reading for seconds.
    SlowReaders,
    /// Clients that acknowledge late.
    SlowAcknowledgements,
    /// Streams cut at any byte.
    Cuts,
    /// Connections end without DISCONNECT.
    Losses,
    /// Connections are reset with bytes under way.
    Resets,
    /// Clients vanish and their connections stay open until keep alive ends them.
    Vanish,
    /// Bytes from a client stay under way for seconds.
    Stalls,
    /// Batches between shards take long.
    MeshDelays,
    /// Batches between two shards stop for seconds.
    MeshStalls,
    /// Shards take their outputs late.
    LazyTurns,
    /// Session queues of a few messages.
    SmallQueues,
    /// Out-buffers and sockets of a few packets.
    SmallOutboxes,
    /// Lanes between shards with credit for a few packets.
    SmallLanes,
    /// A visit handles a few packets.
    SmallVisits,
    /// SUBSCRIBE and UNSUBSCRIBE with several filters.
    LongRequests,
    /// A visit and a pass do the work of a few deliveries.
    SmallBudgets,
    /// Hooks judge who connects.
    JudgeConnects,
    /// Hooks judge what is published, wills included.
    JudgePublishes,
    /// Hooks judge what is subscribed to.
    JudgeSubscribes,
    /// Hooks judge what is delivered.
    JudgeDeliveries,
    /// Answers that come after their deadline, twice, or never.
    LateAnswers,
    /// Hooks that panic, and workers that have too much to do.
    BrokenHooks,
    /// Rules that change.
    Reloads,
    /// The broker stops while everybody is busy and questions are open.
    Stop,
}

/// Features that came when there were seeds worth keeping: they are decided apart, and
/// all else of a seed stays as it was.
pub const LATER: &[Feature] = &[Feature::LongRequests, Feature::SmallBudgets];

/// Features that only hooks bring: half of the seeds have none of them, and are what
/// they were before there were hooks.
pub const HOOKS: &[Feature] = &[
    Feature::JudgeConnects,
    Feature::JudgePublishes,
    Feature::JudgeSubscribes,
    Feature::JudgeDeliveries,
    Feature::LateAnswers,
    Feature::BrokenHooks,
    Feature::Reloads,
    Feature::Stop,
];

/// Those of them that are questions to hooks.
pub const JUDGES: &[Feature] = &[
    Feature::JudgeConnects,
    Feature::JudgePublishes,
    Feature::JudgeSubscribes,
    Feature::JudgeDeliveries,
];

/// Which features a run has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features(u64);

impl Features {
    /// Whether this one is on.
    #[must_use]
    pub fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u64) != 0
    }

    /// The same, with this one on.
    #[must_use]
    pub fn with(self, feature: Feature) -> Self {
        Self(self.0 | (1 << feature as u64))
    }

    /// The same, with this one off.
    #[must_use]
    pub fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u64))
    }

    /// The mask, for a command line.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Out of a mask.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Those that are on.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL
            .iter()
            .copied()
            .filter(move |&feature| self.has(feature))
    }
}

/// Everything a run decides beforehand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Decides everything else.
    pub seed: u64,
    /// Shards of the broker.
    pub shards: u16,
    /// Clients that publish and subscribe.
    pub clients: usize,
    /// Clients that are members of shared groups, where those are on.
    pub workers: usize,
    /// Actions of all clients together.
    pub actions: u32,
    /// What happens.
    pub features: Features,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x706c_616e);
        let shards = *random.pick(&[1, 2, 2, 3, 3, 4, 4, 6, 8]);
        let clients = random.between(2, 8);
        let workers = random.between(2, 4);
        let actions = random.between(30, 400);
        // Some runs have nearly everything on, some nearly nothing.
        let chance = *random.pick(&[20, 40, 50, 60, 80]);
        let mut features = Features::default();
        let early = |feature: &&Feature| !LATER.contains(feature) && !HOOKS.contains(feature);
        for &feature in Feature::ALL.iter().filter(early) {
            if random.percent(chance) {
                features = features.with(feature);
            }
        }
        let mut later = Random::new(seed ^ 0x006c_6174_6572);
        for &feature in LATER {
            if later.percent(chance) {
                features = features.with(feature);
            }
        }
        let mut hooks = Random::new(seed ^ 0x0068_6f6f_6b73);
        let hooked = hooks.percent(50);
        for &feature in HOOKS {
            if hooked && hooks.percent(60) {
                features = features.with(feature);
            }
        }
        for feature in [Feature::AtLeastOnce, Feature::Persistent] {
            if random.percent(60) {
                features = features.with(feature);
            }
        }
        Self {
            seed,
            shards,
            clients: usize::try_from(clients).expect("few"),
            workers: usize::try_from(workers).expect("few"),
            actions: u32::try_from(actions).expect("few"),
            features,
        }
    }

    /// Whether this feature is on.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// Whether there are hooks at all.
    #[must_use]
    pub fn has_hooks(&self) -> bool {
        JUDGES.iter().any(|&judge| self.has(judge))
    }

    /// The broker's limits in this run.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let mut random = Random::new(self.seed ^ 0x6c69_6d69_7473);
        let mut limits = Limits::default();
        limits.max_inflight = *random.pick(&[2, 5, 20, 20]);
        limits.receive_maximum = *random.pick(&[2, 5, 20, 1_024]);
        limits.max_topic_alias = *random.pick(&[1, 3, 10]);
        if self.has(Feature::SmallQueues) {
            limits.max_queued_messages = *random.pick(&[1, 3, 10]);
        }
        if self.has(Feature::SmallOutboxes) {
            limits.max_outbox_bytes = *random.pick(&[64, 300, 2_000]);
        }
        if self.has(Feature::SmallLanes) {
            limits.lane_credit = *random.pick(&[100, 1_000, 5_000]);
        }
        if self.has(Feature::SmallVisits) {
            limits.packets_per_visit = *random.pick(&[1, 3]);
            limits.retained_steps_per_visit = *random.pick(&[1, 2, 5]);
        }
        if self.has(Feature::SmallBudgets) {
            limits.deliveries_per_visit = *random.pick(&[1, 20, 60, 200]);
            limits.deliveries_per_pass = *random.pick(&[1, 30, 100]);
        }
        if self.has_hooks() {
            limits.verdict_timeout = Duration::from_secs(*random.pick(&[1, 3, 8]));
        }
        limits.refer_from = *random.pick(&[1, 12, 40, limits.refer_from]);
        limits
    }

    /// The longest that a batch between shards takes, in milliseconds, stalls
    /// apart.
    #[must_use]
    pub fn mesh_delay(&self) -> u64 {
        if self.has(Feature::MeshDelays) { 60 } else { 2 }
    }
}
