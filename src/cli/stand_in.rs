//! Stand-in until the broker is there.

/// Configurable bounds; the defaults are mosquitto's where it has the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections of the whole process; a further one is closed at once.
    pub max_connections: usize,
    /// Seconds between accept and a complete CONNECT; then the connection is closed.
    pub connect_timeout: u32,
    /// Bytes of a packet from a client; a larger one is answered with 0x95.
    pub max_packet_size: u32,
    /// Unacknowledged QoS 1/2 messages towards one client; more wait in its queue.
    /// Zero leaves it to the client's receive maximum.
    pub max_inflight: u16,
    /// Unacknowledged QoS 1/2 messages from one client (5.0: 0x93 when exceeded).
    pub receive_maximum: u16,
    /// QoS 1/2 messages that wait for one client; zero for no bound on the number.
    /// Further ones are dropped and counted.
    pub max_queued_messages: usize,
    /// Bytes of the messages that wait for one client; as above.
    pub max_queued_bytes: usize,
    /// Bytes in one connection's out-buffer above which QoS 0 is dropped and QoS
    /// 1/2 is queued, and reading from the connection pauses.
    pub max_outbox_bytes: usize,
    /// Seconds a session may outlive its connection; `u32::MAX` for ever. A longer
    /// wish is cut, and CONNACK says so.
    pub session_expiry_max: u32,
    /// Seconds of keep alive a 5.0 client may ask for; zero for no bound.
    pub max_keep_alive: u16,
    /// Topic aliases a client may set (0x94 above), and that the broker sets.
    pub max_topic_alias: u16,
    /// Subscriptions of one client; a further one is refused with 0x97.
    pub max_subscriptions: usize,
    /// Levels of a topic name or filter; more are refused with 0x90 or 0x8F.
    pub max_topic_levels: usize,
    /// Bytes of a topic name or filter; more are refused as above.
    pub max_topic_bytes: usize,
    /// Retained messages; a further topic is refused with 0x97.
    pub max_retained_messages: usize,
    /// Bytes of retained messages; as above.
    pub max_retained_bytes: usize,
    /// Bytes of half-received packets on one shard; a connection that asks for more
    /// than its share ([`ASSEMBLY_FREE`]) is closed with 0x97.
    pub shard_assembly_bytes: usize,
    /// Bytes in all out-buffers of one shard; above it each acts as if it were full.
    pub shard_outbox_bytes: usize,
    /// Bytes of all messages waiting in sessions of one shard; further ones are
    /// dropped and counted.
    pub shard_queued_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1_000_000,
            connect_timeout: 10,
            max_packet_size: 2_000_000,
            max_inflight: 20,
            receive_maximum: 1_024,
            max_queued_messages: 1_000,
            max_queued_bytes: 64 << 20,
            max_outbox_bytes: 1 << 20,
            session_expiry_max: u32::MAX,
            max_keep_alive: 0,
            max_topic_alias: 10,
            max_subscriptions: 1_000_000,
            max_topic_levels: 128,
            max_topic_bytes: 65_535,
            max_retained_messages: 1_000_000,
            max_retained_bytes: 1 << 30,
            shard_assembly_bytes: 256 << 20,
            shard_outbox_bytes: 512 << 20,
            shard_queued_bytes: 1 << 30,
        }
    }
}

/// Stand-in.
pub struct Broker;
/// Stand-in.
pub struct Builder;
/// Stand-in.
#[derive(Debug)]
pub enum StartError {
    /// Stand-in.
    Config(&'static str),
    /// Stand-in.
    Other,
}
impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the broker is not part of this build")
    }
}
impl Broker {
    /// Stand-in.
    pub fn builder() -> Builder {
        Builder
    }
    /// Stand-in.
    pub fn addresses(&self) -> &[std::net::SocketAddr] {
        &[]
    }
    /// Stand-in.
    pub fn shutdown(self) -> Result<(), &'static str> {
        Ok(())
    }
}
impl Builder {
    /// Stand-in.
    pub fn tcp(self, _: &str) -> Self {
        self
    }
    /// Stand-in.
    pub fn shards(self, _: usize) -> Self {
        self
    }
    /// Stand-in.
    pub fn max_connections(self, _: u32) -> Self {
        self
    }
    /// Stand-in.
    pub fn allow_anonymous(self, _: bool) -> Self {
        self
    }
    /// Stand-in.
    pub fn limits(self, _: Limits) -> Self {
        self
    }
    /// Stand-in.
    pub fn start(self) -> Result<Broker, StartError> {
        Err(StartError::Other)
    }
}
