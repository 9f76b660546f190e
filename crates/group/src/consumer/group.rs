//! The state of one consumer group: what its records say, the counts that follow from them, and a little that is not in the
//! log.

use super::member::{Member, PartitionEpochs};
use super::subscriptions::Subscriptions;
use crate::assignor::Assignment;
use crate::group::GroupId;
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The last target assignment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TargetAssignment {
    /// The group epoch that it was made for.
    pub(crate) epoch: i32,
    /// When it was made, milliseconds since the epoch; 0 when that is not known.
    pub(crate) timestamp_ms: i64,
    pub(crate) members: BTreeMap<Arc<str>, Arc<Assignment>>,
}

/// What is gone when the group is loaded again.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct GroupVolatileState {
    /// When the topics are looked at again although no subscription changed; 0 is at once.
    pub(crate) metadata_refresh_ms: i64,
    /// No topics were created since the regular expressions were last handed out to be matched.
    pub(crate) regexes_are_fresh: bool,
    /// Since when the regular expressions are being matched, milliseconds since the epoch.
    pub(crate) regexes_handed_out_ms: Option<i64>,
    /// Classic members that were told to rejoin and have a timer running.
    pub(crate) awaited_joins: BTreeSet<Arc<str>>,
}

/// A group whose partitions the coordinator assigns (KIP-848).
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerGroup {
    pub(crate) group_id: GroupId,
    pub(crate) group_epoch: i32,
    /// Hash of the subscribed topics as they were when the epoch was last raised.
    pub(crate) metadata_hash: i64,
    pub(crate) target: TargetAssignment,
    pub(crate) subscriptions: Subscriptions,
    /// The log has a record of Kafka before 4.1 that the next change removes.
    pub(crate) has_subscription_metadata_record: bool,
    pub(crate) volatile: GroupVolatileState,
    members: BTreeMap<Arc<str>, Arc<Member>>,
    /// Member ids by instance id.
    static_members: BTreeMap<String, Arc<str>>,
    /// Members that prefer each assignor.
    server_assignors: BTreeMap<String, usize>,
    classic_members: usize,
    /// Classic members that support each protocol.
    classic_protocols: BTreeMap<String, usize>,
    /// The member epoch of the owner of every partition that is owned or being revoked.
    partition_epochs: PartitionEpochs,
}

impl TargetAssignment {
    const INITIAL_EPOCH: i32 = 1;
}

impl ConsumerGroup {
    /// A group without members.
    pub(crate) fn new(group_id: GroupId) -> ConsumerGroup {
        ConsumerGroup {
            group_id,
            group_epoch: 1,
            metadata_hash: 0,
            target: TargetAssignment {
                epoch: TargetAssignment::INITIAL_EPOCH,
                timestamp_ms: 0,
                members: BTreeMap::new(),
            },
            subscriptions: Subscriptions::default(),
            has_subscription_metadata_record: false,
            volatile: GroupVolatileState::default(),
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            server_assignors: BTreeMap::new(),
            classic_members: 0,
            classic_protocols: BTreeMap::new(),
            partition_epochs: BTreeMap::new(),
        }
    }

