//! A dense table whose places are named by slot and generation.
//!
//! Owns its entries. Pure. The shard keeps tables of its own in parallel, by slot.
//!
//! HOT PATH: `at_mut` is one index and one check per delivery.

/// Generations count modulo this, so that a slot, its generation and an operation
/// fit in the 64 bits of a completion's user data.
pub const GENERATIONS: u32 = 1 << 24;

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    tenant: Option<T>,
}

/// Entries in numbered places; a freed place is used again under a new generation.
#[derive(Debug)]
pub struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    /// Places without a tenant that are not free either.
    vacated: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            vacated: 0,
        }
    }
}

impl<T> Slots<T> {
    /// Puts an entry in and tells its slot and generation.
    ///
    /// # Panics
    /// With more than 2^32 entries, which memory rules out.
    pub fn insert(&mut self, tenant: T) -> (u32, u32) {
        if let Some(slot) = self.free.pop() {
            let place = &mut self.places[slot as usize];
            place.tenant = Some(tenant);
            return (slot, place.generation);
        }
        let slot = u32::try_from(self.places.len()).expect("fewer than 2^32 entries");
        self.places.push(Place {
            generation: 0,
            tenant: Some(tenant),
        });
        (slot, 0)
    }

    /// The entry, if this very tenant is still there.
    #[must_use]
    pub fn get(&self, slot: u32, generation: u32) -> Option<&T> {
        let place = self.places.get(slot as usize)?;
        if place.generation == generation {
            place.tenant.as_ref()
        } else {
            None
        }
    }

    /// The entry, if this very tenant is still there.
    pub fn get_mut(&mut self, slot: u32, generation: u32) -> Option<&mut T> {
        let place = self.places.get_mut(slot as usize)?;
        if place.generation == generation {
            place.tenant.as_mut()
        } else {
            None
        }
    }

    /// Whoever is in this place now.
    #[must_use]
    pub fn at(&self, slot: u32) -> Option<&T> {
        self.places.get(slot as usize)?.tenant.as_ref()
    }

    /// Whoever is in this place now.
    pub fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.places.get_mut(slot as usize)?.tenant.as_mut()
    }

    /// The present generation of a place.
    #[must_use]
    pub fn generation(&self, slot: u32) -> Option<u32> {
        self.places.get(slot as usize).map(|place| place.generation)
    }

    /// Takes the tenant out; the place is free for another.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        let tenant = self.vacate(slot)?;
        self.free(slot);
        Some(tenant)
    }

    /// Takes the tenant out; the place stays empty until [`Slots::free`], because
    /// somebody still names it.
    pub fn vacate(&mut self, slot: u32) -> Option<T> {
        let place = self.places.get_mut(slot as usize)?;
        let tenant = place.tenant.take()?;
        place.generation = (place.generation + 1) % GENERATIONS;
        self.vacated += 1;
        Some(tenant)
    }

    /// A place that was vacated is free for another tenant.
    pub fn free(&mut self, slot: u32) {
        debug_assert!(self.at(slot).is_none(), "vacated before");
        self.vacated -= 1;
        self.free.push(slot);
    }

    /// Entries in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len() - self.vacated
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Slot and entry of each, from a slot on.
    pub fn from_slot(&self, first: u32) -> impl Iterator<Item = (u32, &T)> {
        let places = self.places.get(first as usize..).unwrap_or_default();
        (first..)
            .zip(places)
            .filter_map(|(slot, place)| place.tenant.as_ref().map(|tenant| (slot, tenant)))
    }

    /// Slot, generation and entry of each.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, &T)> {
        (0u32..).zip(&self.places).filter_map(|(slot, place)| {
            place
                .tenant
                .as_ref()
                .map(|tenant| (slot, place.generation, tenant))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_under_another_generation() {
        let mut slots = Slots::default();
        let (slot, first) = slots.insert("a");
        assert_eq!(slots.remove(slot), Some("a"));
        let (again, second) = slots.insert("b");
        assert_eq!(slot, again);
        assert_ne!(first, second);
        assert_eq!(slots.get(slot, first), None);
        assert_eq!(slots.get(slot, second), Some(&"b"));
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn a_place_that_is_still_named_is_not_used_again() {
        let mut slots = Slots::default();
        let (slot, _) = slots.insert("a");
        assert_eq!(slots.vacate(slot), Some("a"));
        assert!(slots.is_empty() && slots.at(slot).is_none());
        let (other, _) = slots.insert("b");
        assert_ne!(slot, other);
        slots.free(slot);
        assert_eq!(slots.insert("c").0, slot);
        assert_eq!(slots.len(), 2);
    }
}
