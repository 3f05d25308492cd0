//! Bytes of hostile and honest clients, cut anywhere, into one or two engines: they
//! never panic, never exceed their bounds, and serve the next client as if nothing
//! had been.
//!
//! Owns nothing. Pure.

use ringmq::engine::{Limits, StopPhase};
use ringmq::protocol::ProtocolVersion;

use super::input::Input;
use super::packets;
use super::world::World;

/// Clients at a time.
const CLIENTS: usize = 4;

/// Operations of one run; more of them say nothing new and cost time.
const OPERATIONS: usize = 400;

struct Run {
    world: World,
    /// The stream of each client.
    clients: [Option<usize>; CLIENTS],
    stopping: bool,
}

/// Takes the bytes as operations of four clients and their surroundings.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(choice) = input.byte() else { return };
    let mut run = Run {
        world: World::new(1 + u16::from(choice & 1), limits(choice)),
        clients: [None; CLIENTS],
        stopping: false,
    };
    for _ in 0..OPERATIONS {
        if run.step(&mut input).is_none() {
            break;
        }
    }
    run.end();
}

/// Small bounds, so that a few bytes reach them.
fn limits(choice: u8) -> Limits {
    let mut limits = Limits::default();
    limits.session_expiry_max = 100;
    if choice & 2 != 0 {
        limits.max_packet_size = 400;
        limits.max_outbox_bytes = 500;
        limits.max_inflight = 2;
        limits.receive_maximum = 3;
        limits.max_queued_messages = 4;
        limits.max_queued_bytes = 2_000;
        limits.max_subscriptions = 4;
        limits.max_topic_levels = 3;
    }
    if choice & 4 != 0 {
        limits.max_retained_messages = 2;
        limits.max_retained_bytes = 500;
        limits.shard_assembly_bytes = 64;
        limits.shard_outbox_bytes = 800;
        limits.shard_queued_bytes = 1_500;
    }
    if choice & 8 != 0 {
        limits.max_keep_alive = 5;
        limits.max_topic_alias = 0;
        limits.max_queued_messages = 0;
        limits.max_inflight = 0;
    }
    if choice & 16 != 0 {
        limits.packets_per_visit = 2;
        limits.deliveries_per_visit = 1;
        limits.deliveries_per_pass = 1;
    }
    if choice & 32 != 0 {
        limits.refer_from = 3;
    }
    limits
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let operation = input.byte()?;
        let client = usize::from(operation >> 4) % CLIENTS;
        let shard = usize::from(operation >> 6) % self.world.shards();
        match operation & 0x0F {
            0..=2 => {
                let stream = self.client(client, shard, input)?;
                let length = input.below(256)?;
                self.world.send(stream, input.take(length));
            }
            3..=6 => {
                let stream = self.client(client, shard, input)?;
                let packet = packets::other(input, self.world.version(stream))?;
                let (head, tail) = packet.split_at(input.below(256)?.min(packet.len()));
                self.world.send(stream, head);
                if operation & 0x40 != 0 {
                    self.settle();
                }
                self.world.send(stream, tail);
            }
            7 => {
                if let Some(stream) = self.clients[client].take() {
                    self.world.lose(stream);
                }
            }
            8 => {
                self.world.carry_out(shard);
            }
            9 => {
                let other = self.world.shards() - 1;
                let (from, to) = if operation & 0x10 == 0 {
                    (0, other)
                } else {
                    (other, 0)
                };
                self.world.carry(from, to);
            }
            10 => {
                self.world.go_on(shard);
            }
            11 => self.world.pass(u32::from(input.byte()? & 0x1F)),
            12 => {
                if let Some(stream) = self.clients[client] {
                    self.world.set_reading(stream, operation & 0x40 != 0);
                }
            }
            13 => {
                let bytes = input.below(256)?;
                if let Some(stream) = self.clients[client] {
                    self.world.flush(stream, bytes);
                }
            }
            14 if operation == 0xFE && input.byte()? == 0xFE => {
                self.stopping = true;
                self.world.stop(StopPhase::StopReading);
            }
            _ => self.settle(),
        }
        Some(())
    }

    fn settle(&mut self) {
        self.world.settle();
    }

    /// The stream of a client, which connects if it has none; with a CONNECT first.
    fn client(&mut self, client: usize, shard: usize, input: &mut Input<'_>) -> Option<usize> {
        if let Some(stream) = self.clients[client]
            && self.world.is_open(stream)
        {
            return Some(stream);
        }
        let (version, maximum, connect) = packets::connect(input)?;
        let stream = self.world.open(shard, version, maximum)?;
        let cut = input.below(256)?.min(connect.len());
        self.world.send(stream, &connect[..cut]);
        self.world.send(stream, &connect[cut..]);
        self.clients[client] = Some(stream);
        Some(stream)
    }

    /// Everybody goes; whoever comes then is served.
    fn end(&mut self) {
        self.settle();
        if self.stopping {
            self.world.shut_down();
            return;
        }
        self.world.empty();
        for shard in 0..self.world.shards() {
            self.serve(shard);
        }
        self.world.empty();
    }

    fn serve(&mut self, shard: usize) {
        let mut connect = b"\x10\x11\0\x04MQTT\x04\x02\0\0\0\x05fresh".to_vec();
        let number = u8::try_from(shard).expect("two engines");
        connect[18] = b'0' + number;
        let topic = [b"fresh/".as_slice(), &[b'0' + number]].concat();
        let subscribe = [b"\x82\x0C\0\x01\0\x07", &topic[..], b"\0"].concat();
        let publish = [b"\x32\x0B\0\x07", &topic[..], b"\0\x01"].concat();
        let opened = self.world.open(shard, ProtocolVersion::V3_1_1, u32::MAX);
        let stream = opened.expect("there is room");
        for packet in [connect, subscribe, publish] {
            self.world.send(stream, &packet);
            self.settle();
        }
        let heard = &self.world.judge(stream).topics;
        assert_eq!(heard.len(), 1, "a fresh client is not served: {heard:?}");
    }
}
