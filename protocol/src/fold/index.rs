//! Names to slots.

use std::collections::BTreeMap;

/// A map from an id to its slot. A tree, since a hash map's seed and code cost a browser more.
#[derive(Debug, Default)]
pub(super) struct Index(BTreeMap<Box<str>, usize>);

impl Index {
    pub(super) fn get(&self, id: &str) -> Option<usize> {
        self.0.get(id).copied()
    }

    pub(super) fn insert(&mut self, id: &str, slot: usize) {
        self.0.insert(id.into(), slot);
    }
}
