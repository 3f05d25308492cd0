//! libFuzzer's way into `frames`: WebSocket frames, whole and cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::frames::run(data));
