//! The packet ids that one publisher has in use, and what each waits for.
//!
//! Pure. An acknowledgement that no id waits for is the broker's fault and is
//! told apart.

/// What a packet id waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Free,
    /// PUBACK or PUBREC.
    Published,
    /// PUBCOMP.
    Released,
}

/// Ids 1 to the limit.
#[derive(Debug)]
pub struct InFlight {
    free: Vec<u16>,
    /// Of id `n` at `n - 1`.
    states: Vec<State>,
}

/// An acknowledgement for an id that does not wait for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unexpected;

impl InFlight {
    /// All of 1 to `limit` are free.
    #[must_use]
    pub fn new(limit: u16) -> Self {
        Self {
            free: (1..=limit).rev().collect(),
            states: vec![State::Free; usize::from(limit)],
        }
    }

    /// How many are in use.
    #[must_use]
    pub fn count(&self) -> usize {
        self.states.len() - self.free.len()
    }

    /// Takes an id for a PUBLISH.
    pub fn take(&mut self) -> Option<u16> {
        let id = self.free.pop()?;
        self.states[usize::from(id) - 1] = State::Published;
        Some(id)
    }

    /// PUBACK, or a PUBREC that refuses: the id is free.
    ///
    /// # Errors
    /// When the id does not wait for it.
    pub fn acknowledged(&mut self, id: u16) -> Result<(), Unexpected> {
        self.change(id, State::Published, State::Free)
    }

    /// PUBREC: the id waits for PUBCOMP.
    ///
    /// # Errors
    /// When the id does not wait for it.
    pub fn received(&mut self, id: u16) -> Result<(), Unexpected> {
        self.change(id, State::Published, State::Released)
    }

    /// PUBCOMP: the id is free.
    ///
    /// # Errors
    /// When the id does not wait for it.
    pub fn completed(&mut self, id: u16) -> Result<(), Unexpected> {
        self.change(id, State::Released, State::Free)
    }

    fn change(&mut self, id: u16, from: State, to: State) -> Result<(), Unexpected> {
        let index = usize::from(id).checked_sub(1).ok_or(Unexpected)?;
        let state = self.states.get_mut(index).ok_or(Unexpected)?;
        if *state != from {
            return Err(Unexpected);
        }
        *state = to;
        if to == State::Free {
            self.free.push(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_free_again_only_after_its_own_acknowledgements() {
        let mut ids = InFlight::new(2);
        assert_eq!(
            (ids.take(), ids.take(), ids.take()),
            (Some(1), Some(2), None)
        );
        assert_eq!(ids.acknowledged(1), Ok(()));
        assert_eq!(ids.acknowledged(1), Err(Unexpected));
        assert_eq!(ids.received(2), Ok(()));
        assert_eq!(ids.acknowledged(2), Err(Unexpected));
        assert_eq!(ids.completed(2), Ok(()));
        assert_eq!(ids.count(), 0);
    }

    #[test]
    fn ids_out_of_range_are_unexpected() {
        let mut ids = InFlight::new(1);
        assert_eq!(ids.acknowledged(0), Err(Unexpected));
        assert_eq!(ids.acknowledged(2), Err(Unexpected));
    }
}