    /// Whether it has no members.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// `group_state` as Kafka shows it. Walks the members while the group reconciles.
    pub(crate) fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.group_epoch > self.target.epoch {
            "Assigning"
        } else if self.members.values().all(|member| member.is_reconciled_to(self.target.epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// Whether a member wants the topic: its offsets neither expire nor may be deleted.
    pub(crate) fn is_subscribed_to_topic(&self, topic: &str) -> bool {
        self.subscriptions.contains(topic)
    }

    pub(crate) fn member(&self, member_id: &str) -> Option<&Arc<Member>> {
        self.members.get(member_id)
    }

    pub(crate) fn static_member(&self, instance_id: &str) -> Option<&Arc<Member>> {
        self.members.get(self.static_members.get(instance_id)?)
    }

    /// All members, ordered by id.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn classic_member_count(&self) -> usize {
        self.classic_members
    }

    /// Classic members that support the protocol.
    pub(crate) fn classic_protocol_support(&self, name: &str) -> usize {
        self.classic_protocols.get(name).copied().unwrap_or(0)
    }

    /// The member epoch of the owner of a partition; None when it is free.
    pub(crate) fn partition_epoch(&self, topic_id: Uuid, partition: i32) -> Option<i32> {
        self.partition_epochs.get(&topic_id)?.get(&partition).copied()
    }

    /// The assignor that most members prefer, as if `after` stood in the place of `before`; None when nobody has one.
    pub(crate) fn preferred_assignor(&self, before: Option<&Member>, after: Option<&Member>) -> Option<String> {
        let mut counts = self.server_assignors.clone();
        count_assignor(&mut counts, before, after);
        // Equal counts: the last by name, so that it is always the same one.
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
    }

    /// The target assignment of a member; empty when it has none.
    pub(crate) fn target_of(&self, member_id: &str) -> Arc<Assignment> {
        self.target.members.get(member_id).cloned().unwrap_or_default()
    }

    /// Puts a member in the place of the one with its id.
    pub(crate) fn update_member(&mut self, member: Member) {
        let member = Arc::new(member);
        let before = self.members.insert(member.member_id.clone(), member.clone());
        self.count(before.as_deref(), Some(&member));
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.member_id.clone());
        }
    }

    /// Forgets a member.
    pub(crate) fn remove_member(&mut self, member_id: &str) {
        let Some(before) = self.members.remove(member_id) else { return };
        self.count(Some(&before), None);
        self.volatile.awaited_joins.remove(member_id);
        if let Some(instance_id) = &before.instance_id {
            // A member that took over the instance keeps it.
            if self.static_members.get(instance_id).is_some_and(|owner| **owner == *member_id) {
                self.static_members.remove(instance_id);
            }
        }
    }

    /// The group as its records alone tell it.
    #[cfg(test)]
    pub(crate) fn without_volatile(&self) -> ConsumerGroup {
        ConsumerGroup { volatile: GroupVolatileState::default(), ..self.clone() }
    }

    fn count(&mut self, before: Option<&Member>, after: Option<&Member>) {
        self.subscriptions.replace(before, after);
        count_assignor(&mut self.server_assignors, before, after);
        count_classic(&mut self.classic_members, &mut self.classic_protocols, before, after);
        if let Some(member) = before {
            self.release(member);
        }
        if let Some(member) = after {
            self.own(member);
        }
    }

    fn own(&mut self, member: &Member) {
        for (topic_id, partitions) in
            member.assigned_partitions.iter().chain(member.partitions_pending_revocation.iter())
        {
            let epochs = self.partition_epochs.entry(*topic_id).or_default();
            for partition in partitions.keys() {
                let epoch = epochs.entry(*partition).or_insert(member.member_epoch);
                // Compaction can leave an owner of the past in the log for a while: the later epoch counts.
                *epoch = (*epoch).max(member.member_epoch);
            }
        }
    }

    fn release(&mut self, member: &Member) {
        for (topic_id, partitions) in
            member.assigned_partitions.iter().chain(member.partitions_pending_revocation.iter())
        {
            let Some(epochs) = self.partition_epochs.get_mut(topic_id) else { continue };
            for partition in partitions.keys() {
                if epochs.get(partition) == Some(&member.member_epoch) {
                    epochs.remove(partition);
                }
            }
            if epochs.is_empty() {
                self.partition_epochs.remove(topic_id);
            }
        }
    }
}

fn count_assignor(counts: &mut BTreeMap<String, usize>, before: Option<&Member>, after: Option<&Member>) {
    if let Some(name) = before.and_then(|member| member.server_assignor.as_ref()) {
        decrement(counts, name);
    }
    if let Some(name) = after.and_then(|member| member.server_assignor.as_ref()) {
        *counts.entry(name.clone()).or_default() += 1;
    }
}

fn count_classic(
    members: &mut usize,
    protocols: &mut BTreeMap<String, usize>,
    before: Option<&Member>,
    after: Option<&Member>,
) {
    if let Some(classic) = before.and_then(|member| member.classic.as_ref()) {
        *members -= 1;
        classic.supported_protocols.iter().for_each(|protocol| decrement(protocols, &protocol.name));
    }
    if let Some(classic) = after.and_then(|member| member.classic.as_ref()) {
        *members += 1;
        for protocol in &classic.supported_protocols {
            *protocols.entry(protocol.name.clone()).or_default() += 1;
        }
    }
}

fn decrement(counts: &mut BTreeMap<String, usize>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}
