//! `ringmq-bench`: the load generator.
fn main() {}
