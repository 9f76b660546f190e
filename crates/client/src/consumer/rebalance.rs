//! What membership and polling say to each other when partitions come and go.

use super::record::Offsets;
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// Is told by `poll` when partitions come and go. Called on the task that polls.
pub trait RebalanceListener: Send + Sync {
    /// These partitions are new.
    fn on_assigned(&mut self, _partitions: &BTreeSet<TopicPartition>) {}

    /// These partitions go to somebody else in a moment. What is returned is committed before.
    fn on_revoked(&mut self, _partitions: &BTreeSet<TopicPartition>) -> Offsets {
        Offsets::new()
    }

    /// These partitions may be somebody else's already: nothing can be committed for them.
    fn on_lost(&mut self, _partitions: &BTreeSet<TopicPartition>) {}
}

/// A step that polling has to take for the membership.
#[derive(Debug)]
pub(super) enum Step {
    /// Give these up.
    Revoke(BTreeSet<TopicPartition>, oneshot::Sender<()>),
    /// These are gone.
    Lose(BTreeSet<TopicPartition>, oneshot::Sender<()>),
    /// These are what is assigned from now on.
    Assign(BTreeSet<TopicPartition>, oneshot::Sender<()>),
}

/// Who this consumer is in its group.
#[derive(Debug, Clone, Default)]
pub(super) struct Membership {
    pub(super) member_id: String,
    /// Generation or member epoch, -1 outside of the group.
    pub(super) epoch: i32,
}
