//! libFuzzer's way into `password_file`: such a file, and every edit of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::rule_files::password_file(data));
