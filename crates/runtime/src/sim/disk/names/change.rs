//! Changes of names that are not durable yet, and how they build on each other.

use super::{Number, Slot};
use std::collections::BTreeSet;

/// A change of names: `number` leaves `from` and appears at `to`. A creation has no `from`, a removal no `to`.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) order: u64,
    pub(super) number: Number,
    pub(super) from: Option<Slot>,
    pub(super) to: Option<Slot>,
}

impl Change {
    /// The directory whose sync makes the change durable.
    pub(super) fn directory(&self) -> Number {
        self.to.as_ref().or(self.from.as_ref()).expect("a change has a place").0
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.from.iter().chain(&self.to)
    }
}

/// What an earlier or later change must not share with this one to be independent of it.
#[derive(Default)]
pub(super) struct Touched {
    slots: BTreeSet<Slot>,
    numbers: BTreeSet<Number>,
}

impl Touched {
    pub(super) fn add(&mut self, change: &Change) {
        self.slots.extend(change.slots().cloned());
        self.numbers.insert(change.number);
    }

    pub(super) fn overlaps(&self, change: &Change) -> bool {
        self.numbers.contains(&change.number) || change.slots().any(|slot| self.slots.contains(slot))
    }
}
