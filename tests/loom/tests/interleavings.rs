//! Runs every model; see `src/models.rs` for what each promises.
//!
//! Owns nothing. A failure prints the assertion; `LOOM_LOG=trace` shows the order of
//! steps that led there.

use ringmq_loom::models;

#[test]
fn a_lane_hands_over_each_item_once_and_in_order() {
    models::a_lane_hands_over_each_item_once_and_in_order();
}

#[test]
fn a_lane_drops_what_nobody_received() {
    models::a_lane_drops_what_nobody_received();
}

#[test]
fn a_full_lane_tells_its_sender_of_room() {
    models::a_full_lane_tells_its_sender_of_room();
}

#[test]
fn no_wake_up_is_lost() {
    models::no_wake_up_is_lost();
}

#[test]
fn a_backlog_moves_on_while_its_sender_sleeps() {
    models::a_backlog_moves_on_while_its_sender_sleeps();
}

#[test]
fn shards_that_fill_each_others_lanes_make_progress() {
    models::shards_that_fill_each_others_lanes_make_progress();
}

#[test]
fn interest_in_a_topic_is_seen_after_suback() {
    models::interest_in_a_topic_is_seen_after_suback();
}

#[test]
fn interest_in_a_shape_that_another_shard_leaves_is_seen_after_suback() {
    models::interest_in_a_shape_that_another_shard_leaves_is_seen_after_suback();
}

#[test]
fn interest_in_a_new_shape_is_seen_after_suback() {
    models::interest_in_a_new_shape_is_seen_after_suback();
}
