//! The `ringmq` binary: parse arguments, hand over to the command line layer.
fn main() {}
