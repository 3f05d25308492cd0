//! Which phases a hook takes part in, as bits.
//!
//! Owns nothing. Pure. The union over all hooks is what the engine tests before it
//! does anything for a phase.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// A set of phases; combine them with `|`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Phases(u16);

macro_rules! phases {
    ($($(#[$doc:meta])* $name:ident = $bit:literal,)*) => {
        impl Phases {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// Every phase there is.
            pub const ALL: Self = Self($((1 << $bit))|*);
        }

        const NAMES: &[(Phases, &str)] = &[$((Phases::$name, stringify!($name))),*];
    };
}

phases! {
    /// [`Hook::connect`](super::Hook::connect).
    CONNECT = 0,
    /// [`Hook::authenticate`](super::Hook::authenticate).
    AUTHENTICATE = 1,
    /// [`Hook::exchange`](super::Hook::exchange).
    EXCHANGE = 2,
    /// [`Hook::authorize_publish`](super::Hook::authorize_publish).
    AUTHORIZE_PUBLISH = 3,
    /// [`Hook::authorize_subscribe`](super::Hook::authorize_subscribe).
    AUTHORIZE_SUBSCRIBE = 4,
    /// [`Hook::publish`](super::Hook::publish).
    PUBLISH = 5,
    /// [`Hook::deliver`](super::Hook::deliver) for every delivery.
    DELIVER = 6,
    /// [`Hook::deliver`](super::Hook::deliver) where a subscription was granted with
    /// [`Verdict::AllowFiltered`](super::Verdict::AllowFiltered).
    DELIVER_FILTERED = 7,
    /// [`Hook::subscribed`](super::Hook::subscribed) and
    /// [`Hook::unsubscribed`](super::Hook::unsubscribed).
    SUBSCRIPTIONS = 8,
    /// [`Hook::session_opened`](super::Hook::session_opened),
    /// [`Hook::session_resumed`](super::Hook::session_resumed) and
    /// [`Hook::session_ended`](super::Hook::session_ended).
    SESSIONS = 9,
    /// [`Hook::disconnected`](super::Hook::disconnected).
    DISCONNECTED = 10,
    /// [`Hook::dropped`](super::Hook::dropped).
    DROPPED = 11,
    /// [`Hook::refused`](super::Hook::refused).
    REFUSED = 12,
}

impl Phases {
    /// No phase at all.
    pub const NONE: Self = Self(0);

    /// Both sets together, in constants.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets have a phase in common.
    #[must_use]
    #[inline]
    pub const fn any_of(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Phases {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for Phases {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.with(other);
    }
}

impl fmt::Debug for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(
                NAMES
                    .iter()
                    .filter(|(phase, _)| self.any_of(*phase))
                    .map(|(_, name)| name),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        let set = Phases::CONNECT | Phases::DROPPED;
        assert!(set.any_of(Phases::CONNECT) && set.any_of(Phases::DROPPED));
        assert!(!set.any_of(Phases::PUBLISH | Phases::DELIVER));
        assert!(Phases::NONE.is_empty() && !Phases::ALL.is_empty());
        assert_eq!(format!("{set:?}"), r#"{"CONNECT", "DROPPED"}"#);
    }
}
