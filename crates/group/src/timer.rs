//! The timers of a shard, keyed by kind, group and member.

use crate::group::GroupId;
use std::sync::Arc;

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    /// A member of a classic group, also one that was given its id but has not joined yet, was not heard of for its
    /// session timeout.
    ClassicHeartbeat,
    /// A classic group has waited long enough for its members to join.
    ClassicJoin,
    /// A classic group has waited long enough for its members to sync.
    ClassicSync,
    /// A member of a KIP-848 group was not heard of for the session timeout.
    ConsumerSession,
    /// A member of a KIP-848 group did not revoke partitions within its rebalance timeout.
    ConsumerRebalance,
    /// A classic member of a KIP-848 group did not rejoin in time.
    ConsumerJoin,
    /// A classic member of a KIP-848 group did not sync in time.
    ConsumerSync,
    /// A member of a streams group was not heard of for the session timeout.
    StreamsSession,
    /// A member of a streams group did not give tasks up within its rebalance timeout.
    StreamsRebalance,
    /// A streams group has waited long enough for more members before its first assignment.
    StreamsInitialRebalance,
    /// A member of a share group was not heard of for the session timeout.
    ShareSession,
    /// `offsets.retention.check.interval.ms` has passed. Group and member are empty.
    ExpireOffsets,
    /// Offsets of topics that were deleted before the shard was loaded are looked for. Group and member are empty.
    ForgetDeleted,
}

/// Names a timer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupTimer {
    /// What for.
    pub kind: TimerKind,
    /// Which group.
    pub group: GroupId,
    /// Which member; empty where the timer is the group's.
    pub member: Arc<str>,
}

impl GroupTimer {
    /// A timer of a whole group.
    pub fn of_group(kind: TimerKind, group: &GroupId) -> GroupTimer {
        GroupTimer { kind, group: group.clone(), member: Arc::from("") }
    }

    /// A timer of a member.
    pub fn of_member(kind: TimerKind, group: &GroupId, member: impl Into<Arc<str>>) -> GroupTimer {
        GroupTimer { kind, group: group.clone(), member: member.into() }
    }

    /// The shard's timer for offset expiry.
    pub fn expire_offsets() -> GroupTimer {
        GroupTimer::of_shard(TimerKind::ExpireOffsets)
    }

    /// The shard's timer for offsets of topics that are gone.
    pub fn forget_deleted() -> GroupTimer {
        GroupTimer::of_shard(TimerKind::ForgetDeleted)
    }

    fn of_shard(kind: TimerKind) -> GroupTimer {
        GroupTimer { kind, group: Arc::from(""), member: Arc::from("") }
    }
}
