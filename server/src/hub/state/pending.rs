//! Inputs that no run has claimed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;
use serde::{Deserialize, Serialize};

use super::inputs::Input;

/// Unclaimed inputs, oldest first.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    all: BTreeMap<Offset, Id>,
    /// Those that runs have delegated. Not in checkpoints: the inputs tell.
    #[serde(skip)]
    delegated: BTreeSet<Offset>,
}

impl Pending {
    pub(super) fn insert(&mut self, id: &Id, input: &Input) {
        self.all.insert(input.offset, id.clone());
        if input.parent.is_some() {
            self.delegated.insert(input.offset);
        }
    }

    pub(super) fn remove(&mut self, offset: Offset) {
        self.all.remove(&offset);
        self.delegated.remove(&offset);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many of them runs have delegated.
    pub(super) fn delegated(&self) -> usize {
        self.delegated.len()
    }

    /// How many of them people have sent.
    pub(super) fn of_people(&self) -> usize {
        self.all.len().saturating_sub(self.delegated.len())
    }

    /// All of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.all.values()
    }

    /// Those that stand at an offset or behind it, and where.
    pub(super) fn from(&self, offset: Offset) -> impl Iterator<Item = (Offset, &Id)> {
        self.all.range(offset..).map(|(at, id)| (*at, id))
    }

    /// Finds again what checkpoints leave out.
    pub(super) fn find_delegated(&mut self, inputs: &HashMap<Id, Input>) {
        let is_delegated =
            |id: &Id| inputs.get(id).is_some_and(|input: &Input| input.parent.is_some());
        let delegated = self.all.iter().filter(|(_, id)| is_delegated(id));
        self.delegated = delegated.map(|(at, _)| *at).collect();
    }
}
