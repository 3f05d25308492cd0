//! Tests of the transports as a whole: layers stacked, peers of foreign make.
