//! A queue that is gone round in turn, and that members leave from anywhere.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Members in the order of their turns, each once.
#[derive(Debug)]
pub(super) struct Turns<T> {
    order: BTreeMap<u64, T>,
    places: HashMap<T, u64>,
    next_place: u64,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { order: BTreeMap::new(), places: HashMap::new(), next_place: 0 }
    }
}

impl<T: Clone + Eq + Hash> Turns<T> {
    /// Joins at the end; who is in the queue stays where it is.
    pub(super) fn join(&mut self, member: &T) {
        if !self.contains(member) {
            self.places.insert(member.clone(), self.next_place);
            self.order.insert(self.next_place, member.clone());
            self.next_place += 1;
        }
    }

    pub(super) fn leave(&mut self, member: &T) {
        if let Some(place) = self.places.remove(member) {
            self.order.remove(&place);
        }
    }

    pub(super) fn contains(&self, member: &T) -> bool {
        self.places.contains_key(member)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whose turn it is, and who comes after.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.order.values()
    }
}
