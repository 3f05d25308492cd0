//! The dense list of one filter against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cases;
use crate::protocol::QoS;
use crate::routing::subscribers::{Match, Subscribers};

fn entry(session: u32, no_local: bool) -> Match {
    Match {
        session,
        subscription_ids: session.wrapping_mul(7) & 0xfff,
        qos: QoS::AtLeastOnce,
        retain_as_published: false,
        no_local,
    }
}

fn sorted(subscribers: &Subscribers) -> Vec<Match> {
    let mut entries = subscribers.entries().to_vec();
    entries.sort_by_key(|entry| entry.session);
    entries
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_list_holds_what_a_map_would(
        operations in prop::collection::vec((0..8_u8, 0..120_u32, any::<bool>()), 0..1500),
        spread in prop_oneof![Just(1_u32), Just(1 << 20), Just(0x9E37_79B9)],
    ) {
        let (mut list, mut map) = (Subscribers::default(), BTreeMap::new());
        for (i, (kind, slot, no_local)) in operations.iter().enumerate() {
            let session = slot.wrapping_mul(spread);
            // Phases of growth and of decay.
            let removes = if i / 300 % 2 == 0 { 2 } else { 6 };
            if *kind < removes {
                prop_assert_eq!(list.remove(session), map.remove(&session).is_some());
            } else {
                let new = map.insert(session, entry(session, *no_local)).is_none();
                prop_assert_eq!(list.set(entry(session, *no_local)), new);
            }
            let expected = map.get(&session).is_some_and(|entry| entry.no_local);
            prop_assert_eq!(list.is_no_local(session), expected);
        }
        prop_assert_eq!(sorted(&list), map.values().copied().collect::<Vec<_>>());
        for session in map.into_keys() {
            prop_assert!(list.remove(session));
        }
        prop_assert!(list.is_empty());
    }
}
