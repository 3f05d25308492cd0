//! Known-wrong behaviour, planted one piece at a time to see that the simulation
//! notices it.
//!
//! Owns the list of faults and which of them is in force on this thread. Pure.
//! Without the feature `planted-faults` nothing is ever planted: the question is a
//! constant `false`, and the wrong branch is not compiled into anything.

/// Declares the faults once: the enum and its list.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A thing that the engine could do wrong.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All of them.
            #[cfg(feature = "planted-faults")]
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

faults! {
    /// A subscription does not tell other shards that topics are wanted here.
    ForgetInterest,
    /// A connection loses its last byte on the way to its home shard.
    CutOnHandoff,
    /// What is sent again has no DUP.
    ResendWithoutDup,
    /// A retained message is replayed twice.
    ReplayTwice,
    /// A new subscription is not told what is retained.
    ReplayNever,
    /// A retained message is stored on its publisher's shard alone.
    RetainHereAlone,
    /// A takeover forgets what is in flight.
    LoseInflightOnTakeover,
    /// A takeover leaves the earlier connection open.
    KeepBothConnections,
    /// A takeover publishes a will whose delay has not passed.
    WillOnTakeover,
    /// DISCONNECT leaves the will in force.
    WillAfterDisconnect,
    /// A will with a delay is forgotten.
    DelayedWillNever,
    /// A session outlives its expiry.
    SessionForEver,
    /// One message more in flight than the client allows.
    WindowOffByOne,
    /// Items of a batch for another shard in the wrong order.
    ReorderMesh,
    /// An ended session gives nothing back to its groups.
    ForgetGiveBack,
    /// A shard that can not send does not take anything either.
    FullLaneBlocks,
    /// Queued messages never expire.
    ForgetExpiry,
    /// What expires between shards is delivered all the same.
    ForgetExpiryBetweenShards,
    /// A publication is acknowledged before other shards have it.
    AcknowledgeEarly,
    /// UNSUBSCRIBE is answered and not done.
    ForgetUnsubscribe,
    /// A client gets its own messages in spite of No Local.
    IgnoreNoLocal,
    /// RETAIN is passed on to everybody.
    RetainAlwaysAsPublished,
    /// A QoS 2 message that comes again is published again.
    PublishTwice,
    /// A message is not sent to the last shard that wants it.
    SkipLastShard,
    /// The answer to a PUBLISH is forgotten when other shards are concerned.
    ForgetAnswer,
    /// A long SUBSCRIBE that was left off answers the next filter and forgets it.
    SkipFilterOnResume,
    /// The slot of an ended session is used again while the index names it.
    ReuseSlotEarly,
    /// A late verdict lets an older CONNECT take a newer one over.
    AcceptLateConnect,
    /// A question that nobody answers in time counts as answered yes.
    SilenceIsConsent,
    /// That nobody answered in time is remembered as a decision.
    RememberSilence,
    /// What was decided by the old rules stands after a reload.
    DecisionsSurviveReload,
    /// An answer by the old rules that comes after a reload is remembered.
    RememberOldAnswer,
    /// An answer is taken for whatever its connection asks at the moment.
    AnswerAnyQuestion,
    /// A connection that has gone still waits for its answer.
    KeepQuestions,
    /// A publisher is told that all is well with a message that was refused.
    DenyInSilence,
    /// Several publications at once are delivered without judging them.
    JudgeNoBurst,
}

#[cfg(feature = "planted-faults")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault on this thread, or none.
#[cfg(feature = "planted-faults")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// Whether this fault is planted.
#[cfg(feature = "planted-faults")]
#[must_use]
pub fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Nothing is planted.
#[cfg(not(feature = "planted-faults"))]
#[inline(always)]
#[must_use]
pub const fn is_planted(_: Fault) -> bool {
    false
}
