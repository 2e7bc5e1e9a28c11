//! Names to slots.

/// Names in one block. A block that is full is cut in two.
const BLOCK_MAX_NAMES: usize = 256;

/// A map from an id to its slot: sorted blocks of sorted names. Nobody can make it slow by the
/// names they choose, and in a browser it weighs a fifth of the standard library's maps.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// None is empty.
    blocks: Vec<Vec<(Box<str>, usize)>>,
}

impl Index {
    pub(super) fn get(&self, id: &str) -> Option<usize> {
        let block = self.blocks.get(self.block_of(id))?;
        let at = place(block, id).ok()?;
        block.get(at).map(|&(_, slot)| slot)
    }

    pub(super) fn insert(&mut self, id: &str, slot: usize) {
        let index = self.block_of(id);
        let Some(block) = self.blocks.get_mut(index) else {
            self.blocks.push(vec![(id.into(), slot)]);
            return;
        };
        match place(block, id) {
            Ok(at) => {
                if let Some(known) = block.get_mut(at) {
                    known.1 = slot;
                }
            }
            Err(at) => block.insert(at, (id.into(), slot)),
        }
        if block.len() > BLOCK_MAX_NAMES {
            let upper = block.split_off(BLOCK_MAX_NAMES / 2);
            self.blocks.insert(index + 1, upper);
        }
    }

    /// The block that has the id or would get it: the last one that begins at or before it.
    fn block_of(&self, id: &str) -> usize {
        let after = self
            .blocks
            .partition_point(|block| block.first().is_some_and(|(name, _)| **name <= *id));
        after.saturating_sub(1)
    }
}

fn place(block: &[(Box<str>, usize)], id: &str) -> Result<usize, usize> {
    block.binary_search_by(|(name, _)| (**name).cmp(id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_is_found_with_its_last_slot(
            names in prop::collection::vec("[a-z]{1,3}", 0..3 * BLOCK_MAX_NAMES),
        ) {
            let mut index = Index::default();
            let mut expected = BTreeMap::new();
            for (slot, name) in names.iter().enumerate() {
                index.insert(name, slot);
                expected.insert(name.clone(), slot);
            }
            for (name, slot) in expected {
                prop_assert_eq!(index.get(&name), Some(slot));
            }
            prop_assert_eq!(index.get("not there"), None);
        }
    }
}
