//! libFuzzer's way into `acl_file`: such a file, and what it permits.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringmq_fuzz::rule_files::acl_file(data));
