//! How a member gets from what it owns to its target assignment, so that no partition ever has two owners (KIP-848).
//!
//! 1. A member that owns what is not its own any more keeps its epoch and is told to revoke it (UNREVOKED_PARTITIONS) until it
//!    no longer reports it. 2. Then it moves to the target's epoch and gets those of its partitions that are free. 3. If others
//!    still own some it waits for them (UNRELEASED_PARTITIONS), 4. and has arrived (STABLE) when it has all.

use super::error::GroupError;
use super::group::ConsumerGroup;
use super::member::{Member, MemberState, PartitionEpochs};
use crate::assignor::Assignment;
use crate::topics::GroupTopics;
use ottla_protocol::consumer_group_heartbeat_request::TopicPartitions;
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a member is reconciled with.
pub(crate) struct Reconciliation<'a> {
    /// Whose partitions are free or not, and what regular expressions matched.
    pub(crate) group: &'a ConsumerGroup,
    pub(crate) topics: &'a GroupTopics,
    pub(crate) target_epoch: i32,
    pub(crate) target: &'a Assignment,
    /// The member wants other topics than before: what it does not want goes at once.
    pub(crate) subscription_changed: bool,
    /// What the member says that it owns; None when it does not say.
    pub(crate) owned: Option<&'a [TopicPartitions]>,
}

impl Reconciliation<'_> {
    /// The member one step further; None when it stays as it is.
    ///
    /// # Errors
    /// FENCED_MEMBER_EPOCH when the member is in a state of a newer Kafka and still owns partitions.
    pub(crate) fn step(&self, member: &Member) -> Result<Option<Member>, GroupError> {
        let next = match member.state {
            MemberState::Stable if member.member_epoch != self.target_epoch => {
                self.next_assignment(member, member.member_epoch)
            }
            MemberState::Stable if self.subscription_changed => self.without_unsubscribed(member),
            MemberState::Stable => None,
            MemberState::UnrevokedPartitions if self.owns_any_of(&member.partitions_pending_revocation) => {
                if self.subscription_changed { self.without_unsubscribed(member) } else { None }
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                self.next_assignment(member, member.member_epoch)
            }
            MemberState::Unknown if self.owned.is_none_or(|owned| !owned.is_empty()) => {
                return Err(GroupError::new(
                    ErrorCode::FencedMemberEpoch,
                    "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
                ));
            }
            MemberState::Unknown => self.next_assignment(member, self.target_epoch),
        };
        Ok(next.filter(|next| next != member))
    }

    /// Takes away what the member is not subscribed to any more and leaves the rest for later.
    fn without_unsubscribed(&self, member: &Member) -> Option<Member> {
        let subscribed = self.subscribed_topic_ids(member);
        if member.assigned_partitions.keys().all(|topic_id| subscribed.contains(topic_id)) {
            return None;
        }
        let mut assigned = PartitionEpochs::new();
        let mut pending = (*member.partitions_pending_revocation).clone();
        for (topic_id, partitions) in member.assigned_partitions.iter() {
            if subscribed.contains(topic_id) {
                assigned.insert(*topic_id, partitions.clone());
            } else {
                pending.entry(*topic_id).or_default().extend(partitions);
            }
        }
        let must_revoke = !pending.is_empty() && self.owns_any_of(&pending);
        let mut next = member.in_epoch(member.member_epoch);
        next.assigned_partitions = Arc::new(assigned);
        if must_revoke {
            next.state = MemberState::UnrevokedPartitions;
            next.partitions_pending_revocation = Arc::new(pending);
        }
        Some(next)
    }

    /// The full comparison with the target.
    fn next_assignment(&self, member: &Member, member_epoch: i32) -> Option<Member> {
        let mut parts = self.compare(member);
        let mut next = member.in_epoch(member_epoch);
        if !parts.to_revoke.is_empty() && self.owns_any_of(&parts.to_revoke) {
            next.state = MemberState::UnrevokedPartitions;
            next.assigned_partitions = Arc::new(parts.kept);
            next.partitions_pending_revocation = Arc::new(parts.to_revoke);
            return Some(next);
        }
        for (topic_id, partitions) in parts.free {
            let kept = parts.kept.entry(topic_id).or_default();
            kept.extend(partitions.into_iter().map(|partition| (partition, self.target_epoch)));
        }
        let mut next = member.in_epoch(self.target_epoch);
        next.state = if parts.waits { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        if *member.assigned_partitions != parts.kept {
            next.assigned_partitions = Arc::new(parts.kept);
        }
        next.partitions_pending_revocation = Arc::default();
        Some(next)
    }

    fn compare(&self, member: &Member) -> Comparison {
        let subscribed = self.subscribed_topic_ids(member);
        let mut parts = Comparison::default();
        let nothing_wanted = BTreeSet::new();
        let nothing_assigned = BTreeMap::new();
        let topics: BTreeSet<Uuid> = self.target.keys().chain(member.assigned_partitions.keys()).copied().collect();
        for topic_id in topics {
            let wanted =
                self.target.get(&topic_id).filter(|_| subscribed.contains(&topic_id)).unwrap_or(&nothing_wanted);
            let assigned = member.assigned_partitions.get(&topic_id).unwrap_or(&nothing_assigned);
            let revoking = member.partitions_pending_revocation.get(&topic_id);
            for (partition, epoch) in assigned {
                let side = if wanted.contains(partition) { &mut parts.kept } else { &mut parts.to_revoke };
                side.entry(topic_id).or_default().insert(*partition, *epoch);
            }
            for partition in wanted.iter().filter(|partition| !assigned.contains_key(partition)) {
                // What the member itself is giving up is free for it: nobody else can own it.
                let own = revoking.is_some_and(|revoking| revoking.contains_key(partition));
                if own || self.group.partition_epoch(topic_id, *partition).is_none() {
                    parts.free.entry(topic_id).or_default().insert(*partition);
                } else {
                    parts.waits = true;
                }
            }
        }
        parts
    }

    /// Whether the member owns any of these, or does not say.
    fn owns_any_of(&self, partitions: &PartitionEpochs) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|topic| {
            let pending = partitions.get(&topic.topic_id);
            pending.is_some_and(|pending| topic.partitions.iter().any(|partition| pending.contains_key(partition)))
        })
    }

    /// Topics that exist and that the member wants. A regular expression that is not resolved matches nothing.
    fn subscribed_topic_ids(&self, member: &Member) -> BTreeSet<Uuid> {
        let names = self.group.subscriptions.topics_of(member);
        names.iter().filter_map(|name| self.topics.by_name(name)).map(|topic| topic.id).collect()
    }
}

/// The member's partitions against its target.
#[derive(Default)]
struct Comparison {
    kept: PartitionEpochs,
    to_revoke: PartitionEpochs,
    /// Wanted, not owned, and nobody has it.
    free: Assignment,
    /// Wanted, but others still own some.
    waits: bool,
}
