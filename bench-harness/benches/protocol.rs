//! What bytes cost: cutting a PUBLISH out of a receive buffer and decoding it,
//! and encoding what a subscriber gets.
//!
//! `cargo bench -p ringmq-bench --bench protocol`

mod cpu_time;

use std::hint::black_box;

use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringmq::protocol::{
    Delivery, PacketId, ProtocolVersion, Publish, PublishProperties, QoS, Split, split,
};

const TOPIC: &str = "site/42/machine/7/temperature";
const PAYLOAD: [u8; 64] = [b'.'; 64];
const MAX_PACKET: u32 = 2_000_000;
const VERSIONS: [(&str, ProtocolVersion); 2] = [
    ("3.1.1", ProtocolVersion::V3_1_1),
    ("5.0", ProtocolVersion::V5),
];

fn publish(version: ProtocolVersion) -> Vec<u8> {
    let properties = match version {
        ProtocolVersion::V5 => PublishProperties {
            message_expiry_interval: Some(60),
            content_type: Some("text/plain"),
            ..PublishProperties::default()
        },
        ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => PublishProperties::default(),
    };
    let publish = Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TOPIC,
        packet_id: PacketId::new(7),
        properties,
        payload: &PAYLOAD,
    };
    let mut bytes = Vec::new();
    publish.encode(version, &mut bytes).expect("it fits");
    bytes
}

fn decode(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("decode PUBLISH, 64 B");
    group.throughput(Throughput::Elements(1));
    for (name, version) in VERSIONS {
        let bytes = publish(version);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Ok(Split::Complete { frame, .. }) = split(black_box(&bytes), MAX_PACKET) else {
                    unreachable!("the packet is whole");
                };
                Publish::decode(version, frame).expect("it is well formed")
            });
        });
    }
    group.finish();
}

fn encode(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("encode PUBLISH, 64 B");
    group.throughput(Throughput::Elements(1));
    for (name, version) in VERSIONS {
        let mut out = Vec::with_capacity(4096);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                let delivery = Delivery {
                    qos: QoS::AtLeastOnce,
                    topic: TOPIC,
                    payload: &PAYLOAD,
                    message_expiry_interval: Some(60),
                    ..Delivery::default()
                };
                black_box(delivery).encode(version, &mut out)
            });
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = cpu_time::criterion(); targets = decode, encode);
criterion_main!(benches);
