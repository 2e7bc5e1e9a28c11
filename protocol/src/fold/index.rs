//! Names to slots.

/// A map from an id to its slot: a tree whose branches ask for the first bit in which the ids below
/// differ. Nobody can make it slow by the ids they choose, since no path is longer than an id has
/// bits, and in a browser it weighs a tenth of the standard library's maps.
#[derive(Debug, Default)]
pub(super) struct Index {
    root: Option<Place>,
    branches: Vec<Branch>,
    names: Vec<(Box<str>, usize)>,
}

/// Something in the tree, by its number.
#[derive(Debug, Clone, Copy)]
enum Place {
    Branch(usize),
    Name(usize),
}

/// The one that branches ask for first.
const FIRST_BIT: u16 = 1 << 15;

#[derive(Debug)]
struct Branch {
    /// Which byte of an id is asked.
    at: usize,
    /// Which bit of it.
    bit: u16,
    /// Where ids without and with that bit are.
    below: [Place; 2],
}

impl Branch {
    fn has_bit(&self, id: &str) -> bool {
        byte(id, self.at) & self.bit != 0
    }

    fn below(&self, id: &str) -> Place {
        let [without, with] = self.below;
        if self.has_bit(id) { with } else { without }
    }

    fn below_mut(&mut self, id: &str) -> &mut Place {
        let is_with = self.has_bit(id);
        let [without, with] = &mut self.below;
        if is_with { with } else { without }
    }
}

impl Index {
    pub(super) fn get(&self, id: &str) -> Option<usize> {
        let (name, slot) = self.names.get(self.nearest(id)?)?;
        (**name == *id).then_some(*slot)
    }

    /// Adds an id that is not there.
    pub(super) fn insert(&mut self, id: &str, slot: usize) {
        let mut new = Place::Name(self.names.len());
        let near = self.nearest(id).and_then(|near| self.names.get(near));
        if let Some((near, _)) = near {
            let Some(at) = (0..=id.len()).find(|&at| byte(near, at) != byte(id, at)) else {
                return;
            };
            let bit = FIRST_BIT >> (byte(near, at) ^ byte(id, at)).leading_zeros();
            let mut branch = Branch { at, bit, below: [new, new] };

            // Branches ask for earlier bits than those below them.
            let mut above = None;
            let mut place = self.root;
            while let Some(Place::Branch(number)) = place
                && let Some(next) = self.branches.get(number)
                && (next.at < at || (next.at == at && next.bit > bit))
            {
                above = Some(number);
                place = Some(next.below(id));
            }
            if let Some(place) = place {
                let is_with = branch.has_bit(id);
                let [without, with] = &mut branch.below;
                *(if is_with { without } else { with }) = place;
            }
            new = Place::Branch(self.branches.len());
            if let Some(above) = above.and_then(|above| self.branches.get_mut(above)) {
                *above.below_mut(id) = new;
                new = self.root.unwrap_or(new);
            }
            self.branches.push(branch);
        }
        self.root = Some(new);
        self.names.push((id.into(), slot));
    }

    /// The id that was the `number`-th to be inserted.
    #[cfg(feature = "codec")]
    pub(super) fn name(&self, number: usize) -> Option<&str> {
        self.names.get(number).map(|(name, _)| &**name)
    }

    /// The name that an id has the most of its asked bits with.
    fn nearest(&self, id: &str) -> Option<usize> {
        let mut place = self.root?;
        loop {
            match place {
                Place::Name(number) => return Some(number),
                Place::Branch(number) => place = self.branches.get(number)?.below(id),
            }
        }
    }
}

/// A byte of an id plus one, or zero behind its end.
fn byte(id: &str, at: usize) -> u16 {
    id.as_bytes().get(at).map_or(0, |&byte| u16::from(byte) + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_is_found_with_its_slot(
            names in prop::collection::vec("[a-z\0é]{0,3}", 0..400),
        ) {
            let mut index = Index::default();
            let mut expected = BTreeMap::new();
            for (slot, name) in names.iter().enumerate() {
                if index.get(name).is_none() {
                    index.insert(name, slot);
                }
                expected.entry(name.clone()).or_insert(slot);
            }
            for (name, slot) in expected {
                prop_assert_eq!(index.get(&name), Some(slot));
            }
            prop_assert_eq!(index.get("not there"), None);
        }
    }
}
