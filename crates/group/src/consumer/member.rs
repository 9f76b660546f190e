//! One member of a consumer group.

use ottla_protocol::consumer_group_member_metadata_value::ClassicMemberMetadata;
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The epoch with which a member leaves for good.
pub(crate) const LEAVE_GROUP_MEMBER_EPOCH: i32 = -1;
/// The epoch with which a static member leaves to come back within its session timeout.
pub(crate) const LEAVE_GROUP_STATIC_MEMBER_EPOCH: i32 = -2;

/// Partitions by topic id, each with the member epoch in which its owner got it.
pub(crate) type PartitionEpochs = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// Where a member stands on its way to the target assignment (KIP-848).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MemberState {
    /// Has all of its target that it may have.
    Stable,
    /// Must give partitions up before anything else.
    UnrevokedPartitions,
    /// Waits for partitions that others still own.
    UnreleasedPartitions,
    /// A newer Kafka wrote a state that this one does not know.
    Unknown,
}

/// A member as the log tells it. Its parts are shared, so that a changed copy is cheap.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) member_id: Arc<str>,
    /// -2 while a static member is away.
    pub(crate) member_epoch: i32,
    pub(crate) previous_member_epoch: i32,
    pub(crate) state: MemberState,
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    /// -1 when the member never said.
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) subscribed_topic_names: Arc<BTreeSet<String>>,
    /// Empty for none.
    pub(crate) subscribed_topic_regex: String,
    pub(crate) server_assignor: Option<String>,
    pub(crate) assigned_partitions: Arc<PartitionEpochs>,
    pub(crate) partitions_pending_revocation: Arc<PartitionEpochs>,
    /// Set while the member speaks the classic protocol.
    pub(crate) classic: Option<Arc<ClassicMemberMetadata>>,
}

impl MemberState {
    /// By its number in records.
    pub(crate) fn from_record(value: i8) -> MemberState {
        match value {
            0 => MemberState::Stable,
            1 => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            _ => MemberState::Unknown,
        }
    }

    /// Its number in records.
    pub(crate) fn to_record(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
            MemberState::Unknown => 127,
        }
    }
}

impl Member {
    /// A member that is about to join.
    pub(crate) fn new(member_id: &str) -> Member {
        Member {
            member_id: Arc::from(member_id),
            member_epoch: 0,
            previous_member_epoch: -1,
            state: MemberState::Stable,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: -1,
            client_id: String::new(),
            client_host: String::new(),
            subscribed_topic_names: Arc::default(),
            subscribed_topic_regex: String::new(),
            server_assignor: None,
            assigned_partitions: Arc::default(),
            partitions_pending_revocation: Arc::default(),
            classic: None,
        }
    }

    /// Whether it has arrived at the target assignment of this epoch.
    pub(crate) fn is_reconciled_to(&self, assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.member_epoch == assignment_epoch
    }

    /// Whether it speaks the classic protocol.
    pub(crate) fn uses_classic_protocol(&self) -> bool {
        self.classic.is_some()
    }

    /// The regular expression that it is subscribed to.
    pub(crate) fn regex(&self) -> Option<&str> {
        (!self.subscribed_topic_regex.is_empty()).then_some(self.subscribed_topic_regex.as_str())
    }

    /// The epoch in which it got a partition that it owns or is still revoking.
    pub(crate) fn assignment_epoch(&self, topic_id: Uuid, partition: i32) -> Option<i32> {
        let find = |partitions: &PartitionEpochs| partitions.get(&topic_id)?.get(&partition).copied();
        find(&self.assigned_partitions).or_else(|| find(&self.partitions_pending_revocation))
    }

    /// A copy in another epoch that remembers the present one.
    #[must_use]
    pub(crate) fn in_epoch(&self, member_epoch: i32) -> Member {
        Member { member_epoch, previous_member_epoch: self.member_epoch, ..self.clone() }
    }
}
