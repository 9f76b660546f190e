//! The in-sync replicas: as committed in the metadata, and as proposed by the leader but not yet committed.
//!
//! While a proposal is in flight, whoever is in the committed or in the proposed set counts (Kafka's "maximal ISR"):
//! whichever of the two the controller ends up with, every member has what is below the high watermark.

use ottla_types::NodeId;
use std::collections::BTreeSet;

/// Why the ISR should change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsrChange {
    /// Members have fallen behind.
    Shrink,
    /// A replica has caught up.
    Expand,
}

/// What a leader asks the controller for (AlterPartition).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrProposal {
    /// Why.
    pub change: IsrChange,
    /// The set that it should become, in ascending order.
    pub isr: Vec<NodeId>,
}

/// Committed and proposed set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Isr {
    committed: BTreeSet<NodeId>,
    proposed: Option<BTreeSet<NodeId>>,
}

impl Isr {
    pub(crate) fn new(committed: impl IntoIterator<Item = NodeId>) -> Isr {
        Isr { committed: committed.into_iter().collect(), proposed: None }
    }

    pub(crate) fn committed(&self) -> &BTreeSet<NodeId> {
        &self.committed
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.proposed.is_some()
    }

    /// Whether `node` is in the maximal ISR.
    pub(crate) fn counts(&self, node: NodeId) -> bool {
        self.committed.contains(&node) || self.proposed.as_ref().is_some_and(|proposed| proposed.contains(&node))
    }

    /// Whether nobody but `node` counts.
    pub(crate) fn is_only(&self, node: NodeId) -> bool {
        let mut members = self.committed.iter().chain(self.proposed.iter().flatten());
        members.all(|&member| member == node)
    }

    pub(crate) fn propose(&mut self, isr: BTreeSet<NodeId>) {
        assert!(self.proposed.is_none(), "one proposal at a time");
        self.proposed = Some(isr);
    }

    pub(crate) fn commit(&mut self, isr: impl IntoIterator<Item = NodeId>) {
        *self = Isr::new(isr);
    }

    pub(crate) fn withdraw(&mut self) {
        self.proposed = None;
    }
}
