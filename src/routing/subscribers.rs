//! HOT PATH: the sessions behind one filter, as a dense list to fan out from.
//!
//! Owns the list and, once it is long, a table from session to place in it.
//! Lives on one shard, pure. Taking one of 100,000 sessions out moves the last
//! one into its place, so the order says nothing.
//!
//! The table holds places only (4 bytes each) and finds the session in the list
//! itself: 12 bytes of list and about 6 of table per subscriber, each with at
//! most a quarter of slack. A hash map from session to place would double that.

use crate::protocol::QoS;

/// One session that wants a message, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match {
    /// The slot of the session on this shard.
    pub session: u32,
    /// Zero: none. Below `LIST`: the identifier itself. Otherwise a list of the merge.
    pub(super) subscription_ids: u32,
    /// The highest QoS that the matching subscriptions grant.
    pub qos: QoS,
    /// Whether RETAIN is to be forwarded as the publisher set it.
    pub retain_as_published: bool,
    /// Not to be delivered when the session is itself the publisher [MQTT-3.8.3-3].
    pub no_local: bool,
}

const _: () = assert!(
    size_of::<Match>() == 12,
    "a fan-out reads one of these per delivery"
);

/// Lists up to this long are searched from end to end and need no table.
const SEARCHED: usize = 16;

/// Sessions subscribed to one filter.
#[derive(Default)]
pub(super) struct Subscribers {
    entries: Vec<Match>,
    /// There exactly while `entries` is longer than [`SEARCHED`].
    places: Option<Box<Places>>,
    /// How many entries have `no_local` set.
    no_local: u32,
}

impl Subscribers {
    pub(super) fn entries(&self) -> &[Match] {
        &self.entries
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether `session` is here and wants nothing of its own.
    pub(super) fn is_no_local(&self, session: u32) -> bool {
        self.no_local > 0
            && self
                .place(session)
                .is_some_and(|place| self.entries[place].no_local)
    }

    /// Adds a session or replaces what it asked for before; `true` when it is new.
    pub(super) fn set(&mut self, entry: Match) -> bool {
        if let Some(place) = self.place(entry.session) {
            let before = core::mem::replace(&mut self.entries[place], entry);
            self.no_local -= u32::from(before.no_local);
            self.no_local += u32::from(entry.no_local);
            return false;
        }
        self.no_local += u32::from(entry.no_local);
        reserve_one(&mut self.entries);
        self.entries.push(entry);
        match &mut self.places {
            Some(places) => places.push(&self.entries),
            None if self.entries.len() > SEARCHED => {
                self.places = Some(Box::new(Places::of(&self.entries)));
            }
            None => {}
        }
        true
    }

    /// Takes a session out; `false` when it was not here.
    pub(super) fn remove(&mut self, session: u32) -> bool {
        let Some(place) = self.place(session) else {
            return false;
        };
        let last = self.entries.len() - 1;
        if let Some(places) = &mut self.places {
            places.forget(place, &self.entries);
            if place != last {
                places.moved(last, place, &self.entries);
            }
        }
        let removed = self.entries.swap_remove(place);
        self.no_local -= u32::from(removed.no_local);
        if self.entries.len() <= SEARCHED {
            self.places = None;
        }
        self.shrink();
        true
    }

    fn place(&self, session: u32) -> Option<usize> {
        match &self.places {
            Some(places) => places.find(session, &self.entries),
            None => self
                .entries
                .iter()
                .position(|entry| entry.session == session),
        }
    }

    /// Gives memory back when three quarters of it lie unused.
    fn shrink(&mut self) {
        let len = self.entries.len();
        if self.entries.capacity() > 8 && len < self.entries.capacity() / 4 {
            self.entries.shrink_to(len + len / 4);
            if let Some(places) = &mut self.places {
                **places = Places::of(&self.entries);
            }
        }
    }
}

/// Makes room for one more: exactly at first (most filters have one subscriber), by quarters later.
fn reserve_one(entries: &mut Vec<Match>) {
    if entries.len() == entries.capacity() {
        entries.reserve_exact((entries.len() / 4).max(1));
    }
}

/// An open-addressing table: cell -> place in the list, by the session found there.
struct Places {
    /// Invariant: at least one cell in five is [`FREE`](Self::FREE), so that a search ends.
    cells: Box<[u32]>,
    used: usize,
}

impl Places {
    const FREE: u32 = u32::MAX;

    /// The table of a whole list.
    fn of(entries: &[Match]) -> Self {
        let cells = entries.len() + entries.len() / 2 + 8;
        let mut places = Self {
            cells: vec![Self::FREE; cells].into(),
            used: 0,
        };
        for place in 0..entries.len() {
            places.enter(place, entries);
        }
        places
    }

    /// Enters the last of `entries`.
    fn push(&mut self, entries: &[Match]) {
        if (self.used + 1) * 5 > self.cells.len() * 4 {
            *self = Self::of(entries);
        } else {
            self.enter(entries.len() - 1, entries);
        }
    }

    fn find(&self, session: u32, entries: &[Match]) -> Option<usize> {
        let mut cell = self.home(session);
        loop {
            match self.cells[cell] {
                Self::FREE => return None,
                place if entries[place as usize].session == session => {
                    return Some(place as usize);
                }
                _ => cell = self.after(cell),
            }
        }
    }

    fn enter(&mut self, place: usize, entries: &[Match]) {
        let mut cell = self.home(entries[place].session);
        while self.cells[cell] != Self::FREE {
            cell = self.after(cell);
        }
        self.cells[cell] = u32::try_from(place).expect("a list holds each u32 session once");
        self.used += 1;
    }

    /// Takes a place out and closes the gap, so that no search breaks off too early.
    fn forget(&mut self, place: usize, entries: &[Match]) {
        let mut gap = self.cell_of(place, entries);
        let mut cell = gap;
        loop {
            cell = self.after(cell);
            let here = self.cells[cell];
            if here == Self::FREE {
                break;
            }
            // An entry may move back into the gap unless its home lies between gap and cell.
            let home = self.home(entries[here as usize].session);
            let between = if gap <= cell {
                gap < home && home <= cell
            } else {
                gap < home || home <= cell
            };
            if !between {
                self.cells[gap] = here;
                gap = cell;
            }
        }
        self.cells[gap] = Self::FREE;
        self.used -= 1;
    }

    /// The entry at place `from` is about to be at place `to`.
    fn moved(&mut self, from: usize, to: usize, entries: &[Match]) {
        let cell = self.cell_of(from, entries);
        self.cells[cell] = u32::try_from(to).expect("a list holds each u32 session once");
    }

    fn cell_of(&self, place: usize, entries: &[Match]) -> usize {
        let mut cell = self.home(entries[place].session);
        while self.cells[cell] as usize != place {
            debug_assert!(
                self.cells[cell] != Self::FREE,
                "every place is in the table"
            );
            cell = self.after(cell);
        }
        cell
    }

    /// Where a session belongs. Slots are numbered by the broker, densely, so a
    /// multiplication spreads them and nobody outside can aim at one cell.
    fn home(&self, session: u32) -> usize {
        let spread = session.wrapping_mul(0x9E37_79B9);
        ((u64::from(spread) * self.cells.len() as u64) >> 32) as usize
    }

    fn after(&self, cell: usize) -> usize {
        if cell + 1 == self.cells.len() {
            0
        } else {
            cell + 1
        }
    }
}
